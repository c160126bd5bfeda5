use crate::support::{field, fields, required};
use riskstream_events::ReasonCode::*;
use riskstream_events::framing::{prefix, split};
use riskstream_events::wire::MAX_RECORD_BYTES;
use riskstream_events::{
    DecodeError, InputDecoder, Row, SchemaReference, SchemaSource, SchemaSourceError, Value, ValueType,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const LONG: &str = r#"{"type":"record","name":"R","fields":[{"name":"x","type":"long"}]}"#;
const TEXT_THEN_LONG: &str =
    r#"{"type":"record","name":"R","fields":[{"name":"y","type":"string"},{"name":"x","type":"long"}]}"#;
const WITHOUT: &str = r#"{"type":"record","name":"R","fields":[{"name":"y","type":"string"}]}"#;

/// The GUID of the schema with the id 2.
const GUID: [u8; 16] = *b"0123456789abcdef";

/// A registry with a few schemas that can be down, counts how often it is asked, and can learn a schema.
#[derive(Default)]
struct Registry {
    asked: AtomicUsize,
    down: Mutex<bool>,
    late: Mutex<Option<&'static str>>,
}

struct Source(Arc<Registry>);

impl SchemaSource for Source {
    fn writer_schema(&mut self, reference: SchemaReference) -> Result<Arc<str>, SchemaSourceError> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        if *self.0.down.lock().unwrap() {
            return Err(SchemaSourceError::Unavailable("connection refused".into()));
        }
        let id = match reference {
            SchemaReference::Id(id) => id,
            SchemaReference::Guid(GUID) => 2,
            SchemaReference::Guid(_) => return Err(SchemaSourceError::Unknown),
        };
        let schema = match id {
            1 => LONG,
            2 => TEXT_THEN_LONG,
            3 => WITHOUT,
            4 => "not a schema",
            5 => r#""string""#,
            9 => self.0.late.lock().unwrap().ok_or(SchemaSourceError::Unknown)?,
            _ => return Err(SchemaSourceError::Unknown),
        };
        Ok(schema.into())
    }
}

fn registry() -> (Arc<Registry>, InputDecoder) {
    let registry = Arc::new(Registry::default());
    let decoder = InputDecoder::registry(
        Box::new(Source(registry.clone())),
        None,
        &fields(vec![required("x", ValueType::Int)]),
    );
    (registry, decoder)
}

#[test]
fn the_prefix() {
    let mut bytes = Vec::new();
    prefix(0x0102_0304, &mut bytes);
    assert_eq!(bytes, [0, 1, 2, 3, 4]);
    bytes.push(9);
    assert_eq!(split(&bytes), Ok((0x0102_0304, &[9][..])));
}

#[test]
fn records_with_schema_ids() {
    let (_, mut decoder) = registry();
    let x = |x| Ok(Value::Int(x));
    for (bytes, expected) in [
        (&[0, 0, 0, 0, 1, 14][..], x(7)),
        (&[0, 0, 0, 0, 2, 2, b'a', 14], x(7)),
        (&[0, 0, 0, 0, 1, 16], x(8)),
        (&[], Err(EmptyPayload)),
        (&[0], Err(AvroTruncated)),
        (&[0, 0, 0, 0], Err(AvroTruncated)),
        (&[0, 0, 0, 0, 1], Err(AvroTruncated)),
        (&[0, 0, 0, 0, 1, 14, 14], Err(AvroTrailingBytes)),
        (&[1, 0, 0, 0, 1, 14], Err(BadMagicByte)),
        (b"{\"x\":7}", Err(BadMagicByte)),
        (&[0, 0, 0, 0, 3, 2, b'a'], Err(SchemaMismatch)),
        (&[0, 0, 0, 0, 4, 14], Err(SchemaMismatch)),
        (&[0, 0, 0, 0, 5, 2, b'a'], Err(SchemaMismatch)),
        (&[0, 0, 0, 0, 6, 14], Err(UnknownSchemaId)),
        (&[0, 0xff, 0xff, 0xff, 0xff, 14], Err(UnknownSchemaId)),
        (&[0, 0, 0, 0, 1, 14], x(7)),
    ] {
        let mut row = Row::new();
        let found = decoder.decode(bytes, &mut row).map(|()| row[0].clone());
        assert_eq!(found.map_err(|error| error.code().unwrap()), expected, "{bytes:?}");
    }
}

/// The header of a schema's GUID as Confluent's clients write it: confluent_kafka.schema_registry's `SchemaId.guid_to_bytes`.
fn guid_header(guid: &[u8; 16]) -> Vec<u8> {
    [&[1], guid.as_slice()].concat()
}

