//! Files as inputs: JSON Lines, CSV and Parquet, decoded into the same rows as records of a topic.

#[cfg(feature = "parquet")]
mod columns;
#[cfg(feature = "parquet")]
mod delimited;
mod error;
#[cfg(feature = "parquet")]
mod json_lines;
mod object_lines;
mod objects;
#[cfg(feature = "parquet")]
mod parquet_objects;
#[cfg(feature = "parquet")]
mod rows;

pub use error::ReadError;
pub use objects::json_objects;
#[cfg(feature = "parquet")]
pub use rows::{Next, Rows};

#[cfg(feature = "parquet")]
use riskstream_events::InputFields;
#[cfg(feature = "parquet")]
use std::path::Path;

/// Opens a file by its ending.
#[cfg(feature = "parquet")]
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
