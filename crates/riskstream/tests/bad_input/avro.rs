//! Bad Avro records: with a schema file, and in the wire format of a registry.

use crate::support::kafka::brokers;
use crate::support::trial::{GOOD, Setup, Trial};
use crate::support::{registry, unique};
use serde_json::{Value, json};

pub fn schema() -> Value {
    json!({
        "type": "record", "name": "Payment", "fields": [
            {"name": "id", "type": "string"},
            {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "card", "type": "string"},
            {"name": "shop", "type": ["null", "string"]},
            {"name": "amount", "type": "double"}
        ]
    })
}

/// A later version of [`schema`], with one more field at the end.
pub fn with_country() -> Value {
    let mut schema = schema();
    let country = json!({"name": "country", "type": "string", "default": "?"});
    schema["fields"].as_array_mut().unwrap().push(country);
    schema
}

fn long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn text(text: &str, out: &mut Vec<u8>) {
    long(text.len() as i64, out);
    out.extend_from_slice(text.as_bytes());
}

fn record(id: &str, time: u64, card: &str, shop: &str, amount: f64) -> Vec<u8> {
    let mut out = Vec::new();
    text(id, &mut out);
    long(time as i64, &mut out);
    text(card, &mut out);
    long(1, &mut out);
    text(shop, &mut out);
    out.extend_from_slice(&amount.to_le_bytes());
    out
}

/// Good payment number `n`, encoded by the Avro specification.
fn payment(trial: &Trial, n: u64) -> Vec<u8> {
    let [id, card, shop] = Trial::names(n);
    record(&id, trial.time(n), &card, &shop, 2.5)
}

/// A record in the wire format of a registry.
fn framed(schema: u32, record: &[u8]) -> Vec<u8> {
    [&[0], schema.to_be_bytes().as_slice(), record].concat()
}

/// Encodes good payments in the wire format, with one schema id.
pub struct Encoder<'a> {
    trial: &'a Trial,
    schema: u32,
}

