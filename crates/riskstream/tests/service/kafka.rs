//! The whole way on a real Kafka: topics, two copies, decisions, dead letters, metrics, the end and a restart.

use crate::process::{DEADLINE, Service, run, wait_for};
use crate::registry::unique;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Kafka's address.
fn brokers() -> String {
    std::env::var("KAFKA_BOOTSTRAP_SERVERS")
        .expect("this test needs a Kafka: export KAFKA_BOOTSTRAP_SERVERS=$(scripts/kafka start)")
}

/// A pipeline of two stages with topics of its own.
fn pipeline(directory: &Path, name: &str, brokers: &str) -> PathBuf {
    let path = directory.join("pipeline.yaml");
    let text = format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    key: card
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, card: text, shop: text, amount: float}}
entities: {{card: {{key: card}}, shop: {{key: shop}}}}
features:
  card_payments: {{entity: card, count: transactions, window: 1d}}
  card_spent: {{entity: card, sum: amount, window: 1d}}
  shop_payments: {{entity: shop, count: transactions, window: 1d}}
decision: {{review: card_payments > 20, decline: card_payments > 40}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: \"{brokers}\"}}
"
    );
    std::fs::write(&path, text).unwrap();
    path
}

const CARDS: u64 = 37;

/// Transaction number `n`: one a second, cards in turn, so that each card's k-th payment is known.
fn transaction(n: u64) -> (String, Value) {
    let card = format!("card-{}", n % CARDS);
    let time = 1_767_225_600_000_u64 + n * 1_000;
    let value =
        json!({"id": format!("tx-{n}"), "time": time, "card": card, "shop": format!("shop-{}", n % 11), "amount": 2.5});
    (card, value)
}

fn produce(brokers: &str, topic: &str, records: impl Iterator<Item = (String, Vec<u8>)>) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    for (key, value) in records {
        let record = BaseRecord::to(topic).key(&key).payload(&value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(DEADLINE).unwrap();
}

fn produce_transactions(brokers: &str, topic: &str, numbers: std::ops::Range<u64>) {
    produce(
        brokers,
        topic,
        numbers
            .map(transaction)
            .map(|(key, value)| (key, value.to_string().into_bytes())),
    );
}

/// A reader of committed records, from the beginning.
fn reader(brokers: &str, topic: &str) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", unique("reader"))
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    consumer
}

/// Reads decisions until there are `count`, and then for a moment longer whether more come than should.
fn decisions(consumer: &BaseConsumer, count: usize, found: &mut Vec<Value>) {
    let deadline = Instant::now() + DEADLINE;
    while found.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} decisions came", found.len());
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            found.push(serde_json::from_slice(message.unwrap().payload().unwrap()).unwrap());
        }
    }
    if let Some(message) = consumer.poll(Duration::from_millis(500)) {
        let more = String::from_utf8_lossy(message.unwrap().payload().unwrap()).into_owned();
        panic!("more than {count} decisions: {more}");
    }
}

/// Every transaction once, each with its card's exact number of payments.
fn check(decisions: &[Value], transactions: u64) {
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    for decision in decisions {
        let id: u64 = decision["event_id"].as_str().unwrap()["tx-".len()..].parse().unwrap();
        *seen.entry(id).or_default() += 1;
        let payments = id / CARDS + 1;
        assert_eq!(decision["features"]["card_payments"], json!(payments), "{decision}");
        assert_eq!(
            decision["features"]["card_spent"],
            json!(2.5 * payments as f64),
            "{decision}"
        );
        let expected = if payments > 40 {
            "decline"
        } else if payments > 20 {
            "review"
        } else {
            "approve"
        };
        assert_eq!(decision["outcome"], expected, "{decision}");
    }
    let expected: BTreeMap<u64, u64> = (0..transactions).map(|id| (id, 1)).collect();
    assert_eq!(seen, expected);
}

