//! Errors and panics of libraries as [`ModelError`]s.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_onnx::prelude::TractError;

use crate::ModelError;

/// Runs `work`. A panic becomes `error` of the panic's message.
pub(crate) fn catch_panic<T>(
    error: impl Fn(String) -> ModelError,
    work: impl FnOnce() -> Result<T, ModelError>,
) -> Result<T, ModelError> {
    // Unwind safe: callers drop what `work` was building, and keep no state that a panic interrupted.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(error(panic_message(&*panic))))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without a message"))
}

/// An error of a run as this crate's.
pub(crate) fn run_error(error: TractError) -> ModelError {
    ModelError::Run(shortened(&error))
}

/// The message of tract's error with its causes, cut to 600 characters: some messages print whole tensors.
pub(crate) fn shortened(error: &TractError) -> String {
    const MAX_CHARACTERS: usize = 600;
    let text = format!("{error:#}");
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
