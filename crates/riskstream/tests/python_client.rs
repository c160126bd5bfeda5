//! Avro with the Python package confluent-kafka and a real registry: transactions and labels with older and newer schemas
//! than the pipeline's, and decisions that the same client reads; change events of Debezium.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`), RISKSTREAM_TEST_REGISTRY (`scripts/registry start`), Python 3
//! with venv and, the first time, the network.

mod support;

use rdkafka::Message;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use support::kafka::{Reader, Writer, brokers, create_topics_of, delete_topics, read_all};
use support::process::{Service, run, wait_for};
use support::{registry, root, unique};

const PIPELINE: &str = "
name: NAME
inputs:
  transactions:
    topic: NAME-transactions
    format: avro
    schema: payment.avsc
    key: card
    id: id
    event_time: time
    fields: {country: {path: merchant.country}}
  labels:
    topic: NAME-labels
    format: avro
    schema: label.avsc
    key: card
    id: id
    event_time: known_at
entities: {card: {key: card}}
features:
  payments: {entity: card, count: transactions, window: 1d}
  spent: {entity: card, sum: amount, window: 1d}
  online: {entity: card, count: transactions, window: 1d, when: channel == 'online'}
  countries: {entity: card, distinct: country, window: 1d}
  frauds: {entity: card, sum: fraud, of: labels, window: 7d}
  certain: {entity: card, count: labels, window: 7d, when: confidence >= 0.5}
rules:
  - {name: repeated_fraud, when: frauds >= 2, then: decline, reason: R7, set: {queue: fraud}}
  - {name: fraud_seen, when: frauds >= 1, then: review, reason: R8, mode: shadow}
outputs: {decisions: NAME-decisions, dead_letters: NAME-dead-letters, format: avro}
registry: {url: \"REGISTRY\"}
kafka: {brokers: \"BROKERS\"}
";

fn record(name: &str, fields: Value) -> Value {
    json!({"type": "record", "name": name, "namespace": "shop", "fields": fields})
}

fn field(name: &str, of: Value) -> Value {
    json!({"name": name, "type": of})
}

fn with_default(name: &str, of: Value, default: Value) -> Value {
    json!({"name": name, "type": of, "default": default})
}

fn moment() -> Value {
    json!({"type": "long", "logicalType": "timestamp-millis"})
}

fn decimal() -> Value {
    json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2})
}

fn merchant(fields: Value) -> Value {
    json!(["null", {"type": "record", "name": "Merchant", "fields": fields}])
}

/// The reader's schema: that of the pipeline.
fn payment() -> Value {
    let channel =
        json!({"type": "enum", "name": "Channel", "symbols": ["online", "shop", "other"], "default": "other"});
    let country = with_default("country", json!(["null", "string"]), Value::Null);
    record(
        "Payment",
        json!([
            field("id", json!("string")),
            field("time", moment()),
            field("card", json!("string")),
            field("amount", decimal()),
            with_default("channel", channel, json!("shop")),
            with_default("merchant", merchant(json!([country])), Value::Null),
        ]),
    )
}

/// An older schema, without channel and merchant.
fn older_payment() -> Value {
    record(
        "Payment",
        json!([
            field("id", json!("string")),
            field("time", moment()),
            field("card", json!("string")),
            field("amount", decimal()),
        ]),
    )
}

/// A newer schema, with fields that the pipeline does not know, another order, and one more channel.
fn newer_payment() -> Value {
    let symbols = json!(["watch", "shop", "online", "other"]);
    let channel = json!({"type": "enum", "name": "Channel", "symbols": symbols, "default": "other"});
    let device = json!({"type": "record", "name": "Device", "fields": [
        field("kind", json!("string")), field("seen", json!({"type": "map", "values": "long"}))]});
    let country = with_default("country", json!(["null", "string"]), Value::Null);
    let name = field("name", json!("string"));
    record(
        "Payment",
        json!([
            with_default("devices", json!({"type": "array", "items": device}), json!([])),
            field("amount", decimal()),
            field("card", json!("string")),
            field("id", json!("string")),
            field("merchant", merchant(json!([name, country]))),
            field("time", moment()),
            field("channel", channel),
            with_default("note", json!(["null", "string"]), Value::Null),
        ]),
    )
}

/// The reader's schema.
fn label() -> Value {
    record(
        "Label",
        json!([
            field("id", json!("string")),
            field("card", json!("string")),
            field("fraud", json!("boolean")),
            field("known_at", moment()),
            with_default("confidence", json!("double"), json!(1.0)),
        ]),
    )
}

