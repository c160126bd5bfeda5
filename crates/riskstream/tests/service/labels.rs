//! Labels that are in their topic before the transactions.

use crate::support::kafka::{Reader, Writer, brokers, create_topic, create_topics_of, delete_topics, read_all};
use crate::support::process::{Service, wait_for};
use crate::support::unique;
use rdkafka::message::Message;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const PAYMENTS: u64 = 300;
const CARDS: u64 = 7;
const SHOPS: u64 = 3;
/// Minutes after a payment at which its label is known.
const KNOWN_AFTER: u64 = 10;

fn pipeline(directory: &Path, name: &str, brokers: &str) -> PathBuf {
    let path = directory.join("pipeline.yaml");
    let text = format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, card: text, shop: text}}
  labels:
    topic: {name}-labels
    id: id
    event_time: known_at
    fields: {{id: text, card: text, fraud: bool, known_at: timestamp}}
entities: {{card: {{key: card, lateness: 1m}}, shop: {{key: shop, lateness: 1m}}}}
features:
  card_payments: {{entity: card, count: transactions, window: 7d}}
  shop_payments: {{entity: shop, count: transactions, window: 7d}}
  shop_frauds: {{entity: shop, count: labels, window: 7d, when: fraud}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: \"{brokers}\"}}
"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// Milliseconds of a minute.
fn time(minute: u64) -> u64 {
    1_767_225_600_000 + minute * 60_000
}

/// Payment number `n`, at minute `n`: one after the other, cards and shops alternate.
fn payment(n: u64) -> (String, Value) {
    let card = format!("card-{}", n % CARDS);
    let value = json!({"id": format!("p-{n}"), "time": time(n), "card": card, "shop": format!("shop-{}", n % SHOPS)});
    (card, value)
}

/// The label of a payment. Every fourth one was fraud.
fn label(n: u64) -> (String, Value) {
    let card = format!("card-{}", n % CARDS);
    let known_at = time(n + KNOWN_AFTER);
    let value = json!({"id": format!("p-{n}"), "card": card, "fraud": is_fraud(n), "known_at": known_at});
    (card, value)
}

fn is_fraud(n: u64) -> bool {
    n.is_multiple_of(4)
}

/// Checks all features of a decision against a plain count.
fn check(decision: &Value) {
    let n: u64 = decision["event_id"].as_str().unwrap()["p-".len()..].parse().unwrap();
    let of_shop = |other: &u64| other % SHOPS == n % SHOPS;
    let known = |other: &u64| other + KNOWN_AFTER <= n;
    let frauds = (0..n)
        .filter(|other| of_shop(other) && known(other) && is_fraud(*other))
        .count();
    let features = json!({
        "card_payments": n / CARDS + 1,
        "shop_payments": n / SHOPS + 1,
        "shop_frauds": frauds,
    });
    assert_eq!(decision["features"], features, "{decision}");
}

#[test]
fn labels_that_were_written_first_count_from_their_own_time_on() {
    let brokers = brokers();
    let directory = tempfile::tempdir().unwrap();
    let name = unique("labels");
    let file = pipeline(directory.path(), &name, &brokers);
    let topic = |of: &str| format!("{name}-{of}");
    // One partition of payments, so that their order is known. The stages have two partitions each.
    create_topic(&brokers, &topic("transactions"), 1, &[]);
    create_topics_of(&file, 2, &[]);
    let (state, log) = (directory.path().join("state"), directory.path().join("log"));
    let mut service = Service::start(&file, &state, &log, &[], &[]);
    service.wait_until_ready();
    let writer = Writer::new(&brokers);
    let send = |of: &str, records: &mut dyn Iterator<Item = (String, Value)>| {
        for (key, value) in records {
            writer.send(&topic(of), Some(key.as_bytes()), Some(value.to_string().as_bytes()));
        }
        writer.flush();
    };
    send("labels", &mut (0..PAYMENTS).map(label));
    // Their state outlives the process.
    wait_for("labels that wait", || {
        service.check_running();
        (service.metric("riskstream_waiting_labels", "") >= PAYMENTS as f64).then_some(())
    });
    service.end();
    let mut service = Service::start(&file, &state, &log, &[], &[]);
    service.wait_until_ready();
    send("transactions", &mut (0..PAYMENTS).map(payment));
    let mut reader = Reader::new(&brokers, &topic("decisions"));
    reader.wait_for(PAYMENTS as usize, || service.check_running());
    wait_for("no label that waits", || {
        (service.metric("riskstream_waiting_labels", "") == 0.0).then_some(())
    });
    service.end();
    let mut decisions = 0;
    read_all(&brokers, &topic("decisions"), |message| {
        check(&serde_json::from_slice(message.payload().unwrap()).unwrap());
        decisions += 1;
    });
    assert_eq!(decisions, PAYMENTS);
    read_all(&brokers, &topic("dead-letters"), |_| panic!("a dead letter"));
    delete_topics(&brokers, &name);
}
