//! Reading of files. No other file of this crate opens one, except that `riskstream-models` opens model files.

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

/// The largest table that is read. It is held in memory while it is read.
const MOST_BYTES_OF_TABLE: u64 = 512 << 20;

/// The bytes of a table's file.
///
/// # Errors
/// It cannot be read, or is larger than 512 MiB.
pub fn read_table(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MOST_BYTES_OF_TABLE + 1)
        .read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST_BYTES_OF_TABLE {
        true => Err(Error::other(format!("it is longer than {MOST_BYTES_OF_TABLE} bytes"))),
        false => Ok(bytes),
    }
}
