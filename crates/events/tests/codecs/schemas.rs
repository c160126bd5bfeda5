//! The files in schemas/: they parse, and what we write conforms to them.

use crate::support::{field, fields, personal, required};
use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use riskstream_events::dead_letter::{DETAIL, OFFSET, PARTITION, PIPELINE, REASON, TIMESTAMP, TOPIC};
use riskstream_events::{
    AvroProjection, DECISION_AVRO_SCHEMA, DECISION_JSON_SCHEMA, DecisionReason, DecisionRecord, Flags, Latency,
    ModelRef, Outcome, Outcomes, ReasonCode, Row, Value, ValueType, decision_avro_schema, decision_json_schema,
    encode_json,
};
use serde_json::{Value as Json, json};

const TRANSACTION: &str = include_str!("../../../../schemas/transaction.avsc");
const LABEL: &str = include_str!("../../../../schemas/label.avsc");
const TRANSACTION_JSON: &str = include_str!("../../../../schemas/transaction.schema.json");

const README: &str = include_str!("../../../../schemas/README.md");

/// Checks the keywords of JSON Schema that our schemas use; any other keyword fails the test.
fn conform(value: &Json, schema: &Json, root: &Json, path: &str) -> Result<(), String> {
    let fail = |why: &str| Err(format!("{path}: {why}"));
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "format" | "pattern" => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                conform(
                    value,
                    root.pointer(pointer).expect("the reference leads somewhere"),
                    root,
                    path,
                )?;
            }
            "type" => {
                let kind = match value {
                    Json::Null => "null",
                    Json::Bool(_) => "boolean",
                    Json::Number(_) => "number",
                    Json::String(_) => "string",
                    Json::Array(_) => "array",
                    Json::Object(_) => "object",
                };
                let is = |name: &Json| name == kind || name == "integer" && value.is_i64();
                if !rule.as_array().map_or_else(|| is(rule), |names| names.iter().any(is)) {
                    return fail(&format!("{kind} instead of {rule}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => {
                return fail("not one of the list");
            }
            "enum" => {}
            "exclusiveMinimum" if value.as_f64() <= rule.as_f64() => return fail("too small"),
            "exclusiveMinimum" => {}
            "anyOf" => {
                let fits = |schema| conform(value, schema, root, path).is_ok();
                if !rule.as_array().unwrap().iter().any(fits) {
                    return fail("none of the alternatives");
                }
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    conform(item, rule, root, &format!("{path}[]"))?;
                }
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        return fail(&format!("no {name}"));
                    }
                }
            }
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        conform(value, schema, root, &format!("{path}.{name}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let known = &schema["properties"];
                for (name, value) in value.as_object().into_iter().flatten() {
                    match rule {
                        _ if known.get(name).is_some() => {}
                        Json::Bool(false) => return fail(&format!("unknown {name}")),
                        rule => conform(value, rule, root, &format!("{path}.{name}"))?,
                    }
                }
            }
            other => panic!("{path}: the test does not know the keyword {other}"),
        }
    }
    Ok(())
}

#[test]
fn decisions_conform_to_the_json_schema() {
    let schema: Json = serde_json::from_str(DECISION_JSON_SCHEMA).unwrap();
    let row: Row = vec![
        Value::Text("C1".into()),
        Value::Float(f64::NAN),
        Value::Int(3),
        Value::Bool(true),
        Value::List([Value::Float(1.0), Value::Null].into()),
        Value::Timestamp(0),
    ];
    let features: Vec<_> = (0..row.len()).map(|slot| (format!("f{slot}"), slot)).collect();
    let reasons = [DecisionReason {
        code: "R1",
        name: "r",
        outcome: Outcome::DECLINE,
        description: None,
        contribution: Some(1.0),
    }];
    let outcomes = Outcomes::default();
    let decision = DecisionRecord {
        decision_id: "00112233445566778899aabbccddeeff",
        event_id: "e",
        pipeline: "p",
        pipeline_version: "v",
        binary_version: "b",
        model: Some(ModelRef {
            name: "m",
            version: "1",
            sha256: "00",
        }),
        event_time: 0,
        row: &row,
        entities: &[("customer".into(), 0)],
        score: Some(0.5),
        outcome: Outcome::DECLINE,
        outcomes: &outcomes,
        reasons: &reasons,
        features: &features,
        flags: Flags(u16::MAX),
        late_by_ms: Some(1),
        shadow_scores: &[("s", f64::NAN)],
        shadow_rules: &reasons,
        attributes: &[("queue", "high")],
        rollout: 1,
        lists: &[],
        latency: Some(Latency {
            ingested_at: 0,
            decided_at: 1,
        }),
    };
    let bare = DecisionRecord {
        model: None,
        score: None,
        late_by_ms: None,
        latency: None,
        flags: Flags::NONE,
        ..decision
    };
    for decision in [decision, bare] {
        let mut bytes = Vec::new();
        encode_json(&decision, &mut bytes);
        let value: Json = serde_json::from_slice(&bytes).unwrap();
        conform(&value, &schema, &schema, "$").unwrap();
        // The check can fail.
        let mut broken = value.clone();
        broken["outcome"] = json!("maybe");
        assert!(conform(&broken, &schema, &schema, "$").is_err());
        let mut broken = value.clone();
        broken.as_object_mut().unwrap().remove("score");
        assert!(conform(&broken, &schema, &schema, "$").is_err());
        let mut broken = value;
        broken["more"] = json!(1);
        assert!(conform(&broken, &schema, &schema, "$").is_err());
    }
}

