//! Files as inputs: JSON Lines, CSV and Parquet, decoded into the same rows as records of a topic.

#[cfg(feature = "parquet")]
mod columns;
mod delimited;
mod error;
mod json_lines;
mod names;
mod rows;

pub use error::ReadError;
pub use names::names;
pub use rows::{Next, Rows};

use riskstream_events::InputFields;
use std::path::Path;

/// Opens a file by its ending.
pub fn open(path: &Path, fields: &InputFields) -> Result<Box<dyn Rows>, ReadError> {
    match ending(path).as_str() {
        "jsonl" | "ndjson" | "json" => Ok(Box::new(json_lines::JsonLines::open(path, fields)?)),
        "csv" => Ok(Box::new(delimited::Delimited::open(path, fields)?)),
        #[cfg(feature = "parquet")]
        "parquet" => Ok(Box::new(columns::Columns::open(path, fields)?)),
        _ => Err(ReadError::UnknownFormat(path.to_owned())),
    }
}

fn ending(path: &Path) -> String {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.unwrap_or_default().to_ascii_lowercase()
}