impl<'a> Encoder<'a> {
    pub fn new(trial: &'a Trial, schema: u32) -> Encoder<'a> {
        Encoder { trial, schema }
    }

    /// With [`schema`].
    pub fn payment(&self, n: u64) -> Vec<u8> {
        framed(self.schema, &payment(self.trial, n))
    }

    /// With [`with_country`].
    pub fn payment_from(&self, n: u64, country: &str) -> Vec<u8> {
        let mut bytes = self.payment(n);
        text(country, &mut bytes);
        bytes
    }
}

/// Registers a schema under a subject and returns its id.
pub fn register(subject: &str, schema: &Value) -> u32 {
    let answer = ureq::post(format!("{}/subjects/{subject}/versions", registry()))
        .content_type("application/vnd.schemaregistry.v1+json")
        .send(json!({"schema": schema.to_string()}).to_string());
    let answer: Value = serde_json::from_str(&answer.unwrap().body_mut().read_to_string().unwrap()).unwrap();
    answer["id"].as_u64().unwrap() as u32
}

/// Sends each bad record between good ones, and checks the results of all.
fn check(trial: &Trial, good: impl Fn(u64) -> Vec<u8>, cases: &[(&str, Vec<u8>, &str)]) {
    let mut service = trial.start();
    service.wait_until_ready();
    for n in 0..GOOD {
        trial.send(n, &good(n));
        if let Some((_, value, _)) = cases.get(n as usize) {
            trial.send(n, value);
        }
    }
    trial.writer.flush();
    let results = trial.finish(service, GOOD, cases.len(), good);
    assert!(!results.decisions.contains_key("bad"));
    let wrong = cases
        .iter()
        .filter(|(_, value, reason)| results.reasons(Some(value)) != [*reason]);
    let wrong: Vec<String> = wrong
        .map(|(name, value, reason)| format!("{name}: {:?}, not {reason}", results.reasons(Some(value))))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn avro_of_a_schema_file() {
    let (brokers, name) = (brokers(), unique("plain"));
    let trial = Trial::new(&Setup {
        transactions: "format: avro_plain\n    schema: payment.avsc\n    min_time: 2020-01-01",
        schema: Some(&schema()),
        ..Setup::new(&brokers, &name)
    });
    let time = trial.time(GOOD);
    let good = record("bad", time, "bad", "bad", 1.0);
    let utf8: Vec<u8> = good
        .iter()
        .map(|byte| if *byte == b'a' { 0xff } else { *byte })
        .collect();
    let mut branch = good.clone();
    let at = good.len() - 8 - 4 - 1;
    assert_eq!(branch[at], 2, "the branch of the union");
    branch[at] = 8;
    #[rustfmt::skip]
    let cases = [
        ("truncated", good[..good.len() - 1].to_vec(), "avro_truncated"),
        ("truncated at the beginning", good[..2].to_vec(), "avro_truncated"),
        ("more than the record", [good.as_slice(), b"!"].concat(), "avro_trailing_bytes"),
        ("a length beyond the end", b"\xfe\xff\xff\xff\x0f".to_vec(), "avro_truncated"),
        ("a negative length", b"\x01abc".to_vec(), "avro_malformed"),
        ("a branch that does not exist", branch, "avro_malformed"),
        ("text that is not UTF-8", utf8, "invalid_utf8"),
        ("infinite", record("bad", time, "bad", "bad", f64::INFINITY), "not_finite"),
        ("huge", record("bad", time, "bad", "bad", 1e300), "out_of_range"),
        ("an empty id", record("", time, "bad", "bad", 1.0), "missing_field"),
        ("seconds as milliseconds", record("bad", time / 1000, "bad", "bad", 1.0), "past_event_time"),
        ("far future", record("bad", time * 2, "bad", "bad", 1.0), "future_event_time"),
    ];
    check(&trial, |n| payment(&trial, n), &cases);
}

#[test]
fn avro_with_a_registry() {
    let further = format!("registry: {{url: \"{}\"}}\n", registry());
    let (brokers, name) = (brokers(), unique("wire"));
    let trial = Trial::new(&Setup {
        transactions: "format: avro",
        further: &further,
        ..Setup::new(&brokers, &name)
    });
    let id = register(&format!("{}-value", trial.topic("transactions")), &schema());
    let lacking = json!({"type": "record", "name": "Lacking", "fields": [{"name": "id", "type": "string"}]});
    let lacking = register(&format!("{}-lacking", trial.name), &lacking);
    let bad = record("bad", trial.time(GOOD), "bad", "bad", 1.0);
    #[rustfmt::skip]
    let cases = [
        ("an unknown schema", framed(2_000_000_000, &bad), "unknown_schema_id"),
        ("another magic byte", [b"\x01".as_slice(), &framed(id, &bad)[1..]].concat(), "bad_magic_byte"),
        ("JSON", b"{\"id\": \"bad\"}".to_vec(), "bad_magic_byte"),
        ("a magic byte and no more", vec![0, 0], "avro_truncated"),
        ("truncated", framed(id, &bad[..bad.len() - 1]), "avro_truncated"),
        ("nothing behind the id", framed(id, &[]), "avro_truncated"),
        ("a schema without the fields", framed(lacking, b"\x06bad"), "schema_mismatch"),
    ];
    let good = Encoder::new(&trial, id);
    check(&trial, |n| good.payment(n), &cases);
}

/// Confluent's newer serializers put the schema's id into a header. The values begin with a byte 0 here, like a prefix.
#[test]
fn avro_with_schema_ids_in_headers() {
    let further = format!("registry: {{url: \"{}\"}}\n", registry());
    let (brokers, name) = (brokers(), unique("headers"));
    let mut trial = Trial::new(&Setup {
        transactions: "format: avro",
        further: &further,
        ..Setup::new(&brokers, &name)
    });
    let mut writer = schema();
    let note = json!({"name": "note", "type": "string"});
    writer["fields"].as_array_mut().unwrap().insert(0, note);
    let id = register(&format!("{}-value", trial.topic("transactions")), &writer);
    trial.schema_header = Some([&[0], id.to_be_bytes().as_slice()].concat());
    let with_note = |record: &[u8]| [&[0], record].concat();
    let bad = with_note(&record("bad", trial.time(GOOD), "bad", "bad", 1.0));
    #[rustfmt::skip]
    let cases = [
        ("truncated", bad[..bad.len() - 1].to_vec(), "avro_truncated"),
    ];
    check(&trial, |n| with_note(&payment(&trial, n)), &cases);
}
