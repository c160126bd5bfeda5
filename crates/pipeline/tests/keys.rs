//! A topic that the first stage reads itself, as `key:` says that it is keyed by the stage's entity, and that is keyed by
//! something else. Features are then wrong; it is said, or nothing is decided.

mod compiled;

use compiled::topology;
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use riskstream_pipeline::TestDriver;

const KEYED: &str = "
name: shop
inputs:
  transactions:
    topic: payments
    key: customer
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text}
entities: {customer: {key: customer}}
features: {payments: {entity: customer, count: transactions, window: 30d}}
rules: [{name: busy, when: payments > 100, then: review, reason: R1}]
outputs: {decisions: decisions, dead_letters: dead-letters}
";
const PAYMENTS: usize = 20;

fn with(addition: &str) -> String {
    KEYED.replace("    key: customer\n", addition)
}

fn driver(text: &str, partitions: i32) -> TestDriver {
    TestDriver::new(topology(text, Some(b"secret")), partitions)
}

/// Payment number `n` of the only customer, with this key of the record.
fn pay(driver: &TestDriver, n: usize, key: &str) {
    let value = format!(r#"{{"id":"p{n}","customer":"c","time":"2026-03-14T12:{n:02}:00Z"}}"#);
    driver.send(0, key, value.as_bytes(), None);
}

/// How many payments the decisions counted, in order.
fn counts(driver: &TestDriver) -> Vec<i64> {
    let count = |value: &[u8]| {
        let decision = OwnedDecisionRecord::from_json(value).unwrap();
        match decision.features.iter().find(|(name, _)| *name == "payments") {
            Some((_, FeatureValue::Int(count))) => *count,
            other => panic!("{other:?}"),
        }
    };
    let records = driver.decisions();
    let mut counts: Vec<i64> = records
        .iter()
        .map(|record| count(record.value.as_ref().unwrap()))
        .collect();
    counts.sort_unstable();
    counts
}

fn all() -> Vec<i64> {
    (1..=PAYMENTS as i64).collect()
}

#[test]
fn other_keys_are_counted() {
    let keyed_by_id = |text: &str, partitions| {
        let mut driver = driver(text, partitions);
        (0..PAYMENTS).for_each(|n| pay(&driver, n, &format!("p{n}")));
        driver.run().unwrap();
        driver
    };
    for text in [
        KEYED.to_owned(),
        KEYED.replace("customer: text", "customer: {type: text, personal: true}")
            + "personal_data: {key_env: SECRET}\n",
    ] {
        let driver = keyed_by_id(&text, 4);
        assert_eq!(driver.key_mismatches, PAYMENTS as u64);
        assert!(
            *counts(&driver).last().unwrap() < 10,
            "20 is right, no partition knows it"
        );
        assert_eq!(driver.stopped(), []);
    }
    // The same records where keys do not matter: one partition has all of them, or an ingest stage sorts them.
    for (text, partitions) in [(KEYED.to_owned(), 1), (with(""), 4)] {
        let driver = keyed_by_id(&text, partitions);
        assert_eq!((driver.key_mismatches, counts(&driver)), (0, all()));
    }
}

#[test]
fn keys_of_the_field_are_not() {
    let personal = KEYED.replace("customer: text", "customer: {type: text, personal: true}")
        + "personal_data: {key_env: SECRET}\n";
    let stopping = with("    key: customer\n    on_key_mismatch: stop\n");
    for text in [KEYED, &personal, &stopping] {
        for key in ["c", "\"c\"", "{\"customer\":\"c\"}", "\0\0\0\0\u{7}\u{2}c"] {
            let mut driver = driver(text, 4);
            (0..PAYMENTS).for_each(|n| pay(&driver, n, key));
            driver.run().unwrap();
            assert_eq!((driver.key_mismatches, counts(&driver)), (0, all()), "{key:?}");
        }
    }
}

#[test]
fn a_partition_stops_before_another_key_if_the_file_says_so() {
    let mut driver = driver(&with("    key: customer\n    on_key_mismatch: stop\n"), 4);
    (0..5).for_each(|n| pay(&driver, n, "c"));
    (5..PAYMENTS).for_each(|n| pay(&driver, n, &format!("p{n}")));
    for _ in 0..20 {
        driver.round().unwrap();
    }
    let decided = counts(&driver);
    assert_eq!(
        decided,
        [1, 2, 3, 4, 5],
        "what has the right key is decided on the right counts"
    );
    let stopped = driver.stopped();
    assert!(stopped.len() > 1, "{stopped:?}");
    for stopped in stopped {
        let reason = stopped.reason;
        assert!(reason.contains(", record at offset "), "{reason}");
        assert!(
            reason.contains("its Kafka key is not the value of `customer`"),
            "{reason}"
        );
        assert!(reason.contains("`on_key_mismatch: warn` goes on"), "{reason}");
        assert!(!reason.contains("p5"), "{reason}");
    }
}
