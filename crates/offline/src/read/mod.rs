//! Files as inputs: JSON, CSV, Parquet and Avro, decoded into the same rows as records of a topic.

mod avro_file;
#[cfg(feature = "parquet")]
mod cells;
#[cfg(feature = "parquet")]
mod column_types;
#[cfg(feature = "parquet")]
mod columns;
mod delimited;
mod error;
mod field_columns;
mod json_file;
mod json_records;
mod json_values;
mod names;
#[cfg(feature = "parquet")]
mod parquet_file;
mod quotes;
mod rows;
mod source;
mod text_file;

#[cfg(feature = "parquet")]
pub use columns::Batches;
pub use error::{ENDINGS, ReadError};
pub use names::names;
pub use rows::{Next, Rows};
pub use source::Source;
#[cfg(feature = "parquet")]
pub use source::Table;

use riskstream_events::InputFields;
use std::path::Path;

/// Opens a file by its ending, before which there may be more to unpack: `.csv.gz`.
///
/// # Errors
/// The file cannot be read, lacks a required column, or has one of a type that its field is not read from.
pub fn open(path: &Path, fields: &InputFields) -> Result<Box<dyn Rows>, ReadError> {
    match ending(path).as_str() {
        "jsonl" | "ndjson" | "json" => Ok(Box::new(json_file::JsonFile::open(path, fields)?)),
        "csv" | "tsv" => Ok(Box::new(delimited::Delimited::open(path, fields)?)),
        #[cfg(feature = "parquet")]
        "parquet" => Ok(Box::new(parquet_file::open(path, fields)?)),
        "avro" => Ok(Box::new(avro_file::AvroFile::open(path, fields)?)),
        _ => Err(ReadError::UnknownFormat(path.to_owned())),
    }
}

/// The ending of the name in lower case, without `.gz`.
fn ending(path: &Path) -> String {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.')
        .map(|(_, ending)| ending.to_owned())
        .unwrap_or_default()
}