#[test]
fn a_schema_in_a_header_precedes_the_prefix() {
    let (_, mut decoder) = registry();
    let x = |x| Ok(Value::Int(x));
    let guid = guid_header(&GUID);
    let with_indexes = [guid.as_slice(), &[2, 0, 2]].concat();
    for (header, bytes, expected) in [
        (&[0, 0, 0, 0, 1][..], &[14][..], x(7)),
        (&[0, 0, 0, 0, 2], &[2, b'a', 14], x(7)),
        (&guid, &[2, b'a', 14], x(7)),
        (&with_indexes, &[2, b'a', 14], x(7)),
        // The text is empty, so the value begins with a zero byte; what follows looks like schema 1.
        (&guid, &[0, 14], x(7)),
        (&guid, &[0, 0], x(0)),
        (&guid, &[0, 0, 0, 0, 1, 14], Err(AvroTrailingBytes)),
        (&[0, 0, 0, 0, 1], &[0, 0, 0, 0, 2, 2, b'a', 14], Err(AvroTrailingBytes)),
        (&guid, &[], Err(EmptyPayload)),
        (&guid_header(b"0123456789abcdeg"), &[0, 14], Err(UnknownSchemaId)),
        (&[0, 0, 0, 0, 6], &[14], Err(UnknownSchemaId)),
        (&[], &[14], Err(BadMagicByte)),
        (&[0, 0, 0, 1], &[14], Err(BadMagicByte)),
        (&guid[..16], &[14], Err(BadMagicByte)),
        (b"7", &[14], Err(BadMagicByte)),
        (&[2, 0, 0, 0, 1], &[14], Err(BadMagicByte)),
    ] {
        let mut row = Row::new();
        let found = decoder.decode_with_header(Some(header), bytes, &mut row);
        let found = found.map(|()| row[0].clone());
        assert_eq!(
            found.map_err(|error| error.code().unwrap()),
            expected,
            "{header:?} {bytes:?}"
        );
    }
}

