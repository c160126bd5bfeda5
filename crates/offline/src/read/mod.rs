//! Files as inputs: JSON Lines, CSV and Parquet, decoded into the same rows as records of a topic.

mod columns;
mod delimited;
mod error;
mod json_lines;
mod objects;
mod rows;

pub use error::ReadError;
pub use objects::json_objects;
pub use rows::{Next, Rows};

use riskstream_events::InputFields;
use std::path::Path;

/// Opens a file by its ending.
pub fn open(path: &Path, fields: &InputFields) -> Result<Box<dyn Rows>, ReadError> {
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    match ending.as_str() {
        "jsonl" | "ndjson" | "json" => Ok(Box::new(json_lines::JsonLines::open(path, fields)?)),
        "csv" => Ok(Box::new(delimited::Delimited::open(path, fields)?)),
        "parquet" => Ok(Box::new(columns::Columns::open(path, fields)?)),
        _ => Err(ReadError::UnknownFormat(path.to_owned())),
    }
}
