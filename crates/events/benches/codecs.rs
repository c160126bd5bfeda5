//! Nanoseconds for each event: reading 5 of a transaction's 14 fields from Avro and JSON, writing a decision record, a
//! timestamp, and a row through a frame. apache-avro and serde_json to their own values are measured in the same run.
//!
//! `cargo bench -p riskstream-events --profile release` prints a table; each figure is the best of several rounds.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use riskstream_events::calendar::Civil;
use riskstream_events::{
    AvroProjection, DecisionId, DecisionRecord, Field, Flags, FrameHeader, FrameReader, FrameWriter, InputFields,
    JsonDecoder, Latency, ModelRef, Outcome, Outcomes, Row, RowHeader, Value, ValueType, encode_avro, encode_json,
    time,
};
use serde_json::json;
use std::hint::black_box;
use std::time::Instant;

const EVENTS: usize = 2_000;
const ROUNDS: usize = 30;

const SCHEMA: &str = r#"{"type":"record","name":"Transaction","fields":[
    {"name":"transaction_id","type":"string"},
    {"name":"event_time","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"customer_id","type":"string"},
    {"name":"card_id","type":"string"},
    {"name":"terminal_id","type":"string"},
    {"name":"merchant_name","type":"string"},
    {"name":"merchant_category","type":"string"},
    {"name":"country","type":"string"},
    {"name":"city","type":["null","string"]},
    {"name":"channel","type":{"type":"enum","name":"Channel","symbols":["chip","contactless","online"]}},
    {"name":"currency","type":"string"},
    {"name":"amount","type":"double"},
    {"name":"device_id","type":["null","string"]},
    {"name":"retries","type":"int"}
]}"#;

const WANTED: [(&str, ValueType); 5] = [
    ("transaction_id", ValueType::Text),
    ("event_time", ValueType::Timestamp),
    ("customer_id", ValueType::Text),
    ("terminal_id", ValueType::Text),
    ("amount", ValueType::Float),
];

fn fields() -> InputFields {
    let field = |(slot, (name, value_type)): (usize, &(&str, ValueType))| Field {
        required: true,
        ..Field::at(name, *value_type, slot)
    };
    InputFields::new(WANTED.iter().enumerate().map(field).collect(), None).expect("the fields fit together")
}

fn avro_events(schema: &Schema) -> Vec<Vec<u8>> {
    let text = |text: String| Avro::String(text);
    let some = |value| Avro::Union(1, Box::new(value));
    let writer = GenericDatumWriter::builder(schema)
        .build()
        .expect("the schema is valid");
    let event = |index: usize| {
        let values = [
            text(format!("T1-{index:010}")),
            Avro::TimestampMicros(1_767_225_600_000_000 + index as i64 * 1_234_567),
            text(format!("C{:07}", index * 7919 % 5000)),
            text(format!("{:016}", 9_999_000_000_000_000 + index)),
            text(format!("M{:07}", index * 104_729 % 10_000)),
            text("Corner grocery & sons".into()),
            text("grocery".into()),
            text("DE".into()),
            some(text("Frankfurt am Main".into())),
            Avro::Enum(1, "contactless".into()),
            text("EUR".into()),
            Avro::Double((index % 20_000) as f64 / 100.0),
            if index.is_multiple_of(3) {
                Avro::Union(0, Box::new(Avro::Null))
            } else {
                some(text(format!("D{index:08}")))
            },
            Avro::Int((index % 3) as i32),
        ];
        let Schema::Record(record) = schema else {
            unreachable!("the schema is a record")
        };
        let names = record.fields.iter().map(|field| field.name.clone());
        writer
            .write_value_to_vec(Avro::Record(names.zip(values).collect()))
            .expect("the value fits the schema")
    };
    (0..EVENTS).map(event).collect()
}

fn json_events() -> Vec<Vec<u8>> {
    let event = |index: usize| {
        json!({
            "transaction_id": format!("T1-{index:010}"),
            "event_time": format!("2026-01-01T{:02}:{:02}:{:02}.{:06}Z", index / 3600 % 24, index / 60 % 60, index % 60, index),
            "customer_id": format!("C{:07}", index * 7919 % 5000),
            "card_id": format!("{:016}", 9_999_000_000_000_000 + index),
            "terminal_id": format!("M{:07}", index * 104_729 % 10_000),
            "merchant_name": "Corner grocery & sons",
            "merchant_category": "grocery",
            "country": "DE",
            "city": "Frankfurt am Main",
            "channel": "contactless",
            "currency": "EUR",
            "amount": (index % 20_000) as f64 / 100.0,
            "device_id": (!index.is_multiple_of(3)).then(|| format!("D{index:08}")),
            "retries": index % 3,
        })
        .to_string()
        .into_bytes()
    };
    (0..EVENTS).map(event).collect()
}

/// The least nanoseconds an event over all rounds.
fn measure(name: &str, mut event: impl FnMut(usize)) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        (0..EVENTS).for_each(&mut event);
        best = best.min(start.elapsed().as_nanos() as f64 / EVENTS as f64);
    }
    println!("{name:<44} {best:>8.0} ns/event");
    best
}

