//! The table of docs/conversions.md, cell by cell, in every format: JSON, JSON arrays, CSV, Parquet (files that pyarrow wrote,
//! see scripts/conversion-files) and Avro.

use riskstream_events::{
    AvroProjection, DecodeError, Field, InputFields, ReasonCode, Row, SchemaError, Value, ValueType, time,
};
use riskstream_offline::read::{self, Next, ReadError};
use std::path::{Path, PathBuf};

/// Where a value comes from.
#[derive(Clone, Debug)]
enum Source {
    /// A value in JSON.
    Json(&'static str),
    /// A cell of a CSV file.
    Cell(&'static str),
    /// A text, in all formats.
    Text(String),
    /// A column and a row of types.parquet.
    Parquet(&'static str, usize),
    /// A type and a value in Avro.
    Avro(&'static str, Vec<u8>),
}

use Source::{Avro, Cell, Json, Parquet, Text};

const TYPES: [ValueType; 5] = [
    ValueType::Bool,
    ValueType::Int,
    ValueType::Float,
    ValueType::Text,
    ValueType::Timestamp,
];

/// What a cell of a CSV file is null as, whatever the column's type.
const NULL_CELLS: [&str; 5] = ["", "NULL", "null", r"\N", "NaN"];

const NINES: &str = "9999999999999999999999999999999999999999999999999999999999999999999999999999";
const DECIMAL: &str = r#"{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}"#;

fn columns(names: &[&'static str], row: usize) -> Vec<Source> {
    names.iter().map(|name| Parquet(name, row)).collect()
}

/// An Avro int or long.
fn varint(number: i64) -> Vec<u8> {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// An Avro string or bytes.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as i64), bytes.to_vec()].concat()
}

fn avro_floats(float: f32) -> Vec<Source> {
    vec![
        Avro(r#""float""#, float.to_le_bytes().to_vec()),
        Avro(r#""double""#, f64::from(float).to_le_bytes().to_vec()),
    ]
}

/// The sources of a row of the table, by its first cell.
fn sources(value: &str) -> Vec<Source> {
    let (own, parquet) = sources_of_number(value).unwrap_or_else(|| sources_of_other(value));
    [own, parquet].concat()
}

/// Parquet columns of whole numbers, of decimals and of floats.
const INTEGERS: [&str; 11] = [
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "decimal38_0",
    "decimal76_0",
    "category_int",
];
const DECIMALS: [&str; 6] = [
    "decimal9_2",
    "decimal18_2",
    "decimal32_2",
    "decimal64_2",
    "decimal38_10",
    "decimal76_2",
];
const FLOATS: [&str; 3] = ["float16", "float32", "float64"];

/// The sources of booleans and numbers, and the Parquet columns of them.
fn sources_of_number(value: &str) -> Option<(Vec<Source>, Vec<Source>)> {
    let long = |number| Avro(r#""long""#, varint(number));
    Some(match value {
        "boolean true" => (vec![Json("true"), Avro(r#""boolean""#, vec![1])], columns(&["bool"], 0)),
        "boolean false" => (
            vec![Json("false"), Avro(r#""boolean""#, vec![0])],
            columns(&["bool"], 1),
        ),
        "integer 1" => {
            let int = Avro(r#""int""#, varint(1));
            (vec![Json("1"), Cell("1"), int, long(1)], columns(&INTEGERS, 0))
        }
        "integer 42" => {
            let int = Avro(r#""int""#, varint(42));
            (vec![Json("42"), Cell("42"), int, long(42)], columns(&INTEGERS, 1))
        }
        "integer 1234567890123456789" => (
            vec![
                Json("1234567890123456789"),
                Cell("1234567890123456789"),
                long(1_234_567_890_123_456_789),
            ],
            columns(&["int64", "uint64", "decimal38_0", "category_int"], 2),
        ),
        "integer 18446744073709551615" => (
            vec![Json("18446744073709551615"), Cell("18446744073709551615")],
            columns(&["uint64", "decimal38_0", "decimal76_0"], 3),
        ),
        "integer of 76 nines" => (vec![Json(NINES), Cell(NINES)], columns(&["decimal76_0"], 2)),
        "decimal 42.00" => (
            vec![
                Json("42.00"),
                Json("4.2e1"),
                Cell("42.00"),
                Avro(DECIMAL, vec![4, 0x10, 0x68]),
            ],
            columns(&DECIMALS, 0),
        ),
        "decimal 12.50" => (
            vec![
                Json("12.50"),
                Json("1250E-2"),
                Cell("12.50"),
                Avro(DECIMAL, vec![4, 0x04, 0xe2]),
            ],
            columns(&DECIMALS, 1),
        ),
        "decimal 9007199254740993.0" => (
            vec![Json("9007199254740993.0"), Cell("9007199254740993.0")],
            columns(&["decimal38_10"], 2),
        ),
        "float 42" => (avro_floats(42.0), columns(&FLOATS, 0)),
        "float32 0.1" => (avro_floats(0.1), columns(&["float32"], 3)),
        "float 9007199254740992" => (avro_floats(2_f32.powi(53)), columns(&["float64"], 3)),
        "NaN" => (
            [avro_floats(f32::NAN), vec![Json("NaN"), Cell("NaN")]].concat(),
            columns(&FLOATS, 1),
        ),
        "infinity" => (avro_floats(f32::INFINITY), columns(&FLOATS, 2)),
        _ => return None,
    })
}

fn sources_of_other(value: &str) -> (Vec<Source>, Vec<Source>) {
    match value {
        "null" => {
            let cells = NULL_CELLS.map(Cell).to_vec();
            let others = vec![Json("null"), Avro(r#"["null","long"]"#, vec![0])];
            let nulls = [
                columns(&["null"], 0),
                columns(&["int8", "float16", "decimal38_10", "category"], 3),
            ]
            .concat();
            ([cells, others].concat(), nulls)
        }
        "text `abc`" => {
            let texts = [
                "string",
                "large_string",
                "string_view",
                "binary",
                "large_binary",
                "fixed",
                "category",
            ];
            let bytes = Avro(r#""bytes""#, prefixed(b"abc"));
            (vec![Text("abc".into()), bytes], columns(&texts, 0))
        }
        "bytes that are not UTF-8" => (
            vec![Avro(r#""bytes""#, vec![2, 0xff])],
            columns(&["binary", "large_binary", "fixed"], 2),
        ),
        "UUID" => {
            let uuid = r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#;
            (vec![Avro(uuid, b"0123456789abcdef".to_vec())], columns(&["uuid"], 0))
        }
        "date 2026-03-14" => {
            let date = r#"{"type":"int","logicalType":"date"}"#;
            (vec![Avro(date, varint(20_526))], columns(&["date32"], 0))
        }
        "time 2026-03-14 09:30:00.123456, in microseconds" => {
            let micros = r#"{"type":"long","logicalType":"timestamp-micros"}"#;
            let times = columns(&["time_us", "time_us_utc", "time_us_berlin"], 0);
            (vec![Avro(micros, varint(1_773_480_600_123_456))], times)
        }
        "time of day 00:00:42, in microseconds" => {
            let micros = r#"{"type":"long","logicalType":"time-micros"}"#;
            (vec![Avro(micros, varint(42_000_000))], columns(&["time_of_day"], 0))
        }
        "list" => {
            let array = Avro(r#"{"type":"array","items":"long"}"#, vec![2, 2, 0]);
            (vec![Json("[1, 2]"), array], columns(&["list"], 0))
        }
        other => {
            let text = other.strip_prefix("text `").and_then(|rest| rest.strip_suffix('`'));
            let text = text.unwrap_or_else(|| panic!("the test knows no source of `{other}`"));
            (vec![Text(text.to_owned())], Vec::new())
        }
    }
}

fn fields(column: &str, value_type: ValueType) -> InputFields {
    InputFields::new(vec![Field::at(column, value_type, 0)], None).unwrap()
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A value as the table has it; a refusal by its reason, `–` if the type is wrong.
fn shown(result: Result<Value, ReasonCode>) -> String {
    match result {
        Ok(Value::Null) => "null".to_owned(),
        Ok(Value::Bool(bool)) => bool.to_string(),
        Ok(Value::Int(int)) => int.to_string(),
        Ok(Value::Float(float)) => format!("{float:?}"),
        Ok(Value::Text(text)) => format!("\"{text}\""),
        Ok(Value::Timestamp(micros)) => {
            let mut text = Vec::new();
            time::write(micros, &mut text);
            String::from_utf8(text).unwrap()
        }
        Ok(Value::List(_)) => panic!("a list"),
        Err(ReasonCode::WrongType) => "–".to_owned(),
        Err(code) => code.to_string(),
    }
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

/// The cells of a line of a Markdown table. Blanks within backticks belong to the text.
fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split(" | ").map(str::trim).collect()
}

#[test]
fn every_cell_of_the_table_holds_in_every_format() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conversions.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, examples) = page.split_once("## Examples").unwrap();
    let table: Vec<&str> = examples.lines().skip_while(|line| !line.starts_with('|')).collect();
    let table = table.into_iter().skip(2).take_while(|line| line.starts_with('|'));
    let (mut tried, mut wrong) = (0, Vec::new());
    for line in table {
        let cells = cells(line);
        let [value, expected @ ..] = cells.as_slice() else {
            panic!("{line}")
        };
        assert_eq!(expected.len(), TYPES.len(), "{line}");
        for source in sources(value) {
            for (value_type, expected) in TYPES.into_iter().zip(expected) {
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
