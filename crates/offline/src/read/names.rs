//! The names of a file's columns, nested names joined by dots.

use super::ending;
use super::error::ReadError;
use super::json_records::JsonRecords;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;

/// JSON objects that are looked at: a name that none of them has counts as missing.
const LOOKED_AT: usize = 1_000;

/// The names of the columns of a file; of JSON those that its first thousand objects have. None if that cannot be told.
///
/// # Errors
/// The file cannot be read.
pub fn names(path: &Path) -> Result<Option<Vec<String>>, ReadError> {
    match ending(path).as_str() {
        "jsonl" | "ndjson" | "json" => of_json(path),
        "csv" | "tsv" => super::delimited::names(path).map(Some),
        #[cfg(feature = "parquet")]
        "parquet" => super::parquet_file::names(path).map(Some),
        "avro" => super::avro_file::names(path).map(Some),
        _ => Err(ReadError::UnknownFormat(path.to_owned())),
    }
}

fn of_json(path: &Path) -> Result<Option<Vec<String>>, ReadError> {
    let mut records = JsonRecords::open(path)?;
    let mut names = BTreeSet::new();
    for _ in 0..LOOKED_AT {
        let Some((_, record)) = records.next()? else { break };
        // What is no object is rejected when it is read.
        if let Ok(object) = serde_json::from_slice::<Map<String, Value>>(record) {
            add(&object, "", &mut names);
        }
    }
    Ok((!names.is_empty()).then(|| names.into_iter().collect()))
}

fn add(object: &Map<String, Value>, outer: &str, names: &mut BTreeSet<String>) {
    for (name, value) in object {
        let name = format!("{outer}{name}");
        if let Value::Object(inner) = value {
            add(inner, &format!("{name}."), names);
        }
        names.insert(name);
    }
}
