//! Reading of roll-out files.

use riskstream_definition::{Compiled, Report, compile_rollout};
use riskstream_scoring::Lineup;
use std::io;
use std::path::Path;

/// Limit for the size of a roll-out file.
const MAX_BYTES: u64 = 1 << 20;

/// The text of a roll-out file.
///
/// # Errors
/// The file cannot be read.
pub fn read_text(path: &Path) -> Result<String, Report> {
    read_limited(path).map_err(|error| Report::unreadable(&path.display().to_string(), &error))
}

/// Loads and checks the models of a roll-out file.
///
/// # Errors
/// The file cannot be read, or has diagnostics.
pub fn load_lineup(path: &Path, pipeline: &Compiled) -> Result<Lineup, Report> {
    let (_, lineup) = compile_rollout(&path.display().to_string(), &read_text(path)?, pipeline)?;
    Ok(lineup)
}

/// As [`read_text`], with the error of the operating system.
pub(super) fn read_limited(path: &Path) -> io::Result<String> {
    let size = std::fs::metadata(path)?.len();
    if size > MAX_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAX_BYTES} bytes")));
    }
    std::fs::read_to_string(path)
}