#[test]
fn two_copies_share_the_work_and_hand_it_over() {
    let brokers = brokers();
    let directory = tempfile::tempdir().unwrap();
    let name = unique("service");
    let file = pipeline(directory.path(), &name, &brokers);
    let file_name = file.to_str().unwrap();
    let state = directory.path().join("state");
    let transactions = format!("{name}-transactions");

    // Before the topics are there: shown, and named by a run that ends.
    let (code, table, errors) = run(&["topics", file_name]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(
        table.lines().filter(|line| line.ends_with("  missing")).count(),
        4,
        "{table}"
    );
    let (code, _, errors) = run(&[
        "run",
        file_name,
        "--state-dir",
        state.to_str().unwrap(),
        "--http",
        "127.0.0.1:0",
    ]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(
        errors.contains("4 topics are missing") && errors.contains(&format!("riskstream topics create {file_name}")),
        "{errors}"
    );

    let (code, created, errors) = run(&[
        "topics",
        "create",
        file_name,
        "--partitions",
        "4",
        "--replication-factor",
        "1",
    ]);
    assert_eq!((code, created.matches("created ").count()), (Some(0), 4), "{errors}");
    let (code, table, _) = run(&["topics", file_name]);
    assert_eq!((code, table.matches("  exists").count()), (Some(0), 4), "{table}");

    // A first part is there beforehand, then two copies start that share a state directory.
    produce_transactions(&brokers, &transactions, 0..1_000);
    produce(
        &brokers,
        &transactions,
        [("card-0".to_owned(), b"{\"id\": ".to_vec())].into_iter(),
    );
    let mut first = Service::start(&file, &state, &["--workers", "2"]);
    first.wait_until_ready();
    let mut second = Service::start(&file, &state, &[]);
    second.wait_until_ready();
    wait_for("a share for both copies", || {
        let (first, second) = (first.partitions(), second.partitions());
        (first + second == 8 && first > 0 && second > 0).then_some(())
    });
    produce_transactions(&brokers, &transactions, 1_000..1_500);
    let consumer = reader(&brokers, &format!("{name}-decisions"));
    let mut found = Vec::new();
    decisions(&consumer, 1_500, &mut found);
    check(&found, 1_500);

    // What is told agrees with what was done.
    let total = |metric: &str, label: &str| first.metric(metric, label) + second.metric(metric, label);
    assert_eq!(total("riskstream_decisions_total", "outcome="), 1_500.0);
    assert_eq!(total("riskstream_dead_letters_total", "reason=\"not_json\""), 1.0);
    assert_eq!(total("riskstream_records_total", &transactions), 1_501.0);
    assert_eq!(total("riskstream_decision_latency_seconds_count", ""), 1_500.0);
    assert!(total("riskstream_rebalances_total", "") >= 2.0);
    let dead_letters = reader(&brokers, &format!("{name}-dead-letters"));
    let dead = wait_for("the dead letter", || {
        let message = dead_letters.poll(Duration::from_secs(1))?.unwrap();
        let headers: HashMap<String, String> = message
            .headers()?
            .iter()
            .map(|header| {
                (
                    header.key.to_owned(),
                    String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned(),
                )
            })
            .collect();
        Some((headers, message.payload()?.to_vec()))
    });
    assert_eq!(dead.0["riskstream.reason"], "not_json");
    assert_eq!(dead.1, b"{\"id\": ");

    // One copy is told to end and the other takes over with the state that it finds.
    first.terminate();
    assert_eq!(first.wait().code(), Some(0));
    produce_transactions(&brokers, &transactions, 1_500..1_700);
    decisions(&consumer, 1_700, &mut found);
    check(&found, 1_700);
    assert_eq!(second.partitions(), 8);

    // The other is killed; its successor ends what it left open and goes on.
    second.kill();
    produce_transactions(&brokers, &transactions, 1_700..1_800);
    let mut third = Service::start(&file, &state, &[]);
    third.wait_until_ready();
    decisions(&consumer, 1_800, &mut found);
    check(&found, 1_800);
    third.terminate();
    assert_eq!(third.wait().code(), Some(0));
}