fn decode() {
    let fields = fields();
    let schema = Schema::parse_str(SCHEMA).expect("the schema is valid");
    let avro = avro_events(&schema);
    let json = json_events();
    let projection = AvroProjection::compile(SCHEMA, None, &fields).expect("the schema has the fields");
    let decoder = JsonDecoder::new(&fields);
    let mut row = Row::new();
    let bytes = |events: &[Vec<u8>]| events.iter().map(Vec::len).sum::<usize>() / EVENTS;
    println!("Avro: {} bytes an event, JSON: {}", bytes(&avro), bytes(&json));
    let ours = measure("Avro, 5 of 14 fields into a row", |index| {
        projection
            .decode(black_box(&avro[index]), &mut row)
            .expect("the record is valid");
        black_box(&row);
    });
    let reader = GenericDatumReader::builder(&schema)
        .build()
        .expect("the schema is valid");
    let theirs = measure("Avro, apache-avro to its Value", |index| {
        black_box(
            reader
                .read_value(&mut black_box(&avro[index][..]))
                .expect("the record is valid"),
        );
    });
    println!("{:<44} {:>8.1} times", "", theirs / ours);
    let ours = measure("JSON, 5 of 14 fields into a row", |index| {
        decoder
            .decode(black_box(&json[index]), &mut row)
            .expect("the record is valid");
        black_box(&row);
    });
    let theirs = measure("JSON, serde_json to its Value", |index| {
        black_box(serde_json::from_slice::<serde_json::Value>(black_box(&json[index])).expect("the record is valid"));
    });
    println!("{:<44} {:>8.1} times", "", theirs / ours);
}

fn encode() {
    let mut row: Row = (0..16)
        .map(|index| Value::Float(f64::from(index) * 1.1 + 0.3))
        .collect();
    row.push(Value::Text("C0001234".into()));
    row.push(Value::Text("M0001234".into()));
    let features: Vec<_> = (0..16)
        .map(|slot| (format!("customer_tx_count_{slot}d"), slot))
        .collect();
    let entities = [("customer".to_owned(), 16), ("terminal".to_owned(), 17)];
    let id = DecisionId::new("card-fraud", "T1-0000000001");
    let outcomes = Outcomes::default();
    let decision = DecisionRecord {
        decision_id: id.as_str(),
        event_id: "T1-0000000001",
        pipeline: "card-fraud",
        pipeline_version: "0123456789abcdef",
        binary_version: "0.1.0",
        model: Some(ModelRef {
            name: "xgboost",
            version: "3",
            sha256: id.as_str(),
        }),
        event_time: 1_767_225_600_000_000,
        row: &row,
        entities: &entities,
        score: Some(0.123_456_789),
        outcome: Outcome::APPROVE,
        outcomes: &outcomes,
        reasons: &[],
        features: &features,
        flags: Flags::NONE,
        late_by_ms: None,
        shadow_scores: &[],
        shadow_rules: &[],
        attributes: &[],
        rollout: 0,
        lists: &[],
        latency: Some(Latency {
            ingested_at: 1_767_225_600_000_000,
            decided_at: 1_767_225_600_010_000,
        }),
    };
    let mut out = Vec::new();
    measure("decision id", |_| {
        black_box(DecisionId::new("card-fraud", black_box("T1-0000000001")));
    });
    measure("decision with 16 features to JSON", |_| {
        out.clear();
        encode_json(black_box(&decision), &mut out);
    });
    measure("decision with 16 features to Avro", |_| {
        out.clear();
        encode_avro(black_box(&decision), &mut out);
    });
}

fn frames() {
    let layout: Vec<_> = WANTED
        .iter()
        .enumerate()
        .map(|(slot, &(_, value_type))| (slot, value_type))
        .chain((5..11).map(|slot| (slot, ValueType::Float)))
        .collect();
    let watermark = 1_767_225_600_000_000;
    let mut row: Row = vec![
        Value::Text("T1-0000000001".into()),
        Value::Timestamp(watermark),
        Value::Text("C0001234".into()),
        Value::Text("M0001234".into()),
        Value::Float(57.16),
    ];
    row.extend((5..11).map(|slot| Value::Float(f64::from(slot) * 1.1)));
    let mut writer = FrameWriter::new(layout.clone());
    let mut bytes = Vec::new();
    measure("row of 11 slots into a frame", |index| {
        let header = RowHeader {
            input: 0,
            source_offset: index as i64,
            watermark: watermark + index as i64,
            flags: 0,
        };
        writer.push(header, black_box(&row));
        if writer.rows() == EVENTS {
            bytes.clear();
            writer.finish(
                FrameHeader {
                    source: 0,
                    live: false,
                    watermark,
                },
                &mut bytes,
            );
        }
    });
    let mut out = Row::new();
    let mut reader = FrameReader::new(&bytes, &layout).expect("the frame is ours");
    measure("row of 11 slots out of a frame", |index| {
        if index == 0 {
            reader = FrameReader::new(black_box(&bytes), &layout).expect("the frame is ours");
        }
        black_box(reader.next_row(&mut out).expect("the frame is ours"));
    });
    println!("{:<44} {:>8} bytes/row", "", bytes.len() / EVENTS);
}

fn timestamps() {
    let micros = |index: usize| 1_767_225_600_000_000 + index as i64 * 97_531_234_567;
    let mut out = Vec::new();
    measure("timestamp to text", |index| {
        out.clear();
        time::write(black_box(micros(index)), &mut out);
        black_box(&out);
    });
    let texts: Vec<String> = (0..EVENTS)
        .map(|index| {
            out.clear();
            time::write(micros(index), &mut out);
            String::from_utf8_lossy(&out).into_owned()
        })
        .collect();
    measure("text to timestamp", |index| {
        black_box(time::parse(black_box(&texts[index])));
    });
    measure("date of a timestamp", |index| {
        let civil = Civil::at(black_box(micros(index)));
        black_box((civil.year(), civil.month(), civil.day()));
    });
}

fn main() {
    decode();
    encode();
    timestamps();
    frames();
}