fn older_label() -> Value {
    let mut label = label();
    label["fields"].as_array_mut().unwrap().pop();
    label
}

/// A newer schema, with the confidence as a float, which is promoted, and a source.
fn newer_label() -> Value {
    let mut label = older_label();
    let more = [
        field("confidence", json!("float")),
        field("source", json!(["null", "string"])),
    ];
    label["fields"].as_array_mut().unwrap().splice(0..0, more);
    label
}

const TIME: u64 = 1_767_225_600_000;

/// A value with more fields.
fn with(mut value: Value, more: Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

/// Runs the Python client and returns its standard output.
fn client(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("python3")
        .arg(root().join("crates/riskstream/tests/python_client/client.py"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// An older payment, as a value of [`older_payment`].
fn older(n: u64, amount: &str) -> Value {
    json!({"id": format!("tx-{n}"), "time": TIME + n * 1_000, "card": "c", "amount": {"decimal": amount}})
}

/// Records: schema and value.
type Records = Vec<(Value, Value)>;

fn payment_records() -> Records {
    let newer = json!({
        "devices": [{"kind": "phone", "seen": {"today": 3}}, {"kind": "pad", "seen": {}}],
        "merchant": {"name": "Bakery", "country": "FR"}, "channel": "watch", "note": "by hand"});
    vec![
        (older_payment(), older(0, "1.10")),
        (
            payment(),
            with(
                older(1, "2.20"),
                json!({"channel": "online", "merchant": {"country": "DE"}}),
            ),
        ),
        (newer_payment(), with(older(2, "3.30"), newer)),
        (older_payment(), older(3, "-0.01")),
        (
            newer_payment(),
            with(older(4, "1000000.00"), json!({"merchant": null, "channel": "online"})),
        ),
    ]
}

fn label_records() -> Records {
    let label_of =
        |n: u64, fraud: bool| json!({"id": format!("tx-{n}"), "card": "c", "fraud": fraud, "known_at": TIME + 5_000});
    vec![
        (older_label(), label_of(0, true)),
        (label(), with(label_of(1, false), json!({"confidence": 0.25}))),
        (
            newer_label(),
            with(label_of(2, true), json!({"confidence": 0.5, "source": "call"})),
        ),
    ]
}

#[test]
fn evolved_schemas_are_read_and_decisions_are_read_back() {
    let (brokers, registry, name) = (brokers(), registry(), unique("python"));
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let text = PIPELINE
        .replace("NAME", &name)
        .replace("REGISTRY", &registry)
        .replace("BROKERS", &brokers);
    std::fs::write(path("pipeline.yaml"), text).unwrap();
    std::fs::write(path("payment.avsc"), payment().to_string()).unwrap();
    std::fs::write(path("label.avsc"), label().to_string()).unwrap();
    create_topics_of(&path("pipeline.yaml"), 2, &[]);
    let (transactions, labels, decisions) = (
        format!("{name}-transactions"),
        format!("{name}-labels"),
        format!("{name}-decisions"),
    );

    let (written, labelled) = (payment_records(), label_records());
    let line = |topic: &str, (schema, value): &(Value, Value)| {
        json!({"topic": topic, "key": "c", "schema": schema, "value": value}).to_string() + "\n"
    };
    let send = |topic: &str, records: &[(Value, Value)]| {
        let lines: String = records.iter().map(|record| line(topic, record)).collect();
        client(&["write", &brokers, &registry], &lines);
    };

    let mut service = Service::start(&path("pipeline.yaml"), &path("state"), &path("log"), &[], &[]);
    service.wait_until_ready();
    send(&transactions, &written);
    let mut reader = Reader::new(&brokers, &decisions);
    reader.wait_for(written.len(), || service.check_running());
    // The last payment is written once the labels are read.
    send(&labels, &labelled);
    let counted = format!("riskstream_records_total{{topic=\"{labels}\"}} {}", labelled.len());
    wait_for("the labels", || {
        let (_, metrics) = service.get("/metrics")?;
        metrics.contains(&counted).then_some(())
    });
    send(
        &transactions,
        &[(
            payment(),
            with(
                older(10, "0.05"),
                json!({"channel": "online", "merchant": {"country": "DE"}}),
            ),
        )],
    );
    reader.wait_for(1, || service.check_running());
    service.end();

    check_decisions(&client(&["read", &brokers, &registry, &decisions], ""), &name);
    delete_topics(&brokers, &name);
}

/// Checks the decisions that the Python client read, one a line.
fn check_decisions(lines: &str, name: &str) {
    let found: BTreeMap<String, Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|decision| (decision["event_id"].as_str().unwrap().to_owned(), decision))
        .collect();
    assert_eq!(found.len(), payment_records().len() + 1, "{lines}");
    #[rustfmt::skip]
    let expected = [
        ("tx-0", json!({"payments": 1, "spent": 1.1, "online": 0, "countries": 0, "frauds": 0.0, "certain": 0})),
        ("tx-1", json!({"payments": 2, "spent": 3.3, "online": 1, "countries": 1, "frauds": 0.0, "certain": 0})),
        ("tx-2", json!({"payments": 3, "spent": 6.6, "online": 1, "countries": 2, "frauds": 0.0, "certain": 0})),
        ("tx-3", json!({"payments": 4, "spent": 6.59, "online": 1, "countries": 2, "frauds": 0.0, "certain": 0})),
        ("tx-4", json!({"payments": 5, "spent": 1_000_006.59, "online": 2, "countries": 2, "frauds": 0.0, "certain": 0})),
        ("tx-10", json!({"payments": 6, "spent": 1_000_006.64, "online": 3, "countries": 2, "frauds": 2.0, "certain": 2})),
    ];
    for (id, features) in expected {
        let decision = &found[id];
        assert_eq!(decision["features"], features, "{id}");
        assert_eq!(decision["pipeline"], json!(name), "{id}");
        assert_eq!(decision["entities"], json!({"card": "c"}), "{id}");
        assert_eq!(
            decision["outcome"],
            if id == "tx-10" { "decline" } else { "approve" },
            "{id}"
        );
    }
    let last = &found["tx-10"];
    assert_eq!(last["reasons"][0]["code"], "R7");
    assert_eq!(last["reasons"].as_array().map(Vec::len), Some(1));
    assert_eq!(last["attributes"], json!({"queue": "fraud"}));
    assert_eq!(last["shadow_rules"][0]["code"], "R8");
    assert_eq!(found["tx-0"]["shadow_rules"], json!([]));
    // As Python writes a datetime.
    assert_eq!(last["event_time"], "2026-01-01 00:00:10+00:00");
}

const ALERTS: &str = "
name: NAME
inputs:
  transactions:
    topic: NAME-payments
    key: card
    id: id
    event_time: time
    fields: {id: text, time: timestamp, card: text, amount: float}
entities: {card: {key: card}}
features: {payments: {entity: card, count: transactions, window: 1d}}
outcomes: [approve, challenge, review, decline]
rules:
  - {name: second, when: payments == 2, then: challenge, set: {challenge_type: sms}}
  - {name: third, when: payments == 3, then: decline}
outputs:
  decisions: NAME-decisions
  dead_letters: NAME-dead-letters
  format: avro_plain
  alerts: {topic: NAME-alerts, when: 'outcome in [\"challenge\", \"decline\"]'}
kafka: {brokers: \"BROKERS\"}
";

#[test]
fn alerts_are_read_with_the_printed_schema() {
    let (brokers, name) = (brokers(), unique("alerts"));
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let pipeline = path("pipeline.yaml");
    std::fs::write(&pipeline, ALERTS.replace("NAME", &name).replace("BROKERS", &brokers)).unwrap();
    create_topics_of(&pipeline, 2, &[]);
    let arguments = ["check", pipeline.to_str().unwrap(), "--decision-schema", "avro"];
    let (code, schema, errors) = run(&arguments, &[]);
    assert_eq!(code, Some(0), "{errors}");
    std::fs::write(path("decision.avsc"), schema).unwrap();
    let writer = Writer::new(&brokers);
    for n in 0..4 {
        let payment = json!({"id": format!("tx-{n}"), "time": TIME + n * 1_000, "card": "c", "amount": 1.5});
        writer.send(
            &format!("{name}-payments"),
            Some(b"c"),
            Some(payment.to_string().as_bytes()),
        );
    }
    writer.flush();
    let mut service = Service::start(&pipeline, &path("state"), &path("log"), &[], &[]);
    let mut reader = Reader::new(&brokers, &format!("{name}-decisions"));
    reader.wait_for(4, || service.check_running());
    service.end();
    let schema = path("decision.avsc");
    let lines = client(
        &[
            "read_plain",
            &brokers,
            schema.to_str().unwrap(),
            &format!("{name}-alerts"),
        ],
        "",
    );
    let alerts: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<[&Value; 3]> = alerts
        .iter()
        .map(|alert| [&alert["event_id"], &alert["outcome"], &alert["reasons"][0]["outcome"]])
        .collect();
    assert_eq!(
        found,
        [["tx-1", "challenge", "challenge"], ["tx-2", "decline", "decline"]]
    );
    assert_eq!(alerts[0]["attributes"], json!({"challenge_type": "sms"}));
    delete_topics(&brokers, &name);
}

const CHANGES: &str = "
name: NAME
inputs:
  transactions:
    topic: NAME-payments
    format: avro
    envelope: debezium
    where: op in ['c', 'r']
    key: customer
    id: id
    event_time: created_at
    fields: {id: int, customer: text, amount: float, fee: float, created_at: timestamp}
entities: {customer: {key: customer}}
features:
  payments: {entity: customer, count: transactions, window: 1d}
  spent: {entity: customer, sum: amount, window: 1d, precision: 0.01}
  fees: {entity: customer, sum: fee, window: 1d}
  gap: {entity: customer, time_since_last: transactions}
outputs: {decisions: NAME-decisions, dead_letters: NAME-dead-letters}
registry: {url: \"REGISTRY\"}
kafka: {brokers: \"BROKERS\"}
";

/// A change event with the schema of PostgreSQL's connector.
fn change(operation: &str, before: Value, after: Value) -> Value {
    let source = json!({"version": "3.0.5.Final", "connector": "postgresql", "name": "dbserver1", "ts_ms": TIME,
        "snapshot": "false", "db": "shop", "sequence": null, "schema": "public", "table": "payments", "txId": 555,
        "lsn": 24_023_128, "xmin": null});
    json!({"before": before, "after": after, "source": source, "op": operation, "ts_ms": TIME, "transaction": null})
}

/// A row of the table: payment `n`, `n` seconds after the first.
fn table_row(n: u64, amount: &str, fee: Value) -> Value {
    json!({"id": n, "customer": "C", "status": "open", "amount": {"decimal": amount}, "fee": fee, "tax": null,
        "created_at": (TIME + n * 1_000) * 1_000, "booked_at": null, "value_date": null, "sent_at": null})
}

#[test]
fn changes_of_debezium_are_events() {
    let (brokers, registry, name) = (brokers(), registry(), unique("debezium"));
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let text = CHANGES
        .replace("NAME", &name)
        .replace("REGISTRY", &registry)
        .replace("BROKERS", &brokers);
    std::fs::write(path("pipeline.yaml"), text).unwrap();
    create_topics_of(&path("pipeline.yaml"), 1, &[]);

    let schema: Value = serde_json::from_str(include_str!("../../events/tests/codecs/debezium.avsc")).unwrap();
    let fee = json!({"scale": 3, "value": {"bytes": "7d"}});
    let (first, second) = (table_row(1, "12.34", fee), table_row(2, "5.66", Value::Null));
    let events = [
        change("r", Value::Null, first.clone()),
        change("u", first.clone(), first.clone()),
        change("c", Value::Null, second),
        change("d", first, Value::Null),
        Value::Null,
        change("c", Value::Null, table_row(3, "-1.00", Value::Null)),
    ];
    let line = |value: &Value| {
        json!({"topic": format!("{name}-payments"), "key": "C", "schema": schema, "value": value}).to_string() + "\n"
    };
    client(
        &["write", &brokers, &registry],
        &events.iter().map(line).collect::<String>(),
    );

    let mut service = Service::start(&path("pipeline.yaml"), &path("state"), &path("log"), &[], &[]);
    service.wait_until_ready();
    let mut reader = Reader::new(&brokers, &format!("{name}-decisions"));
    reader.wait_for(3, || service.check_running());
    service.end();
    read_all(&brokers, &format!("{name}-dead-letters"), |letter| panic!("{letter:?}"));
    let mut found = Vec::new();
    read_all(&brokers, &format!("{name}-decisions"), |message| {
        let decision: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        found.push(decision["features"].clone());
    });
    assert_eq!(
        found,
        [
            json!({"payments": 1, "spent": 12.34, "fees": 0.125, "gap": null}),
            json!({"payments": 2, "spent": 18.0, "fees": 0.125, "gap": 1.0}),
            json!({"payments": 3, "spent": 17.0, "fees": 0.125, "gap": 1.0}),
        ]
    );
    delete_topics(&brokers, &name);
}
