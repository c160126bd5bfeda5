//! Change events of Debezium in Avro: the schema is one that Confluent's converter registers for PostgreSQL's connector, the
//! records are written by apache-avro.

use crate::support::{field, fields, outcome, text};
use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use riskstream_events::zone::time_zone;
use riskstream_events::{AvroProjection, Field, ReasonCode, Value, ValueType};

const SCHEMA: &str = include_str!("debezium.avsc");

/// 2026-03-14T09:30:00.123456, as a number of microseconds and as a number of milliseconds.
const MICROS: i64 = 1_773_480_600_123_456;
const MILLIS: i64 = 1_773_480_600_123;

fn null() -> Avro {
    Avro::Union(0, Box::new(Avro::Null))
}

fn some(value: Avro) -> Avro {
    Avro::Union(1, Box::new(value))
}

fn record(fields: Vec<(&str, Avro)>) -> Avro {
    Avro::Record(
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

fn variable(scale: i32, value: &[u8]) -> Avro {
    some(record(vec![
        ("scale", Avro::Int(scale)),
        ("value", Avro::Bytes(value.to_vec())),
    ]))
}

/// A row: 12.34 as a decimal of scale 2, the other two decimals, and all times at the moment above.
fn row(status: &str, fee: Avro, tax: Avro) -> Avro {
    some(record(vec![
        ("id", Avro::Long(7)),
        ("customer", Avro::String("C".into())),
        ("status", some(Avro::String(status.into()))),
        ("amount", some(Avro::Decimal(vec![0x04, 0xd2].into()))),
        ("fee", fee),
        ("tax", tax),
        ("created_at", Avro::Long(MICROS)),
        ("booked_at", some(Avro::Long(MILLIS))),
        ("value_date", some(Avro::Int(20_526))),
        ("sent_at", some(Avro::String("2026-03-14T09:30:00.123456Z".into()))),
    ]))
}

fn event(operation: &str, before: Avro, after: Avro) -> Vec<u8> {
    let string = |text: &str| Avro::String(text.into());
    let source = record(vec![
        ("version", string("3.0.5.Final")),
        ("connector", string("postgresql")),
        ("name", string("dbserver1")),
        ("ts_ms", Avro::Long(MILLIS)),
        ("snapshot", Avro::Union(0, Box::new(string("false")))),
        ("db", string("shop")),
        ("sequence", some(string("[null,\"24023128\"]"))),
        ("schema", string("public")),
        ("table", string("payments")),
        ("txId", some(Avro::Long(555))),
        ("lsn", some(Avro::Long(24_023_128))),
        ("xmin", null()),
    ]);
    let envelope = record(vec![
        ("before", before),
        ("after", after),
        ("source", source),
        ("op", string(operation)),
        ("ts_ms", some(Avro::Long(MILLIS + 1))),
        ("transaction", null()),
    ]);
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    writer.write_value_to_vec(envelope).unwrap()
}

fn decode(list: Vec<Field>, bytes: &[u8]) -> Result<Vec<Value>, ReasonCode> {
    let projection = AvroProjection::compile(SCHEMA, None, &fields(list)).unwrap();
    outcome(|row| projection.decode(bytes, row))
}

#[test]
fn rows_before_and_after_a_change() {
    use ValueType::{Float, Int, Text, Timestamp};
    let list = || {
        vec![
            field("op", Text),
            field("after.id", Int),
            field("after.customer", Text),
            field("after.status", Text),
            field("before.status", Text),
            field("after.amount", Float),
            field("before.amount", Float),
            field("source.table", Text),
            field("source.ts_ms", Timestamp),
            field("ts_ms", Int),
        ]
    };
    let (open, booked) = (|| row("open", null(), null()), || row("booked", null(), null()));
    let amount = || Value::Float(12.34);
    let change = |operation: &str, after: [Value; 3], before: Value, amounts: [Value; 2]| {
        let [id, customer, status] = after;
        let [after, earlier] = amounts;
        let source = [
            text("payments"),
            Value::Timestamp(MILLIS * 1_000),
            Value::Int(MILLIS + 1),
        ];
        let row = [text(operation), id, customer, status, before, after, earlier];
        Ok(row.into_iter().chain(source).collect::<Vec<Value>>())
    };
    let of = |status: &str| [Value::Int(7), text("C"), text(status)];
    let nothing = || [Value::Null, Value::Null, Value::Null];
    for operation in ["c", "r"] {
        assert_eq!(
            decode(list(), &event(operation, null(), open())),
            change(operation, of("open"), Value::Null, [amount(), Value::Null])
        );
    }
    assert_eq!(
        decode(list(), &event("u", open(), booked())),
        change("u", of("booked"), text("open"), [amount(), amount()])
    );
    assert_eq!(
        decode(list(), &event("d", booked(), null())),
        change("d", nothing(), text("booked"), [Value::Null, amount()])
    );
}

/// The schema names each time's unit, so no field has one.
#[test]
fn times_have_the_units_of_the_schema() {
    let times = [
        "after.created_at",
        "after.booked_at",
        "after.value_date",
        "after.sent_at",
    ];
    let bytes = event("c", null(), row("open", null(), null()));
    let utc = times.map(|path| field(path, ValueType::Timestamp)).to_vec();
    let midnight = Value::Timestamp(1_773_446_400_000_000);
    assert_eq!(
        decode(utc, &bytes).unwrap(),
        [
            Value::Timestamp(MICROS),
            Value::Timestamp(MILLIS * 1_000),
            midnight,
            Value::Timestamp(MICROS)
        ]
    );
    // A time without a zone is a local one: in Berlin's winter an hour before UTC.
    let zone = time_zone("Europe/Berlin");
    let local = times.map(|path| Field {
        zone: zone.clone(),
        ..field(path, ValueType::Timestamp)
    });
    let hour = 3_600_000_000;
    assert_eq!(
        decode(local.to_vec(), &bytes).unwrap(),
        [
            Value::Timestamp(MICROS - hour),
            Value::Timestamp(MILLIS * 1_000 - hour),
            Value::Timestamp(1_773_446_400_000_000 - hour),
            Value::Timestamp(MICROS)
        ]
    );
    let numbers = times[..3].iter().map(|path| field(path, ValueType::Int)).collect();
    let expected = [MICROS, MILLIS, 20_526].map(Value::Int);
    assert_eq!(decode(numbers, &bytes).unwrap(), expected);
}

#[test]
fn decimals_with_a_scale_of_their_own() {
    use ValueType::{Float, Int, Text};
    for (scale, bytes, expected) in [
        (2, &[0x04, 0xd2][..], Ok(Value::Float(12.34))),
        (0, &[0x04, 0xd2], Ok(Value::Float(1234.0))),
        (-2, &[0x0c], Ok(Value::Float(1200.0))),
        (3, &[0xff], Ok(Value::Float(-0.001))),
        (-400, &[1], Err(ReasonCode::OutOfRange)),
        (i32::MIN, &[1], Err(ReasonCode::OutOfRange)),
        (i32::MAX, &[1], Ok(Value::Float(0.0))),
        (2, &[], Err(ReasonCode::AvroMalformed)),
        (2, &[1; 17], Err(ReasonCode::OutOfRange)),
    ] {
        // The second column refers to the type by its name.
        for (path, fee, tax) in [
            ("after.fee", variable(scale, bytes), null()),
            ("after.tax", null(), variable(scale, bytes)),
        ] {
            let bytes = event("c", null(), row("open", fee, tax));
            let found = decode(vec![field(path, Float)], &bytes).map(|row| row[0].clone());
            assert_eq!(found, expected, "{path} {scale}");
        }
    }
    let bytes = event("c", null(), row("open", variable(2, &[0x04, 0xb0]), null()));
    let found = decode(vec![field("after.fee", Int), field("after.tax", Text)], &bytes);
    assert_eq!(found.unwrap(), [Value::Int(12), Value::Null]);
}

/// Bytes without a logical type, as other converters write decimals, have the field's scale, as in JSON.
#[test]
fn bytes_have_the_scale_of_the_field() {
    let schema = r#"{"type": "record", "name": "R", "fields": [{"name": "x", "type": ["null", "bytes"]}]}"#;
    for (value_type, bytes, expected) in [
        (ValueType::Float, &[2, 4, 0x04, 0xd2][..], Ok(Value::Float(12.34))),
        // The digits 1 and 2 in ASCII are no text here.
        (ValueType::Float, &[2, 4, b'1', b'2'], Ok(Value::Float(125.94))),
        (ValueType::Int, &[2, 4, 0x04, 0xb0], Ok(Value::Int(12))),
        (ValueType::Int, &[2, 4, 0x04, 0xd2], Err(ReasonCode::WrongType)),
        (ValueType::Float, &[0], Ok(Value::Null)),
    ] {
        let x = Field {
            decimal_scale: Some(2),
            ..field("x", value_type)
        };
        let projection = AvroProjection::compile(schema, None, &fields(vec![x])).unwrap();
        let found = outcome(|row| projection.decode(bytes, row)).map(|row| row[0].clone());
        assert_eq!(found, expected, "{bytes:?}");
    }
}
