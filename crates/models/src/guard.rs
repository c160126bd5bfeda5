//! The outermost guard: a panic inside a library becomes an error.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::ModelError;

/// Runs `work`; a panic in it becomes `error` of its message.
pub(crate) fn guarded<T>(
    error: impl Fn(String) -> ModelError,
    work: impl FnOnce() -> Result<T, ModelError>,
) -> Result<T, ModelError> {
    // What `work` was building is dropped, so nothing half-done is seen afterwards.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(error(message(&*panic))))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without a message"))
}

/// A library's error with its causes, shortened: some print whole tensors.
pub(crate) fn brief(error: &tract_onnx::prelude::TractError) -> String {
    const LONGEST: usize = 600;
    let text = format!("{error:#}");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
