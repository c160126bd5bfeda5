//! Any of the files as JSON objects: to feed them to a topic.

use super::error::{ReadError, io, malformed};
use super::object_lines::from_lines;
#[cfg(feature = "parquet")]
use super::parquet_objects::from_parquet;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Hands each record of a file to `take` as a JSON object, until it answers false. Cells of a CSV file are
/// texts, which decoders parse; columns named with dots become nested objects.
pub fn json_objects(path: &Path, take: &mut dyn FnMut(&Map<String, Value>) -> bool) -> Result<(), ReadError> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("jsonl" | "ndjson" | "json") => {
            from_lines(path, BufReader::new(File::open(path).map_err(io(path))?), take).map(|_| ())
        }
        Some("csv") => from_csv(path, take),
        #[cfg(feature = "parquet")]
        Some("parquet") => from_parquet(path, take),
        _ => Err(ReadError::UnknownFormat(path.to_owned())),
    }
}

fn from_csv(path: &Path, take: &mut dyn FnMut(&Map<String, Value>) -> bool) -> Result<(), ReadError> {
    let mut reader = csv::Reader::from_path(path).map_err(|error| malformed(path, error))?;
    let header = reader.headers().map_err(|error| malformed(path, error))?.clone();
    for record in reader.into_records() {
        let record = record.map_err(|error| malformed(path, error))?;
        let mut object = Map::new();
        for (name, cell) in header.iter().zip(&record) {
            if !cell.is_empty() {
                insert(&mut object, name, cell);
            }
        }
        if !take(&object) {
            break;
        }
    }
    Ok(())
}

fn insert(object: &mut Map<String, Value>, name: &str, cell: &str) {
    match name.split_once('.') {
        None => {
            object.insert(name.to_owned(), cell.into());
        }
        Some((outer, inner)) => {
            let nested = object.entry(outer).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(nested) = nested {
                insert(nested, inner, cell);
            }
        }
    }
}
