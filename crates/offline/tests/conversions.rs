//! The table of docs/conversions.md, cell by cell, in every format: JSON, JSON arrays, CSV, Parquet (files that pyarrow wrote,
//! see scripts/conversion-files) and Avro.

#[path = "conversions/table.rs"]
mod table;

use riskstream_events::{AvroProjection, DecodeError, Field, InputFields, Row, SchemaError, Value, ValueType};
use riskstream_offline::read::{self, Next, ReadError};
use std::path::{Path, PathBuf};
use table::Source::{self, Avro, Cell, Json, Parquet, Text};
use table::{NULL_CELLS, TYPES, prefixed, rows, shown, sources};

fn fields(column: &str, value_type: ValueType) -> InputFields {
    InputFields::new(vec![Field::at(column, value_type, 0)], None).unwrap()
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The value of a column in one row of a file, counted from 0.
fn from_file(path: &Path, column: &str, at: usize, value_type: ValueType) -> String {
    let mut rows = match read::open(path, &fields(column, value_type)) {
        Ok(rows) => rows,
        Err(ReadError::ColumnType { .. }) => return "–".to_owned(),
        Err(error) => panic!("{error}"),
    };
    let mut row = Row::new();
    for _ in 0..at {
        assert!(!matches!(rows.next(&mut row).unwrap(), Next::End), "{column}");
    }
    match rows.next(&mut row).unwrap() {
        Next::Row => shown(Ok(row[0].clone())),
        Next::Rejected(number, rejection) => {
            assert_eq!(number, at as u64 + 1);
            shown(Err(rejection.code))
        }
        Next::End => panic!("{column} has no row {at}"),
    }
}

/// The value of the only record of a text file.
fn from_text(ending: &str, text: &str, value_type: ValueType) -> String {
    let file = tempfile::Builder::new().suffix(ending).tempfile().unwrap();
    std::fs::write(&file, text).unwrap();
    from_file(file.path(), "x", 0, value_type)
}

fn from_json(json: &str, value_type: ValueType) -> Vec<String> {
    vec![
        from_text(".jsonl", &format!("{{\"x\":{json}}}\n"), value_type),
        from_text(".json", &format!("[{{\"x\": {json} }}]"), value_type),
    ]
}

fn from_csv(cell: &str, value_type: ValueType) -> String {
    let cell = cell.replace('"', "\"\"");
    from_text(".csv", &format!("x,y\n\"{cell}\",1\n"), value_type)
}

fn from_avro(schema: &str, bytes: &[u8], value_type: ValueType) -> String {
    let schema = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"x","type":{schema}}}]}}"#);
    let projection = match AvroProjection::compile(&schema, None, &fields("x", value_type)) {
        Ok(projection) => projection,
        Err(SchemaError::WrongType { .. }) => return "–".to_owned(),
        Err(error) => panic!("{error}"),
    };
    let mut row = Row::new();
    match projection.decode(bytes, &mut row) {
        Ok(()) => shown(Ok(row[0].clone())),
        Err(DecodeError::Rejected(rejection)) => shown(Err(rejection.code)),
        Err(error) => panic!("{error}"),
    }
}

/// The row of texts.parquet that holds a text.
fn text_row(text: &str) -> usize {
    let mut rows = read::open(&data("texts.parquet"), &fields("text", ValueType::Text)).unwrap();
    let mut row = Row::new();
    let mut number = 0;
    while let Next::Row = rows.next(&mut row).unwrap() {
        if row[0] == Value::Text(text.into()) {
            return number;
        }
        number += 1;
    }
    panic!("scripts/conversion-files has no text `{text}`")
}

/// The results of a source, and what is expected of them.
fn results(source: &Source, value_type: ValueType, expected: &str) -> (Vec<String>, String) {
    let expected = expected.to_owned();
    let is_text = value_type == ValueType::Text;
    match source {
        Json(json) => (from_json(json, value_type), expected),
        // In CSV a text is as it is.
        Cell(cell) if is_text && expected != "null" => (vec![from_csv(cell, value_type)], format!("\"{cell}\"")),
        Cell(cell) => (vec![from_csv(cell, value_type)], expected),
        Text(text) => {
            let mut found = from_json(&serde_json::to_string(text).unwrap(), value_type);
            found.push(from_avro(r#""string""#, &prefixed(text.as_bytes()), value_type));
            found.push(from_file(&data("texts.parquet"), "text", text_row(text), value_type));
            let cell = from_csv(text, value_type);
            if is_text && NULL_CELLS.contains(&text.as_str()) {
                assert_eq!(cell, "null", "{text} in CSV");
            } else {
                found.push(cell);
            }
            (found, expected)
        }
        Parquet(column, row) => (
            vec![from_file(&data("types.parquet"), column, *row, value_type)],
            expected,
        ),
        Avro(schema, bytes) => (vec![from_avro(schema, bytes, value_type)], expected),
    }
}

#[test]
fn every_cell_of_the_table_holds_in_every_format() {
    let (mut tried, mut wrong) = (0, Vec::new());
    for (value, expected) in rows() {
        for source in sources(&value) {
            for (value_type, expected) in TYPES.into_iter().zip(&expected) {
                let (found, expected) = results(&source, value_type, expected);
                tried += found.len();
                if found.iter().any(|found| *found != expected) {
                    wrong.push(format!(
                        "{source:?} as {}: {found:?} instead of {expected}",
                        value_type.name()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 1_500, "only {tried} cells were tried");
}