#[test]
fn the_readme_lists_every_reason_code_and_header() {
    let (_, table) = README.split_once("| code | what it means |\n| --- | --- |\n").unwrap();
    let expected: String = ReasonCode::ALL
        .iter()
        .map(|code| format!("| `{code}` | {} |\n", code.meaning()))
        .collect();
    assert_eq!(table, expected);
    let headers = [REASON, DETAIL, TOPIC, PARTITION, OFFSET, TIMESTAMP, PIPELINE];
    assert!(headers.iter().all(|header| README.contains(&format!("`{header}`"))));
}

#[test]
fn a_demo_transaction_in_json() {
    let schema: Json = serde_json::from_str(TRANSACTION_JSON).unwrap();
    let transaction = json!({
        "transaction_id": "T1-0000000001", "customer_id": "C0000001", "card_id": "9999000000000000",
        "terminal_id": "M0000001", "merchant_category": "grocery", "country": "DE", "channel": "chip",
        "amount": 12.34, "event_time": "2026-01-01T00:00:00.000000Z"
    });
    conform(&transaction, &schema, &schema, "$").unwrap();
    let mut broken = transaction;
    broken["amount"] = json!("12.34");
    assert!(conform(&broken, &schema, &schema, "$").is_err());
}

fn encode(schema: &str, fields: Vec<(&str, Avro)>) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    let record = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    GenericDatumWriter::builder(&schema)
        .build()
        .unwrap()
        .write_value_to_vec(Avro::Record(record))
        .unwrap()
}

#[test]
fn a_demo_transaction_in_avro() {
    let text = |text: &str| Avro::String(text.into());
    let bytes = encode(
        TRANSACTION,
        vec![
            ("transaction_id", text("T1")),
            ("customer_id", text("C1")),
            ("card_id", text("9999000000000000")),
            ("terminal_id", text("M1")),
            ("merchant_category", text("grocery")),
            ("country", text("DE")),
            ("channel", Avro::Enum(1, "contactless".into())),
            ("amount", Avro::Decimal(1234_i16.to_be_bytes().into())),
            ("event_time", Avro::TimestampMicros(1_767_225_600_000_000)),
        ],
    );
    let list = vec![
        required("transaction_id", ValueType::Text),
        personal("card_id"),
        required("channel", ValueType::Text),
        required("amount", ValueType::Float),
        required("event_time", ValueType::Timestamp),
    ];
    let projection = AvroProjection::compile(TRANSACTION, None, &fields(list)).unwrap();
    let mut row = Row::new();
    projection.decode(&bytes, &mut row).unwrap();
    let pseudonym = riskstream_events::Pseudonymizer::new(b"secret").pseudonym(b"9999000000000000");
    let expected = [
        Value::Text("T1".into()),
        Value::Text(pseudonym),
        Value::Text("contactless".into()),
        Value::Float(12.34),
        Value::Timestamp(1_767_225_600_000_000),
    ];
    assert_eq!(row, expected);
}

#[test]
fn a_demo_label_in_avro() {
    let text = |text: &str| Avro::String(text.into());
    let bytes = encode(
        LABEL,
        vec![
            ("transaction_id", text("T1")),
            ("customer_id", text("C1")),
            ("terminal_id", Avro::Union(0, Box::new(Avro::Null))),
            ("fraud", Avro::Boolean(true)),
            ("known_at", Avro::TimestampMicros(1_767_225_600_000_000)),
        ],
    );
    let list = vec![
        field("terminal_id", ValueType::Text),
        required("fraud", ValueType::Bool),
        required("known_at", ValueType::Timestamp),
    ];
    let projection = AvroProjection::compile(LABEL, None, &fields(list)).unwrap();
    let mut row = Row::new();
    projection.decode(&bytes, &mut row).unwrap();
    assert_eq!(
        row,
        [Value::Null, Value::Bool(true), Value::Timestamp(1_767_225_600_000_000)]
    );
}

#[test]
fn the_schemas_name_every_flag() {
    let flags: Vec<&str> = Flags::NAMES.iter().map(|(_, name)| *name).collect();
    let json: Json = serde_json::from_str(DECISION_JSON_SCHEMA).unwrap();
    assert_eq!(json["properties"]["flags"]["items"]["enum"], json!(flags));
    let avro: Json = serde_json::from_str(DECISION_AVRO_SCHEMA).unwrap();
    let field = avro["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["name"] == "flags")
        .unwrap();
    assert_eq!(field["doc"], format!("Circumstances: {}.", flags.join(", ")));
}

#[test]
fn the_schemas_of_a_pipeline_have_its_outcomes() {
    let default = Outcomes::default();
    assert_eq!(decision_avro_schema(&default), DECISION_AVRO_SCHEMA);
    assert_eq!(decision_json_schema(&default), DECISION_JSON_SCHEMA);
    let words = ["pass", "challenge", "block"];
    let outcomes = Outcomes::new(words.map(str::to_owned).to_vec()).unwrap();
    let json: Json = serde_json::from_str(&decision_json_schema(&outcomes)).unwrap();
    assert_eq!(json["$defs"]["outcome"]["enum"], json!(words));
    let avro: Json = serde_json::from_str(&decision_avro_schema(&outcomes)).unwrap();
    let fields = avro["fields"].as_array().unwrap();
    let field = fields.iter().find(|field| field["name"] == "outcome").unwrap();
    assert_eq!(field["type"]["symbols"], json!(words));
}
