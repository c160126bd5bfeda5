//! Loading of the pipeline file with the environment variables of the process.

use riskstream_definition::{Compiled, Report};
use std::path::Path;

/// Reads and compiles a pipeline file. `${NAME}` in the file is replaced by the environment variable NAME.
///
/// # Errors
/// All diagnostics of the file, or that it cannot be read.
pub fn load(path: &Path) -> Result<Compiled, Report> {
    riskstream_definition::load(path, &|variable| std::env::var(variable).ok())
}
