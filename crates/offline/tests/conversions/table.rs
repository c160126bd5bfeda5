//! The examples of docs/conversions.md, and where their values come from.

use riskstream_events::{ReasonCode, Value, ValueType, time};
use std::path::Path;

/// Where a value comes from.
#[derive(Clone, Debug)]
pub enum Source {
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

/// The types of fields, in the order of the table's columns.
pub const TYPES: [ValueType; 5] = [
    ValueType::Bool,
    ValueType::Int,
    ValueType::Float,
    ValueType::Text,
    ValueType::Timestamp,
];

/// What a cell of a CSV file is null as, whatever the column's type.
pub const NULL_CELLS: [&str; 5] = ["", "NULL", "null", r"\N", "NaN"];

const NINES: &str = "9999999999999999999999999999999999999999999999999999999999999999999999999999";
const DECIMAL: &str = r#"{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}"#;

fn columns(names: &[&'static str], row: usize) -> Vec<Source> {
    names.iter().map(|name| Parquet(name, row)).collect()
}

/// An Avro int or long.
pub fn varint(number: i64) -> Vec<u8> {
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
pub fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as i64), bytes.to_vec()].concat()
}

fn avro_floats(float: f32) -> Vec<Source> {
    vec![
        Avro(r#""float""#, float.to_le_bytes().to_vec()),
        Avro(r#""double""#, f64::from(float).to_le_bytes().to_vec()),
    ]
}

/// The sources of a row of the table, by its first cell.
pub fn sources(value: &str) -> Vec<Source> {
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

/// A value as the table has it; a refusal by its reason, `–` if the type is wrong.
pub fn shown(result: Result<Value, ReasonCode>) -> String {
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

/// The rows of the table: a value, and what it is in a field of each type.
pub fn rows() -> Vec<(String, Vec<String>)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conversions.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, examples) = page.split_once("## Examples").unwrap();
    let table = examples.lines().skip_while(|line| !line.starts_with('|'));
    let table = table.skip(2).take_while(|line| line.starts_with('|'));
    let row = |line| {
        let mut cells = cells(line).into_iter().map(str::to_owned);
        let (value, expected) = (cells.next().unwrap(), Vec::from_iter(cells));
        assert_eq!(expected.len(), TYPES.len(), "{line}");
        (value, expected)
    };
    table.map(row).collect()
}

/// The cells of a line of a Markdown table. Blanks within backticks belong to the text.
fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split(" | ").map(str::trim).collect()
}
