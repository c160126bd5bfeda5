//! Damaged bytes, thousands of them from fixed seeds: every decoder answers, none panics or hangs, and none
//! takes more memory than the input allows.

use crate::avro_random::case;
use crate::support::{Random, field, fields, personal, required, text};
use riskstream_events::{
    AvroProjection, FrameHeader, FrameReader, FrameWriter, InputDecoder, JsonDecoder, OwnedDecisionRecord,
    ReaderSchema, Row, RowHeader, Value, ValueType, framing, time,
};

#[test]
fn avro() {
    let mut rejected = 0;
    for seed in 0..500 {
        let mut random = Random(seed);
        let case = case(&mut random);
        let projection = AvroProjection::compile(&case.schema_json, None, &case.fields).unwrap();
        let mut row = Row::new();
        for _ in 0..60 {
            let mut bytes = case.bytes.clone();
            for _ in 0..=random.below(3) {
                random.damage(&mut bytes);
            }
            rejected += usize::from(projection.decode(&bytes, &mut row).is_err());
        }
        for _ in 0..20 {
            let _ = projection.decode(&random.bytes(100), &mut row);
        }
    }
    assert!(rejected > 10_000, "{rejected}");
}

#[test]
fn avro_schemas() {
    let list = fields(vec![field("f0", ValueType::Float), field("f1.f0", ValueType::Text)]);
    for seed in 0..1_000 {
        let mut random = Random(seed);
        let mut schema = case(&mut random).schema_json.into_bytes();
        random.damage(&mut schema);
        let Ok(schema) = String::from_utf8(schema) else {
            continue;
        };
        let reader = ReaderSchema::parse(&schema).ok();
        if let Ok(projection) = AvroProjection::compile(&schema, reader.as_ref(), &list) {
            let _ = projection.decode(&random.bytes(50), &mut Row::new());
        }
    }
}

#[test]
fn json() {
    let list = fields(vec![
        required("id", ValueType::Text),
        field("a.amount", ValueType::Float),
        field("a.count", ValueType::Int),
        field("t", ValueType::Timestamp),
        personal("card"),
    ]);
    let decoder = JsonDecoder::new(&list);
    let good = r#"{"id":"é\n","skip":[{"a":1e5},"\u00e9"],"a":{"amount":12.5,"count":"7"},"t":"2018-05-18T00:00:00Z","card":4111}"#;
    let mut random = Random(1);
    let mut row = Row::new();
    assert!(decoder.decode(good.as_bytes(), &mut row).is_ok());
    let mut rejected = 0;
    for _ in 0..30_000 {
        let mut bytes = good.as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            random.damage(&mut bytes);
        }
        rejected += usize::from(decoder.decode(&bytes, &mut row).is_err());
        let _ = decoder.decode(&random.bytes(40), &mut row);
    }
    assert!((10_000..30_000).contains(&rejected), "{rejected}");
}

#[test]
fn frames() {
    let layout = [
        (0, ValueType::Text),
        (1, ValueType::List),
        (2, ValueType::Float),
        (3, ValueType::Bool),
        (4, ValueType::Timestamp),
        (5, ValueType::Int),
    ];
    let list = Value::List(
        [
            Value::Null,
            Value::Int(4),
            text("x"),
            Value::Float(1.0),
            Value::Bool(true),
        ]
        .into(),
    );
    let row: Row = vec![
        text("key"),
        list,
        Value::Float(0.5),
        Value::Bool(false),
        Value::Timestamp(77),
        Value::Null,
    ];
    let mut writer = FrameWriter::new(layout);
    for offset in 0..3 {
        writer.push(
            RowHeader {
                input: 0,
                source_offset: offset,
                watermark: 5,
                flags: 1,
            },
            &row,
        );
    }
    let mut good = Vec::new();
    writer.finish(
        FrameHeader {
            source: 1,
            live: true,
            watermark: 9,
        },
        &mut good,
    );
    let mut random = Random(2);
    let (mut rejected, mut read) = (0, Row::new());
    for _ in 0..30_000 {
        let mut bytes = good.clone();
        for _ in 0..=random.below(3) {
            random.damage(&mut bytes);
        }
        let Ok(mut reader) = FrameReader::new(&bytes, &layout) else {
            rejected += 1;
            continue;
        };
        // Each row takes at least a byte, so this ends.
        for rows in 0.. {
            assert!(rows <= bytes.len());
            match reader.next_row(&mut read) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    rejected += 1;
                    break;
                }
            }
        }
    }
    assert!(rejected > 5_000, "{rejected}");
}

#[test]
fn everything_else() {
    let json = fields(vec![field("x", ValueType::Int)]);
    let mut decoder = InputDecoder::json(&json);
    let mut random = Random(3);
    for _ in 0..30_000 {
        let bytes = random.bytes(30);
        let _ = framing::split(&bytes);
        let _ = framing::schema_in_header(&bytes);
        let _ = decoder.decode(&bytes, &mut Row::new());
        let _ = OwnedDecisionRecord::from_json(&bytes);
        let mut time = b"2018-05-18T00:00:00.123456+02:00".to_vec();
        random.damage(&mut time);
        if let Ok(time) = std::str::from_utf8(&time) {
            let _ = time::parse(time);
        }
    }
}
