//! Reading pipeline and roll-out files, with the process's environment.

use crate::commands::CommandError;
use anyhow::anyhow;
use riskstream_definition::{Compiled, Report, compile_rollout};
use riskstream_scoring::Lineup;
use std::path::Path;

/// Reads and compiles a pipeline file. `${NAME}` is taken from the process's environment.
///
/// # Errors
/// All diagnostics at once, or that the file cannot be read.
pub fn load(path: &Path) -> Result<Compiled, Report> {
    riskstream_definition::load(path, &|variable| std::env::var(variable).ok())
}

/// Reads a roll-out file; loads and checks its models.
///
/// # Errors
/// All diagnostics at once, or that the file cannot be read.
pub fn load_rollout(pipeline: &Compiled, path: &Path) -> Result<Lineup, CommandError> {
    let (_, lineup) = compile_rollout(&path.display().to_string(), &read_rollout_text(path)?, pipeline)?;
    Ok(lineup)
}

/// Reads the text of a roll-out file.
///
/// # Errors
/// The file cannot be read.
pub fn read_rollout_text(path: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(path)
        .map_err(|error| CommandError::Configuration(anyhow!("cannot read {}: {error}", path.display())))
}