#[test]
fn an_unknown_guid_is_named() {
    let (_, mut decoder) = registry();
    let header = guid_header(&[
        0x89, 0x79, 0x17, 0x62, 0x23, 0x36, 0x41, 0x86, 0x96, 0x74, 0x29, 0x9b, 0x90, 0xa8, 0x02, 0xe2,
    ]);
    let error = decoder
        .decode_with_header(Some(&header), &[14], &mut Row::new())
        .unwrap_err();
    let expected = "unknown_schema_id: schema GUID 89791762-2336-4186-9674-299b90a802e2";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn json_may_have_a_prefix_or_a_header() {
    let mut decoder = InputDecoder::json(&fields(vec![required("x", ValueType::Int)]));
    let framed = b"\0\0\0\0\x07{\"x\": 7}";
    for (header, bytes) in [
        (None, &framed[5..]),
        (None, &framed[..]),
        (Some(&guid_header(&GUID)[..]), &framed[5..]),
    ] {
        let mut row = Row::new();
        assert_eq!(decoder.decode_with_header(header, bytes, &mut row), Ok(()));
        assert_eq!(row, [Value::Int(7)]);
    }
    for bytes in [&framed[..3], &framed[..5], &framed[..9]] {
        let error = decoder.decode(bytes, &mut Row::new()).unwrap_err();
        assert_eq!(error.code(), Some(NotJson), "{bytes:?}");
    }
}

#[test]
fn records_of_other_framings_say_which() {
    let x = fields(vec![required("x", ValueType::Int)]);
    let decoder = |format| match format {
        "avro" => registry().1,
        "plain" => InputDecoder::avro(LONG, None, &x).unwrap(),
        _ => InputDecoder::json(&x),
    };
    let single_object = [&[0xc3, 1][..], b"12345678", &[14]].concat();
    let glue = [&[3, 0][..], &GUID, &[14]].concat();
    let compressed_glue = [&[3, 5][..], &GUID, &[14]].concat();
    let confluent = [0, 0, 0, 0, 1, 14];
    let object_or_file = b"Obj\x01\x04\x14avro.codec";
    for (format, bytes, expected) in [
        ("avro", &single_object[..], Some("single-object")),
        ("avro", &glue, Some("AWS Glue")),
        ("avro", &compressed_glue, Some("AWS Glue")),
        ("avro", object_or_file, Some("container file")),
        ("avro", b"{\"x\": 7}", Some("write `format: json`")),
        ("avro", &[14], Some("`format: avro_plain`")),
        ("plain", &confluent, Some("write `format: avro`")),
        ("plain", &single_object, Some("single-object")),
        ("plain", &glue, Some("AWS Glue")),
        ("plain", object_or_file, Some("container file")),
        ("plain", b"{\"x\": 7}", Some("write `format: json`")),
        ("plain", &[14, 14], None),
        ("json", &single_object, Some("single-object")),
        ("json", &glue, Some("AWS Glue")),
        ("json", object_or_file, Some("container file")),
        ("json", b"{\"x\": 7", None),
    ] {
        let error = decoder(format).decode(bytes, &mut Row::new()).unwrap_err().to_string();
        let says = |expected: &str| error.contains(expected);
        let found = expected.map_or(!says("begins like"), says);
        assert!(found, "{format} {bytes:?}: {error}");
    }
}

#[test]
fn each_schema_is_asked_for_once() {
    let (registry, mut decoder) = registry();
    for _ in 0..10 {
        for record in [
            &[0, 0, 0, 0, 1, 14][..],
            &[0, 0, 0, 0, 2, 2, b'a', 14],
            &[0, 0, 0, 0, 4, 14],
        ] {
            let _ = decoder.decode(record, &mut Row::new());
        }
    }
    assert_eq!(registry.asked.load(Ordering::Relaxed), 3);
}

#[test]
fn a_registry_that_is_down_is_asked_again() {
    let (registry, mut decoder) = registry();
    let record = [0, 0, 0, 0, 1, 14];
    *registry.down.lock().unwrap() = true;
    for _ in 0..2 {
        let error = decoder.decode(&record, &mut Row::new()).unwrap_err();
        assert_eq!(error, DecodeError::Unavailable("connection refused".into()));
        assert_eq!(error.code(), None);
    }
    *registry.down.lock().unwrap() = false;
    assert_eq!(decoder.decode(&record, &mut Row::new()), Ok(()));
    *registry.down.lock().unwrap() = true;
    assert_eq!(
        decoder.decode(&record, &mut Row::new()),
        Ok(()),
        "known schemas need no registry"
    );
}

#[test]
fn an_unknown_schema_is_asked_for_now_and_then() {
    let (registry, mut decoder) = registry();
    let record = [0, 0, 0, 0, 9, 14];
    for _ in 0..100 {
        let error = decoder.decode(&record, &mut Row::new()).unwrap_err();
        assert_eq!(error.code(), Some(UnknownSchemaId));
    }
    assert_eq!(registry.asked.load(Ordering::Relaxed), 1);
    *registry.late.lock().unwrap() = Some(LONG);
    let decoded = (0..2_000).find(|_| decoder.decode(&record, &mut Row::new()).is_ok());
    assert!(decoded.is_some_and(|after| after < 1_500), "{decoded:?}");
}

#[test]
fn hostile_ids_fill_no_memory_and_decode_nothing() {
    let (registry, mut decoder) = registry();
    for id in 100..10_000_u32 {
        let mut record = Vec::new();
        prefix(id, &mut record);
        assert!(decoder.decode(&record, &mut Row::new()).is_err());
    }
    assert_eq!(registry.asked.load(Ordering::Relaxed), 9_900);
}

#[test]
fn sizes() {
    let x = fields(vec![field("x", ValueType::Int)]);
    let json = |size: usize| format!("{{\"x\":1{}}}", " ".repeat(size - 7)).into_bytes();
    let decode = |decoder: &mut InputDecoder, size| decoder.decode(&json(size), &mut Row::new()).err();
    let code = |error: Option<DecodeError>| error.and_then(|error| error.code());
    let mut decoder = InputDecoder::json(&x);
    assert_eq!(code(decode(&mut decoder, MAX_RECORD_BYTES)), None);
    assert_eq!(code(decode(&mut decoder, MAX_RECORD_BYTES + 1)), Some(TooLarge));
    let mut decoder = InputDecoder::json(&x).with_max_bytes(10);
    assert_eq!(code(decode(&mut decoder, 10)), None);
    assert_eq!(code(decode(&mut decoder, 11)), Some(TooLarge));
    assert_eq!(code(decoder.decode(b"", &mut Row::new()).err()), Some(EmptyPayload));
}

#[test]
fn avro_without_a_prefix() {
    let x = fields(vec![required("x", ValueType::Int)]);
    let mut decoder = InputDecoder::avro(LONG, None, &x).unwrap();
    let mut row = Row::new();
    assert_eq!(decoder.decode(&[14], &mut row), Ok(()));
    assert_eq!(row, [Value::Int(7)]);
    assert!(InputDecoder::avro(WITHOUT, None, &x).is_err());
}
