//! Events as JSON and Avro, Avro schemas, and decisions that tools read back.

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use riskstream_events::{
    AvroDecisionReader, AvroProjection, DECISION_AVRO_SCHEMA, Field, InputFields, JsonDecoder, OwnedDecisionRecord,
    Pseudonymizer, ReaderSchema, Row, TimestampUnit, ValueType,
};
use std::cell::OnceCell;

/// A schema with a type of each kind that is read or skipped.
const SCHEMA: &str = r#"{"type": "record", "name": "event", "fields": [
    {"name": "id", "type": "string"},
    {"name": "skipped", "type": {"type": "array", "items": ["int", "string", {"type": "map", "values": "bytes"}]}},
    {"name": "amount", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}]},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["card", "transfer"]}},
    {"name": "tags", "type": {"type": "map", "values": "double"}},
    {"name": "nested", "type": ["null", {"type": "record", "name": "nested", "fields": [
        {"name": "x", "type": "float"}, {"name": "card", "type": "string"}, {"name": "again", "type": ["null", "nested"]}
    ]}]},
    {"name": "hash", "type": {"type": "fixed", "name": "hash", "size": 4}}
]}"#;

fn fields() -> InputFields {
    let types = [
        ("id", ValueType::Text),
        ("amount", ValueType::Float),
        ("at", ValueType::Timestamp),
        ("kind", ValueType::Text),
        ("tags.a", ValueType::Float),
        ("nested.x", ValueType::Float),
        ("nested.card", ValueType::Text),
        ("nested.again.x", ValueType::Int),
        ("flag", ValueType::Bool),
    ];
    let field = |(slot, (path, value_type)): (usize, (&str, ValueType))| Field {
        required: path == "id",
        personal: path == "nested.card",
        timestamp_unit: (path == "at").then_some(TimestampUnit::Millis),
        ..Field::at(path, value_type, slot)
    };
    let fields = types.into_iter().enumerate().map(field).collect();
    InputFields::new(fields, Some(Pseudonymizer::new(b"secret"))).expect("the fields agree")
}

/// An event as JSON. Decoding it again gives the same.
pub fn json(bytes: &[u8]) {
    thread_local! { static DECODER: JsonDecoder = JsonDecoder::new(&fields()); }
    DECODER.with(|decoder| same_twice(|row| decoder.decode(bytes, row).is_ok()));
}

pub fn json_seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"id":"a","amount":12.5,"at":1700000000000,"kind":"card","tags":{"a":1e3},"nested":{"x":0.5,"card":"4111"}}"#,
        r#"{"id":"é\n","skipped":[{"a":1e5},"\u00e9"],"at":"2018-05-18T00:00:00Z","nested":{"again":{"x":"7"}},"flag":true}"#,
        r#"{"id":"b","amount":"12.5","nested":null,"flag":null,"tags":{}}"#,
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// A record of a fixed Avro schema. Decoding it again gives the same.
pub fn avro_record(bytes: &[u8]) {
    thread_local! { static PROJECTION: OnceCell<AvroProjection> = const { OnceCell::new() }; }
    let compile = || AvroProjection::compile(SCHEMA, None, &fields()).expect("the schema has all fields");
    PROJECTION.with(|projection| {
        let projection = projection.get_or_init(compile);
        same_twice(|row| projection.decode(bytes, row).is_ok());
    });
}

pub fn avro_record_seeds() -> Vec<Vec<u8>> {
    let schema = Schema::parse_str(SCHEMA).expect("a schema");
    let nested = |again| {
        Avro::Record(vec![
            ("x".into(), Avro::Float(0.5)),
            ("card".into(), Avro::String("4111".into())),
            ("again".into(), again),
        ])
    };
    let absent = Avro::Union(0, Avro::Null.into());
    let inner = nested(absent.clone());
    let outer = Avro::Union(1, nested(Avro::Union(1, inner.into())).into());
    let event = |amount, nested| {
        let items = vec![
            Avro::Union(0, Avro::Int(7).into()),
            Avro::Union(1, Avro::String("é".into()).into()),
        ];
        Avro::Record(vec![
            ("id".into(), Avro::String("a".into())),
            ("skipped".into(), Avro::Array(items)),
            ("amount".into(), amount),
            ("at".into(), Avro::TimestampMicros(1_700_000_000_000_000)),
            ("kind".into(), Avro::Enum(1, "transfer".into())),
            ("tags".into(), Avro::Map([("a".to_owned(), Avro::Double(1.5))].into())),
            ("nested".into(), nested),
            ("hash".into(), Avro::Fixed(4, vec![1, 2, 3, 4])),
        ])
    };
    let amount = Avro::Union(1, Avro::Decimal(vec![4, 226].into()).into());
    let writer = GenericDatumWriter::builder(&schema)
        .build()
        .expect("the schema is complete");
    [event(amount, outer), event(absent.clone(), absent)]
        .map(|event| writer.write_value_to_vec(event).expect("the event is of the schema"))
        .into()
}

/// The text of a schema, a zero byte, a record that is said to be of that schema.
pub fn avro_schema(bytes: &[u8]) {
    let split = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (schema, record) = bytes.split_at(split);
    let Ok(schema) = std::str::from_utf8(schema) else {
        return;
    };
    let reader = ReaderSchema::parse(schema).ok();
    for reader in [None, reader.as_ref()] {
        if let Ok(projection) = AvroProjection::compile(schema, reader, &fields()) {
            same_twice(|row| projection.decode(record.get(1..).unwrap_or_default(), row).is_ok());
        }
    }
}

pub fn avro_schema_seeds() -> Vec<Vec<u8>> {
    let shipped = include_str!("../../../schemas/transaction.avsc");
    let with_record = |record: Vec<u8>| [SCHEMA.as_bytes(), &[0], &record].concat();
    let mut seeds: Vec<Vec<u8>> = avro_record_seeds().into_iter().map(with_record).collect();
    seeds.push(shipped.as_bytes().to_vec());
    seeds.push(br#"{"type":"record","name":"r","fields":[{"name":"n","aliases":["id"],"type":["null","string"],"default":null}]}"#.to_vec());
    seeds
}

/// A decision as JSON and as Avro.
pub fn decision(bytes: &[u8]) {
    thread_local! {
        static READER: AvroDecisionReader = AvroDecisionReader::new(DECISION_AVRO_SCHEMA).expect("our own schema");
    }
    let _ = OwnedDecisionRecord::from_json(bytes);
    let _ = READER.with(|reader| reader.read(bytes));
}

pub fn decision_seeds() -> Vec<Vec<u8>> {
    let text = r#"{"decision_id":"d","event_id":"e","event_time":"2026-01-01T00:00:00Z","outcome":"decline","score":0.5,
        "reasons":[{"name":"r","contribution":0.1}],"features":{"a":1,"b":"x"},"entities":{"card":"c"},"flags":["late"]}"#;
    vec![text.as_bytes().to_vec(), vec![0; 64], (0..200).collect()]
}

/// Two rows decoded from the same bytes are equal, whatever was in the row before.
fn same_twice(mut decode: impl FnMut(&mut Row) -> bool) {
    let (mut first, mut second) = (Row::new(), vec![riskstream_events::Value::Int(7); 20]);
    let accepted = decode(&mut first);
    assert_eq!(accepted, decode(&mut second));
    if accepted {
        let shown = |row: &Row| format!("{:?}", &row[..9]);
        assert_eq!(shown(&first), shown(&second));
    }
}
