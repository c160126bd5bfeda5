//! JSON Lines as JSON objects.

use super::error::{ReadError, io, malformed};
use serde_json::{Map, Value};
use std::io::BufRead;
use std::path::Path;

/// Hands each line to `take`, until it answers false; whether it never did.
pub(super) fn from_lines(
    path: &Path,
    lines: impl BufRead,
    take: &mut dyn FnMut(&Map<String, Value>) -> bool,
) -> Result<bool, ReadError> {
    for (number, line) in lines.lines().enumerate() {
        let line = line.map_err(io(path))?;
        if line.trim().is_empty() {
            continue;
        }
        let object =
            serde_json::from_str(&line).map_err(|error| malformed(path, format!("line {}: {error}", number + 1)))?;
        if !take(&object) {
            return Ok(false);
        }
    }
    Ok(true)
}
