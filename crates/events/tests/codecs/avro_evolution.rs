//! Schema evolution: fields that the writer lacks, renamed, promoted, in another order.

use crate::support::{Random, field, fields, required, text};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use riskstream_events::zone::time_zone;
use riskstream_events::{AvroProjection, Field, ReaderSchema, Row, SchemaError, Value, ValueType};
use serde_json::{Value as Json, json};

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

fn decode(writer: &str, reader: &str, list: Vec<Field>, bytes: &[u8]) -> Result<Vec<Value>, SchemaError> {
    let reader = ReaderSchema::parse(reader).unwrap();
    let projection = AvroProjection::compile(writer, Some(&reader), &fields(list))?;
    let mut row = Row::new();
    projection.decode(bytes, &mut row).unwrap();
    Ok(row)
}

#[test]
fn fields_under_other_names() {
    let y = r#"{"name":"y","type":"int"}"#;
    for (writer, reader, path) in [
        // The reader's schema knows the writer's name as an alias.
        (y, r#"{"name":"x","aliases":["w","y"],"type":"int"}"#, "x"),
        // The pipeline uses an alias of the reader's schema.
        (y, r#"{"name":"y","aliases":["x"],"type":"int"}"#, "x"),
        // The writer's schema has the alias.
        (
            r#"{"name":"y","aliases":["x"],"type":"int"}"#,
            r#"{"name":"z","type":"int"}"#,
            "x",
        ),
        (y, r#"{"name":"z","type":"int"}"#, "y"),
    ] {
        let list = vec![required(path, ValueType::Int)];
        assert_eq!(
            decode(&record(writer), &record(reader), list, &[14]),
            Ok(vec![Value::Int(7)]),
            "{writer} {reader}"
        );
    }
}

#[test]
fn defaults() {
    use ValueType::{Bool, Float, Int, Text, Timestamp};
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#;
    for (schema, default, value_type, expected) in [
        (r#""int""#, "7", Int, Value::Int(7)),
        (r#""int""#, "7", Float, Value::Float(7.0)),
        (r#""double""#, "0.5", Float, Value::Float(0.5)),
        (r#""double""#, "1.0", Int, Value::Int(1)),
        (r#""boolean""#, "true", Bool, Value::Bool(true)),
        (r#""string""#, r#""EUR""#, Text, text("EUR")),
        (r#""string""#, r#""1.5""#, Float, Value::Float(1.5)),
        (r#""bytes""#, r#""hi""#, Text, text("hi")),
        (decimal, r#""\u0004\u00d2""#, Float, Value::Float(12.34)),
        (
            r#"{"type":"enum","name":"E","symbols":["a","b"]}"#,
            r#""b""#,
            Text,
            text("b"),
        ),
        (
            r#"{"type":"long","logicalType":"timestamp-micros"}"#,
            "5",
            Timestamp,
            Value::Timestamp(5),
        ),
        (
            r#"{"type":"long","logicalType":"timestamp-millis"}"#,
            "5",
            Timestamp,
            Value::Timestamp(5_000),
        ),
        (
            r#"{"type":"int","logicalType":"date"}"#,
            "1",
            Timestamp,
            Value::Timestamp(86_400_000_000),
        ),
        (r#""long""#, "5", Timestamp, Value::Timestamp(5_000)),
        (r#"["null","int"]"#, "null", Int, Value::Null),
        (r#"["int","null"]"#, "3", Int, Value::Int(3)),
    ] {
        let reader = record(&format!(r#"{{"name":"x","type":{schema},"default":{default}}}"#));
        let writer = record(r#"{"name":"y","type":"int"}"#);
        let found = decode(&writer, &reader, vec![field("x", value_type)], &[14]);
        assert_eq!(found, Ok(vec![expected]), "{schema} {default}");
    }
}

#[test]
fn defaults_within_records() {
    let merchant = r#"{"type":"record","name":"M","fields":[{"name":"id","type":"string"},{"name":"risk","type":"double","default":0.25},{"name":"geo","type":{"type":"map","values":"string"},"default":{"c":"DE"}}]}"#;
    let reader = record(&format!(r#"{{"name":"m","type":["null",{merchant}],"default":null}}"#));
    let list = || {
        vec![
            field("m.id", ValueType::Text),
            field("m.risk", ValueType::Float),
            field("m.geo.c", ValueType::Text),
        ]
    };
    // The writer's record lacks two of the three.
    let writer =
        record(r#"{"name":"m","type":["null",{"type":"record","name":"M","fields":[{"name":"id","type":"string"}]}]}"#);
    assert_eq!(
        decode(&writer, &reader, list(), &[2, 2, b'a']),
        Ok(vec![text("a"), Value::Float(0.25), text("DE")])
    );
    // Where the record itself is null there is nothing to complete.
    assert_eq!(
        decode(&writer, &reader, list(), &[0]),
        Ok(vec![Value::Null, Value::Null, Value::Null])
    );
    // The writer lacks the whole record.
    let other = record(r#"{"name":"y","type":"int"}"#);
    assert_eq!(
        decode(&other, &reader, list(), &[14]),
        Ok(vec![Value::Null, Value::Null, Value::Null])
    );
    let reader = record(&format!(
        r#"{{"name":"m","type":{merchant},"default":{{"id":"?","risk":1.5}}}}"#
    ));
    assert_eq!(
        decode(&other, &reader, list(), &[14]),
        Ok(vec![text("?"), Value::Float(1.5), text("DE")])
    );
}

#[test]
fn required_fields_need_a_default_that_is_not_null() {
    let writer = record(r#"{"name":"y","type":"int"}"#);
    for (reader, fits) in [
        (r#"{"name":"x","type":"int","default":1}"#, true),
        (r#"{"name":"x","type":["null","int"],"default":null}"#, false),
        (r#"{"name":"x","type":"int"}"#, false),
    ] {
        let found = decode(&writer, &record(reader), vec![required("x", ValueType::Int)], &[14]);
        assert_eq!(found.is_ok(), fits, "{reader}");
    }
    let reader = record(r#"{"name":"x","type":"string","default":"a"}"#);
    let found = decode(&writer, &reader, vec![field("x", ValueType::Float)], &[14]);
    assert_eq!(found, Err(SchemaError::Default { field: "x".into() }));
}

#[test]
fn the_readers_unit_of_plain_numbers() {
    let writer = record(r#"{"name":"x","type":"long"}"#);
    for (reader, expected) in [
        (r#"{"type":"long","logicalType":"timestamp-micros"}"#, 7),
        (r#"["null",{"type":"long","logicalType":"timestamp-micros"}]"#, 7),
        (r#"{"type":"long","logicalType":"timestamp-nanos"}"#, 0),
        (r#""long""#, 7_000),
    ] {
        let reader = record(&format!(r#"{{"name":"x","type":{reader}}}"#));
        let found = decode(&writer, &reader, vec![field("x", ValueType::Timestamp)], &[14]);
        assert_eq!(found, Ok(vec![Value::Timestamp(expected)]), "{reader}");
    }
}

/// A field of a writer's schema, its value, and what a reader's schema may make of it.
fn field_pair(random: &mut Random, name: &str) -> (Json, Avro, Json, ValueType) {
    let int = random.integer() as i32;
    let long = random.integer();
    let float = f32::from_bits(random.next() as u32);
    let double = f64::from_bits(random.next());
    let text = random.text();
    let (writer, value) = match random.below(5) {
        0 => (json!("int"), Avro::Int(int)),
        1 => (json!("long"), Avro::Long(long)),
        2 => (json!("float"), Avro::Float(if float.is_finite() { float } else { 0.5 })),
        3 => (
            json!("double"),
            Avro::Double(if double.is_finite() { double } else { 0.5 }),
        ),
        _ => (json!("string"), Avro::String(text)),
    };
    let (promotions, value_type): (&[&str], _) = match value {
        Avro::Int(_) => (&["int", "long", "float", "double"], ValueType::Float),
        Avro::Long(_) => (&["long", "float", "double"], ValueType::Float),
        Avro::Float(_) => (&["float", "double"], ValueType::Float),
        Avro::Double(_) => (&["double"], ValueType::Float),
        _ => (&["string"], ValueType::Text),
    };
    let value_type = match value {
        Avro::Int(_) | Avro::Long(_) if random.once_in(2) => ValueType::Int,
        _ => value_type,
    };
    let promotions = if value_type == ValueType::Int {
        &promotions[..1]
    } else {
        promotions
    };
    let reader = json!({"name": name, "type": *random.pick(promotions), "default": if value_type == ValueType::Text { json!("d") } else { json!(1) }});
    (json!({"name": name, "type": writer}), value, reader, value_type)
}

/// apache-avro's resolution as the oracle: promotion, defaults, reordering, in a record within a record.
#[test]
fn resolution_agrees_with_apache_avro() {
    for seed in 0..500 {
        let mut random = Random(seed);
        let count = 1 + random.below(8);
        let mut writer = Vec::new();
        let mut values = Vec::new();
        let mut reader = Vec::new();
        let mut list = Vec::new();
        for index in 0..count {
            let name = format!("f{index}");
            let (in_writer, value, in_reader, value_type) = field_pair(&mut random, &name);
            if !random.once_in(4) {
                writer.push(in_writer);
                values.push((name.clone(), value));
            }
            reader.insert(random.below(reader.len() + 1), in_reader);
            list.push(field(&format!("r.{name}"), value_type));
        }
        let outer = |fields: Vec<Json>| {
            json!({"type": "record", "name": "R", "fields": [
                {"name": "r", "type": {"type": "record", "name": "I", "fields": fields}}
            ]})
        };
        let writer_json = outer(writer).to_string();
        let reader_json = outer(reader).to_string();
        let writer = Schema::parse_str(&writer_json).unwrap();
        let reader = Schema::parse_str(&reader_json).unwrap();
        let value = Avro::Record(vec![("r".into(), Avro::Record(values))]);
        let bytes = GenericDatumWriter::builder(&writer)
            .build()
            .unwrap()
            .write_value_to_vec(value)
            .unwrap();

        let oracle = GenericDatumReader::builder(&writer)
            .reader_schema(&reader)
            .build()
            .unwrap();
        let Avro::Record(outer) = oracle.read_value(&mut &bytes[..]).unwrap() else {
            panic!("not a record")
        };
        let Avro::Record(resolved) = &outer[0].1 else {
            panic!("not a record")
        };
        let expected: Vec<_> = list
            .iter()
            .map(|field| {
                let (_, value) = resolved.iter().find(|(name, _)| *name == field.path[1]).unwrap();
                in_the_slot(value, field.value_type)
            })
            .collect();

        let found = decode(&writer_json, &reader_json, list, &bytes).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            // The reader's float has 24 bits; a row keeps what the writer had.
            let same = match (found, expected) {
                (Value::Float(found), Value::Float(expected)) => found == expected || *found as f32 == *expected as f32,
                _ => found == expected,
            };
            assert!(
                same,
                "seed {seed}: {found:?} instead of {expected:?}\n{writer_json}\n{reader_json}"
            );
        }
    }
}

fn in_the_slot(value: &Avro, value_type: ValueType) -> Value {
    match (value, value_type) {
        (Avro::Int(i), ValueType::Int) => Value::Int(i64::from(*i)),
        (Avro::Long(i), ValueType::Int) => Value::Int(*i),
        (Avro::Int(i), ValueType::Float) => Value::Float(f64::from(*i)),
        (Avro::Long(i), ValueType::Float) => Value::Float(*i as f64),
        (Avro::Float(f), ValueType::Float) => Value::Float(f64::from(*f)),
        (Avro::Double(f), ValueType::Float) => Value::Float(*f),
        (Avro::String(s), ValueType::Text) => text(s),
        other => panic!("{other:?}"),
    }
}

#[test]
fn local_times_are_of_the_fields_zone() {
    let in_berlin = || Field {
        zone: time_zone("Europe/Berlin"),
        ..field("x", ValueType::Timestamp)
    };
    let x = |schema: &str| record(&format!(r#"{{"name":"x","type":{schema}}}"#));
    const HOUR: i64 = 3_600_000_000;
    let long = |logical: &str| x(&format!(r#"{{"type":"long","logicalType":"{logical}"}}"#));
    let date = x(r#"{"type":"int","logicalType":"date"}"#);
    for (schema, expected) in [
        (long("local-timestamp-millis"), 7_000 - HOUR),
        (long("local-timestamp-micros"), 7 - HOUR),
        (long("local-timestamp-nanos"), -HOUR),
        (date, 7 * 24 * HOUR - HOUR),
        (long("timestamp-millis"), 7_000),
        (x(r#""long""#), 7_000),
    ] {
        let found = decode(&schema, &schema, vec![in_berlin()], &[14]);
        assert_eq!(found, Ok(vec![Value::Timestamp(expected)]), "{schema}");
    }
    // The reader's schema says what the writer's number is.
    let reader = long("local-timestamp-micros");
    let found = decode(&x(r#""long""#), &reader, vec![in_berlin()], &[14]);
    assert_eq!(found, Ok(vec![Value::Timestamp(7 - HOUR)]));
}
