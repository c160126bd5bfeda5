//! Files as they come: other delimiters, byte order marks, gzip, arrays, null groups, columns that are not read.

use arrow_array::types::Int8Type;
use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, StringArray};
use arrow_schema::{ArrowError, SchemaRef};
use flate2::Compression;
use flate2::write::GzEncoder;
use riskstream_events::{Field, InputFields, ReasonCode, Row, TimestampUnit, Value, ValueType};
use riskstream_offline::read::{self, Batches, Next, Source, Table, names};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;

fn fields(list: &[(&str, ValueType)]) -> InputFields {
    let field = |(slot, (path, value_type)): (usize, &(&str, ValueType))| Field {
        timestamp_unit: Some(TimestampUnit::Millis),
        ..Field::at(path, *value_type, slot)
    };
    InputFields::new(list.iter().enumerate().map(field).collect(), None).unwrap()
}

fn file(ending: &str, bytes: &[u8]) -> NamedTempFile {
    let file = tempfile::Builder::new().suffix(ending).tempfile().unwrap();
    std::fs::write(&file, bytes).unwrap();
    file
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A row, or the number of a record that was rejected and the reason.
type Record = Result<Row, (u64, ReasonCode)>;

/// The records of a file.
fn rows(path: &Path, fields: &InputFields) -> Result<Vec<Record>, String> {
    let mut rows = read::open(path, fields).map_err(|error| without_path(&error.to_string(), path))?;
    let (mut found, mut row) = (Vec::new(), Row::new());
    loop {
        match rows
            .next(&mut row)
            .map_err(|error| without_path(&error.to_string(), path))?
        {
            Next::Row => found.push(Ok(row.clone())),
            Next::Rejected(number, rejection) => found.push(Err((number, rejection.code))),
            Next::End => return Ok(found),
        }
    }
}

fn without_path(message: &str, path: &Path) -> String {
    message.replace(&path.display().to_string(), "FILE")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

const TWO: [(&str, ValueType); 2] = [("id", ValueType::Text), ("amount", ValueType::Float)];

/// `a` and 1.5, `b` and null.
fn two() -> Vec<Record> {
    vec![Ok(vec![text("a"), Value::Float(1.5)]), Ok(vec![text("b"), Value::Null])]
}

#[test]
fn the_same_rows_from_text_files_of_all_kinds() {
    for (ending, content) in [
        (".csv", "id,amount\na,1.5\nb,\n"),
        (".csv", "\u{feff}id,amount\r\na,1.5\r\nb,NaN\r\n"),
        (".csv", "id;amount\na;1.5\nb;NULL\n"),
        (".csv", "amount;note,or not;id\n1.5;x,y;a\n\\N;,;b"),
        (".tsv", "id\tamount\na\t1.5\nb\t\n"),
        (".CSV", "other|id|amount\n1|a|1.5\n2|b|null\n"),
        (".csv", "\"id\", amount ,other\n\"a\",1.5,\"x\n,y\"\nb,nan,\n"),
        (".jsonl", "{\"id\":\"a\",\"amount\":1.5}\n\n{\"id\":\"b\"}"),
        (
            ".ndjson",
            "\u{feff}{\"id\":\"a\",\"amount\":\"1.5\"}\r\n{\"id\":\"b\",\"amount\":NaN}\r\n",
        ),
        (
            ".json",
            "[{\"id\":\"a\",\"amount\":1.5},{\"id\":\"b\",\"amount\":null}]",
        ),
        (
            ".json",
            "\u{feff}\n [\n {\n \"id\":\"a\",\n \"amount\":1.5},\n{\"id\":\"b\"}\n]\n",
        ),
        (
            ".json",
            "{\n  \"id\": \"a\",\n  \"amount\": 1.5\n}\n{\n  \"id\": \"b\"\n}\n",
        ),
        (
            ".jsonl",
            "{\"id\":\"a\",\"amount\":1.5,\"unused\":NaN}\n{\"unused\":1e999,\"id\":\"b\"}\n",
        ),
    ] {
        let plain = file(ending, content.as_bytes());
        assert_eq!(rows(plain.path(), &fields(&TWO)), Ok(two()), "{content}");
        let packed = file(&format!("{ending}.gz"), &gzip(content.as_bytes()));
        assert_eq!(rows(packed.path(), &fields(&TWO)), Ok(two()), "{content}");
    }
    // Several members, and no ending that says so.
    let members = [gzip(b"id,amount\na,1.5\n"), gzip(b"b,\n")].concat();
    assert_eq!(rows(file(".csv", &members).path(), &fields(&TWO)), Ok(two()));
}

#[test]
fn one_bad_record_costs_no_other() {
    let bad = |number, code| Err((number, code));
    let good = |id: &str| Ok(vec![text(id), Value::Null]);
    for (ending, content, expected) in [
        (
            ".jsonl",
            &b"{\"id\":\"a\"}\n{\"id\":\"b\"\nnull\n{\"id\":\"\xff\"}\n{\"id\":\"e\"}\n"[..],
            vec![
                good("a"),
                bad(2, ReasonCode::NotJson),
                bad(3, ReasonCode::NotJson),
                bad(4, ReasonCode::InvalidUtf8),
                good("e"),
            ],
        ),
        (
            ".json",
            b"[{\"id\":\"a\"},{\"id\":},7,{\"id\":\"d\"}]",
            vec![
                good("a"),
                bad(2, ReasonCode::NotJson),
                bad(3, ReasonCode::NotJson),
                good("d"),
            ],
        ),
        (
            ".csv",
            b"note,id,amount\nx,a,\n\xff,b,\nx,c,ten\nx,d\nx,e,inf\n\nx,\xff,\nx,g,\n",
            vec![
                good("a"),
                good("b"),
                bad(3, ReasonCode::WrongType),
                bad(4, ReasonCode::WrongType),
                bad(5, ReasonCode::NotFinite),
                bad(6, ReasonCode::InvalidUtf8),
                good("g"),
            ],
        ),
    ] {
        assert_eq!(
            rows(file(ending, content).path(), &fields(&TWO)),
            Ok(expected),
            "{ending}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    for (ending, content, expected) in [
        (
            ".csv",
            &b"\xff\xfei\0d\0"[..],
            "FILE: UTF-16 is not read: write it as UTF-8",
        ),
        (".csv", b"\x28\xb5\x2f\xfd", "FILE: zstd is not unpacked: use gzip"),
        (".json", b"PK\x03\x04", "FILE: a zip archive is not unpacked: use gzip"),
        (".csv", b"id,id\na,b\n", "FILE: the column `id` is there twice"),
        (
            ".csv",
            b"id,amount\n\"a\n1\",7\nb,\"8\nc,9\nd,10\n",
            "FILE: line 4: a cell begins with a quote that does not end: all lines after it were read as part of it. Write \"\" for \
             a quote within quotes",
        ),
        (
            ".json",
            b"[{\"id\":\"a\"},",
            "FILE: after record 1: the array does not end: the file is cut off",
        ),
        (
            ".json",
            b"[{\"id\":\"a\"}] x",
            "FILE: after record 1: text after the end of the array",
        ),
    ] {
        let file = file(ending, content);
        assert_eq!(rows(file.path(), &fields(&TWO)), Err(expected.to_owned()));
    }
}

#[test]
fn columns_that_are_never_of_the_fields_type_are_refused_when_the_file_is_opened() {
    let path = data("types.parquet");
    for (column, value_type, expected) in [
        (
            "list",
            ValueType::Int,
            "FILE: the column `list` is List(Int64, field: 'element'), which is not read as int: write a column of another type",
        ),
        (
            "time_us",
            ValueType::Text,
            "FILE: the column `time_us` is Timestamp(µs), which is not read as text: declare the field time_us as timestamp \
             or int or float",
        ),
        (
            "bool",
            ValueType::Timestamp,
            "FILE: the column `bool` is Boolean, which is not read as timestamp: declare the field bool as bool or int or float",
        ),
    ] {
        assert_eq!(rows(&path, &fields(&[(column, value_type)])), Err(expected.to_owned()));
    }
    // A column that is not used does not matter.
    let found = rows(&path, &fields(&[("int8", ValueType::Int)])).unwrap();
    assert_eq!(found[1], Ok(vec![Value::Int(42)]));
}

#[test]
fn a_value_is_null_if_a_group_around_it_is() {
    let wanted = fields(&[
        ("id", ValueType::Text),
        ("merchant.id", ValueType::Int),
        ("merchant.name", ValueType::Text),
        ("merchant.place.city", ValueType::Text),
    ]);
    let found = rows(&data("groups.parquet"), &wanted).unwrap();
    let null = || Value::Null;
    assert_eq!(
        found,
        [
            Ok(vec![text("a"), Value::Int(7), text("shop"), text("Berlin")]),
            Ok(vec![text("b"), null(), null(), null()]),
            Ok(vec![text("c"), Value::Int(8), text(""), null()]),
        ]
    );
}

#[test]
fn every_compression_is_read() {
    for codec in ["none", "snappy", "gzip", "brotli", "lz4", "zstd"] {
        let found = rows(&data(&format!("{codec}.parquet")), &fields(&[("id", ValueType::Text)])).unwrap();
        assert_eq!(found.len(), 100, "{codec}");
        assert_eq!(found[98..], [Ok(vec![text("a")]), Ok(vec![text("b")])], "{codec}");
    }
}

#[test]
fn avro_files_with_every_codec() {
    let wanted = fields(&[
        ("id", ValueType::Text),
        ("time", ValueType::Timestamp),
        ("merchant.id", ValueType::Int),
        ("amount", ValueType::Float),
        ("online", ValueType::Int),
    ]);
    let of_parquet = rows(&data("payments.parquet"), &wanted).unwrap();
    assert_eq!(of_parquet.len(), 40);
    for codec in ["null", "deflate", "snappy"] {
        let path = data(&format!("payments-{codec}.avro"));
        assert_eq!(rows(&path, &wanted).unwrap(), of_parquet, "{codec}");
        let names = names(&path).unwrap().unwrap();
        let expected = [
            "id",
            "time",
            "card",
            "merchant.id",
            "merchant",
            "amount",
            "online",
            "unused",
        ];
        assert_eq!(names, expected);
    }
}

#[test]
fn damaged_avro_files() {
    let wanted = fields(&[("online", ValueType::Bool), ("card", ValueType::Int)]);
    let whole = std::fs::read(data("payments-snappy.avro")).unwrap();
    // A record that cannot be used costs no other.
    let found = rows(&data("payments-snappy.avro"), &wanted).unwrap();
    assert_eq!(found[39], Err((40, ReasonCode::WrongType)));
    for end in 0..whole.len() {
        let file = file(".avro", &whole[..end]);
        // Between blocks a cut leaves a whole file.
        if let Ok(found) = rows(file.path(), &wanted) {
            assert!(found.len() < 40, "{end}");
        }
    }
    let mut other = whole.clone();
    let at = whole.len() - 40;
    other[at] ^= 1;
    let error = rows(file(".avro", &other).path(), &wanted).unwrap_err();
    assert!(error.starts_with("FILE: after record "), "{error}");
    let error = rows(file(".avro", b"id,amount\n").path(), &wanted).unwrap_err();
    assert_eq!(
        error,
        "FILE: not an Avro object container file: its first bytes are not `Obj` and 1"
    );
    let list = fields(&[("unused", ValueType::Int)]);
    let error = rows(&data("payments-null.avro"), &list).unwrap_err();
    assert!(error.contains("unused"), "{error}");
}

#[test]
fn times_of_all_columns() {
    let at = |micros| Ok(vec![Value::Timestamp(micros)]);
    let time = 1_773_480_600_123_456;
    for (column, expected) in [
        ("date64", 1_773_446_400_000_000),
        ("time_s", 1_773_480_600_000_000),
        ("time_ms", 1_773_480_600_123_000),
        ("time_ns", time),
    ] {
        let found = rows(&data("types.parquet"), &fields(&[(column, ValueType::Timestamp)])).unwrap();
        assert_eq!(found[0], at(expected), "{column}");
        assert_eq!(found[1], Ok(vec![Value::Null]), "{column}");
    }
    // INT96, as Spark writes it: in nanoseconds the year 9999 would overflow.
    let found = rows(&data("int96.parquet"), &fields(&[("time", ValueType::Timestamp)])).unwrap();
    assert_eq!(found, [at(time), at(253_402_300_799_000_000), Ok(vec![Value::Null])]);
}

#[test]
fn the_names_of_columns() {
    let csv = file(".csv.gz", &gzip("\u{feff}id;merchant.id\na;7\n".as_bytes()));
    let json = file(".json", b"[{\"id\":1,\"merchant\":{\"id\":2}},{\"late\":3}]");
    for (path, expected) in [
        (csv.path(), &["id", "merchant.id"][..]),
        (json.path(), &["id", "late", "merchant", "merchant.id"]),
        (
            &data("groups.parquet"),
            &["id", "merchant.id", "merchant.name", "merchant.place.city"],
        ),
    ] {
        assert_eq!(names(path).unwrap().unwrap(), expected);
    }
}

/// Batches as they are in memory.
struct InMemory(Vec<RecordBatch>);

impl Table for InMemory {
    fn name(&self) -> &str {
        "table"
    }

    fn schema(&self) -> SchemaRef {
        self.0[0].schema()
    }

    fn batches(&self) -> Result<Batches, ArrowError> {
        Ok(Box::new(self.0.clone().into_iter().map(Ok)))
    }
}

/// Libraries give categories as dictionaries, which may have unused values, null values, or none at all.
#[test]
fn dictionaries_in_memory_are_read_as_their_values() {
    let dictionary = |keys: Vec<Option<i8>>, values: Vec<Option<&str>>| {
        let values: ArrayRef = Arc::new(StringArray::from(values));
        let array: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::new(keys.into(), values));
        RecordBatch::try_from_iter_with_nullable([("a", array, true)]).unwrap()
    };
    let values = vec![Some("unused"), Some("x"), None, Some("y")];
    let batch = dictionary(vec![Some(3), None, Some(1), Some(2), Some(3)], values);
    let batches = vec![
        batch.slice(1, 4),
        dictionary(vec![None, None], Vec::new()),
        batch.slice(0, 1),
    ];
    let source = Source::Table(Arc::new(InMemory(batches)));
    let mut rows = source.open(&fields(&[("a", ValueType::Text)])).unwrap();
    let (mut found, mut row) = (Vec::new(), Row::new());
    while let Next::Row = rows.next(&mut row).unwrap() {
        found.push(row[0].clone());
    }
    let expected = [
        Value::Null,
        text("x"),
        Value::Null,
        text("y"),
        Value::Null,
        Value::Null,
        text("y"),
    ];
    assert_eq!(found, expected);
}
