//! Reading the pipeline file with the process's environment.

use riskstream_definition::{Compiled, Report};
use std::path::Path;

/// Reads and compiles a pipeline file. `${NAME}` is taken from the process's environment.
///
/// # Errors
/// All diagnostics at once, or that the file cannot be read.
pub fn load(path: &Path) -> Result<Compiled, Report> {
    riskstream_definition::load(path, &|variable| std::env::var(variable).ok())
}
