//! Reading of text files. No other file of this crate opens one, except that `riskstream-models` opens model files.

use std::fs::File;
use std::io::{Error, Read, Result};
use std::path::Path;

/// The largest file that is read: larger than any pipeline file, schema or model card.
const MOST_BYTES: u64 = 16 << 20;

/// The text of a file.
///
/// # Errors
/// It cannot be read, is not UTF-8, or is larger than 16 MiB.
pub fn read_text(path: &Path) -> Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    file.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    match text.len() as u64 > MOST_BYTES {
        true => Err(Error::other(format!("it is longer than {MOST_BYTES} bytes"))),
        false => Ok(text),
    }
}
