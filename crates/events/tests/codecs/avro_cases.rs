//! Avro by hand: one schema and a few bytes each.

use crate::support::{field, fields, outcome, personal, required, text, time_in};
use riskstream_events::ReasonCode::*;
use riskstream_events::avro::MAX_DEPTH;
use riskstream_events::{AvroProjection, Field, ReasonCode, SchemaError, TimestampUnit, Value, ValueType};

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

/// A record of one field `x`.
fn x(schema: &str) -> String {
    record(&format!(r#"{{"name":"x","type":{schema}}}"#))
}

fn decode(schema: &str, list: Vec<Field>, bytes: &[u8]) -> Result<Vec<Value>, ReasonCode> {
    let projection = AvroProjection::compile(schema, None, &fields(list)).unwrap();
    outcome(|row| projection.decode(bytes, row))
}

fn one(schema: &str, value_type: ValueType, bytes: &[u8]) -> Result<Value, ReasonCode> {
    decode(&x(schema), vec![field("x", value_type)], bytes).map(|row| row[0].clone())
}

/// A schema, the type of the field that is read with it, the bytes, and the value or reason code.
type Case<'a> = (&'a str, ValueType, &'a [u8], Result<Value, ReasonCode>);

fn check(cases: &[Case<'_>]) {
    for (schema, value_type, bytes, expected) in cases {
        assert_eq!(one(schema, *value_type, bytes), *expected, "{schema} {bytes:?}");
    }
}

const LONG_MAX: &[u8] = &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];

#[test]
fn primitive_types() {
    use ValueType::{Bool, Float, Int, Text, Timestamp};
    check(&[
        (r#""boolean""#, Bool, &[1], Ok(Value::Bool(true))),
        (r#""boolean""#, Bool, &[2], Err(AvroMalformed)),
        (r#""boolean""#, Int, &[1], Ok(Value::Int(1))),
        (r#""boolean""#, Float, &[0], Ok(Value::Float(0.0))),
        (r#""int""#, Bool, &[2], Ok(Value::Bool(true))),
        (r#""int""#, Bool, &[4], Err(WrongType)),
        (r#""string""#, Bool, b"\x08True", Ok(Value::Bool(true))),
        (r#""string""#, Int, &[0], Ok(Value::Null)),
        (r#""double""#, Text, &42.0_f64.to_le_bytes(), Ok(text("42"))),
        (r#""double""#, Text, &42.5_f64.to_le_bytes(), Err(WrongType)),
        (
            r#""double""#,
            Int,
            &9007199254740992.0_f64.to_le_bytes(),
            Err(OutOfRange),
        ),
        (
            r#""float""#,
            Float,
            &0.1_f32.to_le_bytes(),
            Ok(Value::Float(0.100_000_001_490_116_12)),
        ),
        (r#""int""#, Int, &[3], Ok(Value::Int(-2))),
        (r#""int""#, Float, &[3], Ok(Value::Float(-2.0))),
        (r#""int""#, Text, &[3], Ok(text("-2"))),
        (r#""int""#, Int, LONG_MAX, Err(AvroMalformed)),
        (r#""long""#, Int, LONG_MAX, Ok(Value::Int(i64::MAX))),
        (r#""long""#, Timestamp, &[4], Ok(Value::Timestamp(2_000))),
        (r#""long""#, Timestamp, LONG_MAX, Err(OutOfRange)),
        (r#""float""#, Float, &[0, 0, 0x80, 0x3f], Ok(Value::Float(1.0))),
        (r#""float""#, Float, &[0, 0, 0x80, 0x7f], Err(NotFinite)),
        (r#""double""#, Float, &1e300_f64.to_le_bytes(), Ok(Value::Float(1e300))),
        (r#""double""#, Float, &f64::NAN.to_le_bytes(), Ok(Value::Null)),
        (r#""double""#, Float, &f64::NEG_INFINITY.to_le_bytes(), Err(NotFinite)),
        (r#""double""#, Int, &3.0_f64.to_le_bytes(), Ok(Value::Int(3))),
        (r#""double""#, Int, &3.5_f64.to_le_bytes(), Err(WrongType)),
        (r#""string""#, Text, &[4, b'h', b'i'], Ok(text("hi"))),
        (r#""string""#, Text, &[0], Ok(text(""))),
        (r#""string""#, Text, &[2, 0xff], Err(InvalidUtf8)),
        (r#""string""#, Text, &[1], Err(AvroMalformed)),
        (r#""string""#, Text, LONG_MAX, Err(AvroTruncated)),
        (r#""string""#, Float, &[6, b'1', b'.', b'5'], Ok(Value::Float(1.5))),
        (
            r#""string""#,
            Timestamp,
            b"\x141970-01-02",
            Ok(Value::Timestamp(86_400_000_000)),
        ),
        (r#""string""#, Timestamp, b"\x141970-01-32", Err(InvalidTimestamp)),
        (
            r#""string""#,
            Timestamp,
            b"\x281970-01-01T00:00:01Z",
            Ok(Value::Timestamp(1_000_000)),
        ),
        (r#""bytes""#, Text, &[4, b'h', b'i'], Ok(text("hi"))),
        (r#""bytes""#, Text, &[2, 0xff], Err(InvalidUtf8)),
    ]);
}

#[test]
fn logical_types_and_enums() {
    use ValueType::{Float, Int, Text, Timestamp};
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}"#;
    let fixed_decimal =
        r#"{"type":{"type":"fixed","name":"D","size":3,"logicalType":"decimal","precision":6,"scale":2}}"#;
    let fixed_decimal = &fixed_decimal[8..fixed_decimal.len() - 1];
    let millis = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
    let micros = r#"{"type":"long","logicalType":"timestamp-micros"}"#;
    let nanos = r#"{"type":"long","logicalType":"timestamp-nanos"}"#;
    let local = r#"{"type":"long","logicalType":"local-timestamp-millis"}"#;
    let date = r#"{"type":"int","logicalType":"date"}"#;
    let enumeration = r#"{"type":"enum","name":"E","symbols":["chip","online"]}"#;
    let uuid_fixed = r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#;
    let uuid_text = r#"{"type":"string","logicalType":"uuid"}"#;
    check(&[
        (decimal, Float, &[4, 0x04, 0xd2], Ok(Value::Float(12.34))),
        (decimal, Float, &[2, 0xff], Ok(Value::Float(-0.01))),
        (decimal, Int, &[4, 0x04, 0xb0], Ok(Value::Int(12))),
        (decimal, Int, &[4, 0x04, 0xd2], Err(WrongType)),
        (decimal, Text, &[4, 0x04, 0xb0], Ok(text("12"))),
        (decimal, Text, &[4, 0x04, 0xd2], Err(WrongType)),
        (decimal, Float, &[0], Err(AvroMalformed)),
        (
            decimal,
            Float,
            &[34, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            Err(OutOfRange),
        ),
        (fixed_decimal, Float, &[0, 0x04, 0xd2], Ok(Value::Float(12.34))),
        (millis, Timestamp, &[4], Ok(Value::Timestamp(2_000))),
        (millis, Timestamp, LONG_MAX, Err(OutOfRange)),
        (millis, Int, &[4], Ok(Value::Int(2))),
        (micros, Timestamp, &[4], Ok(Value::Timestamp(2))),
        (micros, Timestamp, &[3], Ok(Value::Timestamp(-2))),
        (nanos, Timestamp, &[0xa0, 0x1f], Ok(Value::Timestamp(2))),
        (nanos, Timestamp, &[1], Ok(Value::Timestamp(-1))),
        (local, Timestamp, &[4], Ok(Value::Timestamp(2_000))),
        (date, Timestamp, &[4], Ok(Value::Timestamp(172_800_000_000))),
        (date, Int, &[4], Ok(Value::Int(2))),
        (
            r#"{"type":"int","logicalType":"time-millis"}"#,
            Int,
            &[4],
            Ok(Value::Int(2)),
        ),
        (enumeration, Text, &[2], Ok(text("online"))),
        (enumeration, Text, &[4], Err(AvroMalformed)),
        (enumeration, Text, &[1], Err(AvroMalformed)),
        (
            uuid_fixed,
            Text,
            b"0123456789abcdef",
            Ok(text("30313233-3435-3637-3839-616263646566")),
        ),
        (uuid_text, Text, &[2, b'u'], Ok(text("u"))),
    ]);
}

#[test]
fn unions_and_damaged_bytes() {
    use ValueType::{Float, Int};
    check(&[
        (r#"["null","double"]"#, Float, &[0], Ok(Value::Null)),
        (r#"["double","null"]"#, Float, &[2], Ok(Value::Null)),
        (r#"["null","string","int"]"#, Float, &[4, 6], Ok(Value::Float(3.0))),
        (
            r#"["null","string","int"]"#,
            Float,
            &[2, 2, b'7'],
            Ok(Value::Float(7.0)),
        ),
        (
            r#"["null",{"type":"array","items":"int"},"int"]"#,
            Float,
            &[2, 0],
            Err(WrongType),
        ),
        (r#"["null","double"]"#, Float, &[4], Err(AvroMalformed)),
        (r#"["null","double"]"#, Float, &[1], Err(AvroMalformed)),
        (r#""long""#, Int, &[], Err(AvroTruncated)),
        (r#""long""#, Int, &[0xff; 11], Err(AvroMalformed)),
        (r#""long""#, Int, &[2, 2], Err(AvroTrailingBytes)),
        (r#""double""#, Float, &[0; 7], Err(AvroTruncated)),
    ]);
}

#[test]
fn numbers_as_times_in_declared_units() {
    for (unit, expected) in [
        (TimestampUnit::Seconds, 2_000_000),
        (TimestampUnit::Millis, 2_000),
        (TimestampUnit::Micros, 2),
    ] {
        for schema in [r#""long""#, r#""int""#] {
            assert_eq!(
                decode(&x(schema), vec![time_in("x", unit)], &[4]),
                Ok(vec![Value::Timestamp(expected)])
            );
        }
        // A type that says so itself goes before.
        let millis = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
        assert_eq!(
            decode(&x(millis), vec![time_in("x", unit)], &[4]),
            Ok(vec![Value::Timestamp(2_000)])
        );
    }
}

#[test]
fn personal_data_becomes_a_pseudonym() {
    let pseudonym = |clear: &[u8]| Value::Text(riskstream_events::Pseudonymizer::new(b"secret").pseudonym(clear));
    for (schema, bytes, clear) in [
        (r#""string""#, &[4, b'4', b'2'][..], &b"42"[..]),
        (r#""bytes""#, &[4, b'4', b'2'], b"42"),
        (r#""long""#, &[84], b"42"),
        (r#"{"type":"enum","name":"E","symbols":["chip"]}"#, &[0], b"chip"),
    ] {
        assert_eq!(
            decode(&x(schema), vec![personal("x")], bytes),
            Ok(vec![pseudonym(clear)]),
            "{schema}"
        );
    }
}

#[test]
fn everything_before_and_after_is_skipped() {
    let rest = r#"{"name":"x","type":"int"},{"name":"z","type":"string"}"#;
    for (schema, bytes) in [
        (r#""null""#, &[][..]),
        (r#""boolean""#, &[1]),
        (r#""int""#, &[0x80, 1]),
        (r#""float""#, &[1, 2, 3, 4]),
        (r#""double""#, &[1, 2, 3, 4, 5, 6, 7, 8]),
        (r#""bytes""#, &[4, 0xff, 0xff]),
        (r#"{"type":"fixed","name":"F","size":3}"#, &[1, 2, 3]),
        (
            r#"{"type":"fixed","name":"F","size":12,"logicalType":"duration"}"#,
            &[0; 12],
        ),
        (r#"{"type":"enum","name":"E","symbols":["a"]}"#, &[0]),
        (r#"{"type":"bytes","logicalType":"big-decimal"}"#, &[6, 2, 1, 2]),
        (r#"{"type":"array","items":"int"}"#, &[0]),
        (r#"{"type":"array","items":"int"}"#, &[4, 2, 4, 2, 6, 0]),
        // A negative count is followed by the block's size in bytes.
        (r#"{"type":"array","items":"int"}"#, &[3, 4, 2, 4, 1, 2, 6, 0]),
        (
            r#"{"type":"array","items":"null"}"#,
            &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0],
        ),
        (r#"{"type":"map","values":"int"}"#, &[2, 2, b'k', 4, 0]),
        (r#"{"type":"map","values":"int"}"#, &[1, 6, 2, b'k', 4, 0]),
        (
            r#"["null",{"type":"array","items":["null","string"]}]"#,
            &[2, 4, 0, 2, 2, b's', 0],
        ),
        (r#"{"type":"record","name":"S","fields":[]}"#, &[]),
        (
            r#"{"type":"record","name":"S","fields":[{"name":"s","type":["null","S"]}]}"#,
            &[2, 2, 2, 0],
        ),
        (
            r#"{"type":"record","name":"S","fields":[{"name":"s","type":{"type":"array","items":"S"}}]}"#,
            &[4, 0, 2, 0, 0, 0],
        ),
    ] {
        let schema = record(&format!(r#"{{"name":"y","type":{schema}}},{rest}"#));
        let bytes = [bytes, &[14, 2, b'z']].concat();
        let list = || vec![field("x", ValueType::Int)];
        assert_eq!(decode(&schema, list(), &bytes), Ok(vec![Value::Int(7)]), "{schema}");
        for end in 0..bytes.len() {
            assert_eq!(
                decode(&schema, list(), &bytes[..end]),
                Err(AvroTruncated),
                "{schema} {end}"
            );
        }
    }
}

#[test]
fn what_is_skipped_may_be_hostile() {
    let rest = r#"{"name":"x","type":"int"}"#;
    let min: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let max: &[u8] = &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let deep = [2; MAX_DEPTH + 10];
    for (schema, bytes, expected) in [
        (r#"{"type":"array","items":"int"}"#, max, AvroTruncated),
        (r#"{"type":"array","items":"int"}"#, min, AvroTruncated),
        (r#"{"type":"array","items":"int"}"#, &[1, 1], AvroMalformed),
        (r#"{"type":"array","items":"int"}"#, &[1, 100], AvroTruncated),
        (r#"{"type":"map","values":"null"}"#, max, AvroTruncated),
        (r#""string""#, max, AvroTruncated),
        (r#""bytes""#, min, AvroMalformed),
        (r#"["null","int"]"#, max, AvroMalformed),
        (
            r#"{"type":"record","name":"S","fields":[{"name":"s","type":["null","S"]}]}"#,
            &deep,
            AvroMalformed,
        ),
        (
            r#"{"type":"record","name":"S","fields":[{"name":"s","type":"S"}]}"#,
            &[],
            AvroMalformed,
        ),
        (
            r#"{"type":"fixed","name":"F","size":9223372036854775807}"#,
            &[0],
            AvroTruncated,
        ),
    ] {
        let schema = record(&format!(r#"{{"name":"y","type":{schema}}},{rest}"#));
        assert_eq!(
            decode(&schema, vec![field("x", ValueType::Int)], bytes),
            Err(expected),
            "{schema} {bytes:?}"
        );
    }
}

#[test]
fn types_of_no_bytes_cost_no_time() {
    // 2^60 empty records.
    let levels = (1..=60).map(|level| {
        let below = if level == 1 {
            r#"{"type":"record","name":"L0","fields":[]}"#.to_owned()
        } else {
            format!(r#""L{}""#, level - 1)
        };
        let name = format!("L{level}");
        format!(
            r#"{{"name":"{name}","type":{{"type":"record","name":"{name}","fields":[{{"name":"a","type":{below}}},{{"name":"b","type":"L{}"}}]}}}}"#,
            level - 1
        )
    });
    let schema = record(
        &levels
            .chain([r#"{"name":"x","type":"int"}"#.to_owned()])
            .collect::<Vec<_>>()
            .join(","),
    );
    assert_eq!(
        decode(&schema, vec![field("x", ValueType::Int)], &[14]),
        Ok(vec![Value::Int(7)])
    );
}

#[test]
fn nested_fields() {
    let inner = r#"{"type":"record","name":"M","namespace":"n","fields":[{"name":"id","type":"string"},{"name":"risk","type":["null","double"]},{"name":"geo","type":["null",{"type":"record","name":"G","fields":[{"name":"c","type":"string"}]}]}]}"#;
    let schema = record(&format!(
        r#"{{"name":"a","type":{inner}}},{{"name":"b","type":["null","n.M"]}},{{"name":"tags","type":{{"type":"map","values":"string"}}}}"#
    ));
    let list = || {
        ["a.id", "a.geo.c", "b.id", "b.geo.c", "tags.ip", "tags.os"]
            .map(|path| field(path, ValueType::Text))
            .to_vec()
    };
    let a = [2, b'A', 0, 2, 2, b'D'];
    let b = [2, 2, b'B', 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, b'F'];
    let tags = [
        4, 4, b'o', b's', 2, b'L', 2, b'q', 2, b'Q', 1, 10, 4, b'i', b'p', 2, b'1', 0,
    ];
    let bytes = [&a[..], &b, &tags].concat();
    let expected = ["A", "D", "B", "F", "1", "L"].map(text).to_vec();
    assert_eq!(decode(&schema, list(), &bytes), Ok(expected));
    let bytes = [&a[..], &[0], &[0]].concat();
    let n = Value::Null;
    assert_eq!(
        decode(&schema, list(), &bytes),
        Ok(vec![text("A"), text("D"), n.clone(), n.clone(), n.clone(), n])
    );
}

#[test]
fn records_of_several_types() {
    let schema = r#"[{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]},
        {"type":"record","name":"B","fields":[{"name":"y","type":"string"},{"name":"x","type":"long"}]},
        {"type":"record","name":"C","fields":[{"name":"y","type":"string"}]}]"#;
    for (bytes, expected) in [
        (&[0, 14][..], Ok(vec![Value::Int(7)])),
        (&[2, 2, b'y', 14], Ok(vec![Value::Int(7)])),
        (&[4, 2, b'y'], Err(MissingField)),
        (&[6], Err(AvroMalformed)),
    ] {
        assert_eq!(
            decode(schema, vec![required("x", ValueType::Int)], bytes),
            expected,
            "{bytes:?}"
        );
    }
}

#[test]
fn schemas_that_do_not_fit() {
    let missing = |path: &str| SchemaError::MissingField {
        field: path.into(),
        path: path.into(),
    };
    let wrong = |found, expected| SchemaError::WrongType {
        field: "x".into(),
        found,
        expected,
    };
    for (schema, wanted, expected) in [
        (x(r#""int""#), required("z", ValueType::Int), missing("z")),
        (
            x(r#"{"type":"map","values":"int"}"#),
            field("x", ValueType::Bool),
            wrong("a map", "bool"),
        ),
        (
            x(r#""boolean""#),
            field("x", ValueType::Text),
            wrong("a boolean", "text"),
        ),
        (
            x(r#"["null","boolean"]"#),
            field("x", ValueType::Timestamp),
            wrong("a boolean", "timestamp"),
        ),
        (
            x(r#"{"type":"array","items":"int"}"#),
            field("x", ValueType::Int),
            wrong("an array", "int"),
        ),
        (
            x(r#"{"type":"map","values":"int"}"#),
            field("x", ValueType::Int),
            wrong("a map", "int"),
        ),
        (x(r#""null""#), required("x", ValueType::Int), missing("x")),
        (
            r#""string""#.into(),
            field("x", ValueType::Int),
            SchemaError::NotARecord("a string"),
        ),
        (
            r#"{"type":"map","values":"int"}"#.into(),
            field("x", ValueType::Int),
            SchemaError::NotARecord("a map"),
        ),
    ] {
        let error = AvroProjection::compile(&schema, None, &fields(vec![wanted])).unwrap_err();
        assert_eq!(error, expected, "{schema}");
    }
    for schema in [
        "",
        "{",
        "{}",
        r#"{"type":"record","name":"R"}"#,
        r#"{"type":"recor"}"#,
        &x(r#""Unknown""#),
    ] {
        let error = AvroProjection::compile(schema, None, &fields(vec![field("x", ValueType::Int)])).unwrap_err();
        assert!(matches!(error, SchemaError::Invalid(_)), "{schema}: {error}");
    }
}

#[test]
fn errors_name_field_and_place_but_no_value() {
    let schema = record(r#"{"name":"y","type":"string"},{"name":"amount","type":["null","string","double"]}"#);
    let projection = AvroProjection::compile(&schema, None, &fields(vec![field("amount", ValueType::Float)])).unwrap();
    for (bytes, expected) in [
        (
            &b"\x02y\x02\x0cs3cret"[..],
            "wrong_type: field amount at byte 10: text that is not a number",
        ),
        (
            b"\x02y\x02\x0cs3cr",
            "avro_truncated: field amount at byte 4: the bytes end too early",
        ),
        (b"\x0cs3cr", "avro_truncated: at byte 1: the bytes end too early"),
        (b"\x02y\x06", "avro_malformed: at byte 3: no such branch of a union"),
        (
            b"\x02y\x00s3cret",
            "avro_trailing_bytes: the record ends at byte 3, 6 more follow",
        ),
    ] {
        let error = projection.decode(bytes, &mut vec![]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_writers_default_of_the_wrong_type_does_no_harm() {
    let schema = record(r#"{"name":"x","type":["string","null"],"default":null}"#);
    assert_eq!(
        decode(&schema, vec![field("x", ValueType::Text)], &[2]),
        Ok(vec![Value::Null])
    );
}
