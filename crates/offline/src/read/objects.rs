//! Any of the files as JSON objects: to feed them to a topic.

use super::error::{ReadError, io};
use arrow::json::LineDelimitedWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Hands each record of a file to `take` as a JSON object, until it answers false. Cells of a CSV file are
/// texts, which decoders parse; columns named with dots become nested objects.
pub fn json_objects(path: &Path, take: &mut dyn FnMut(&Map<String, Value>) -> bool) -> Result<(), ReadError> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("jsonl" | "ndjson" | "json") => {
            from_lines(path, BufReader::new(File::open(path).map_err(io(path))?), take).map(|_| ())
        }
        Some("csv") => from_csv(path, take),
        Some("parquet") => from_parquet(path, take),
        _ => Err(ReadError::UnknownFormat(path.to_owned())),
    }
}

fn from_lines(
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

fn from_csv(path: &Path, take: &mut dyn FnMut(&Map<String, Value>) -> bool) -> Result<(), ReadError> {
    let mut reader = csv::Reader::from_path(path).map_err(|error| malformed(path, error.to_string()))?;
    let header = reader
        .headers()
        .map_err(|error| malformed(path, error.to_string()))?
        .clone();
    for record in reader.into_records() {
        let record = record.map_err(|error| malformed(path, error.to_string()))?;
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

fn from_parquet(path: &Path, take: &mut dyn FnMut(&Map<String, Value>) -> bool) -> Result<(), ReadError> {
    let file = File::open(path).map_err(io(path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(4096).build())
        .map_err(|error| malformed(path, error.to_string()))?;
    for batch in reader {
        let batch = batch.map_err(|error| malformed(path, error.to_string()))?;
        let mut lines = LineDelimitedWriter::new(Vec::new());
        let written = lines.write(&batch).and_then(|()| lines.finish());
        written.map_err(|error| malformed(path, error.to_string()))?;
        if !from_lines(path, lines.into_inner().as_slice(), take)? {
            break;
        }
    }
    Ok(())
}

fn malformed(path: &Path, why: String) -> ReadError {
    ReadError::Malformed {
        path: path.to_owned(),
        why,
    }
}
