//! Inputs in Avro: types from a schema file, and contradictions of it. Differences from examples.

use riskstream_definition::{Compiled, Report, Style, compile, run_examples};
use riskstream_events::ValueType;
use std::path::Path;

const SCHEMA: &str = r#"{
    "type": "record", "name": "bank.Transaction", "fields": [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "customer", "type": "long"},
        {"name": "card", "type": ["null", "string"]},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "merchant", "type": ["null", {"type": "record", "name": "Merchant", "fields": [
            {"name": "country", "type": ["null", "string"]}]}]}
    ]}"#;

const PIPELINE: &str = r#"name: bank
inputs:
  transactions:
    topic: transactions
    format: avro_plain
    schema: transaction.avsc
    id: id
    event_time: time
    fields: {card: {personal: true}, country: {path: merchant.country}}
entities: {customer: {key: customer}}
features:
  sum_1d: {entity: customer, sum: amount, window: 1d}
  countries: {entity: customer, distinct: country, window: 1d}
  cards: {entity: customer, distinct: card, window: 1d}
rules: [{name: much, when: sum_1d > 100, then: decline, reason: R1}]
outputs: {decisions: decisions, dead_letters: dead-letters}
personal_data: {key_env: SECRET}
examples:
  - name: Avro or not, examples are JSON
    events:
      - transactions: {id: a, amount: 60, time: "2026-01-05T12:00:00Z", customer: 7, card: "4", merchant: {country: DE}}
      - transactions: {id: b, amount: 60, time: "2026-01-05T12:00:01Z", customer: 7, card: "5", merchant: {country: DE}}
        expect: {outcome: decline, reasons: [R1], flags: [], features: {sum_1d: 120.0, countries: 1, cards: 2}}
      - transactions: {id: c, amount: 60, customer: 7}
        expect: {dead_letter: missing_field}
"#;

#[test]
fn types_come_from_the_schema() {
    let compiled = compiled(PIPELINE).unwrap();
    let fields: Vec<(&str, String, ValueType)> = compiled.inputs[0]
        .fields
        .iter()
        .map(|field| (field.name.as_str(), field.path.join("."), field.value_type))
        .collect();
    assert_eq!(
        fields,
        [
            ("amount", "amount".to_owned(), ValueType::Float),
            ("card", "card".to_owned(), ValueType::Text),
            ("country", "merchant.country".to_owned(), ValueType::Text),
            ("customer", "customer".to_owned(), ValueType::Int),
            ("id", "id".to_owned(), ValueType::Text),
            ("time", "time".to_owned(), ValueType::Timestamp),
        ]
    );
    assert_eq!(run_examples(&compiled).unwrap(), 1);
}

/// Types, and columns that are not declared, come from the row in the envelope.
#[test]
fn columns_come_from_the_schema_of_an_envelope() {
    let schema = include_str!("../../events/tests/codecs/debezium.avsc");
    let source = r#"name: changes
inputs:
  transactions:
    topic: dbserver1.public.payments
    format: avro_plain
    schema: transaction.avsc
    envelope: debezium
    id: id
    event_time: created_at
    fields: {customer: {personal: true}, table: {path: $.source.table}, earlier: {path: $.before.status}}
entities: {customer: {key: customer}}
features:
  spent: {entity: customer, sum: "amount + coalesce(fee, 0.0)", window: 1d, when: status != earlier && table == 'payments'}
  booked: {entity: customer, max: booked_at, window: 1d}
  days: {entity: customer, distinct: value_date, window: 7d}
outputs: {decisions: decisions, dead_letters: dead-letters}
personal_data: {key_env: SECRET}
"#;
    let compiled =
        compiled_with(source, schema).unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
    let fields = compiled.inputs[0].fields.iter();
    let fields: Vec<(String, ValueType)> = fields.map(|field| (field.path.join("."), field.value_type)).collect();
    assert_eq!(
        fields,
        [
            ("after.amount", ValueType::Float),
            ("after.booked_at", ValueType::Timestamp),
            ("after.created_at", ValueType::Timestamp),
            ("after.customer", ValueType::Text),
            ("before.status", ValueType::Text),
            ("after.fee", ValueType::Float),
            ("after.id", ValueType::Int),
            ("op", ValueType::Text),
            ("after.status", ValueType::Text),
            ("source.table", ValueType::Text),
            ("after.value_date", ValueType::Timestamp),
        ]
        .map(|(path, value_type)| (path.to_owned(), value_type))
    );
    let report = compiled_with(&source.replace("amount +", "amounts +"), schema).unwrap_err();
    assert!(report.render(Style::Plain, 120).contains("amount"), "the nearest name");
}

#[test]
fn fields_that_contradict_the_schema() {
    let mut text = String::new();
    for (what, from, to) in [
        (
            "no such field",
            "country: {path: merchant.country}",
            "country: {path: merchant.land}",
        ),
        (
            "a record",
            "country: {path: merchant.country}",
            "country: {path: merchant}",
        ),
        ("an array", "country: {path: merchant.country}", "country: {path: tags}"),
        (
            "another type",
            "country: {path: merchant.country}",
            "country: {path: amount, type: bool}",
        ),
        ("an unknown id", "    id: id\n", "    id: ids\n"),
        ("a key that is a decimal", "key: customer", "key: amount"),
    ] {
        assert!(PIPELINE.contains(from), "{what}");
        let report = compiled(&PIPELINE.replacen(from, to, 1)).unwrap_err();
        text += &format!("## {what}\n\n{}\n", report.render(Style::Plain, 120));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn differences_from_examples() {
    let mut source = PIPELINE.to_owned();
    for (from, to) in [
        ("outcome: decline", "outcome: approve"),
        ("reasons: [R1]", "reasons: [R1, R2]"),
        ("flags: []", "flags: [duplicate]"),
        ("sum_1d: 120.0", "sum_1d: 121.0"),
        ("countries: 1", "countries: [DE]"),
        ("cards: 2", "cards: null"),
        ("missing_field", "not_json"),
    ] {
        assert!(source.contains(from), "{from}");
        source = source.replacen(from, to, 1);
    }
    let report = run_examples(&compiled(&source).unwrap()).unwrap_err();
    insta::assert_snapshot!(report.to_string());
}

fn compiled(source: &str) -> Result<Compiled, Report> {
    compiled_with(source, SCHEMA)
}

fn compiled_with(source: &str, schema: &str) -> Result<Compiled, Report> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("transaction.avsc"), schema).unwrap();
    compile("pipeline.yaml", source, Path::new(directory.path()), &|_| None)
}
