//! A topic that the first stage reads itself, as `key:` says that it is keyed by the stage's entity, and that is keyed by
//! something else. Features are then wrong; it is said, or nothing is decided.

mod compiled;
mod keyed;

use compiled::topology;
use keyed::{KEYED, with_repartition};
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use riskstream_pipeline::TestDriver;

const PAYMENTS: usize = 20;

fn stopping() -> String {
    KEYED.replace("    key: customer\n", "    key: customer\n    on_key_mismatch: stop\n")
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
    for (text, partitions) in [(KEYED.to_owned(), 1), (with_repartition(), 4)] {
        let driver = keyed_by_id(&text, partitions);
        assert_eq!((driver.key_mismatches, counts(&driver)), (0, all()));
    }
}

#[test]
fn keys_of_the_field_are_not() {
    let personal = KEYED.replace("customer: text", "customer: {type: text, personal: true}")
        + "personal_data: {key_env: SECRET}\n";
    for text in [KEYED, &personal, &stopping()] {
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
    let mut driver = driver(&stopping(), 4);
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
    assert_eq!(driver.key_mismatches, stopped.len() as u64, "one for each partition");
    for stopped in stopped {
        let reason = stopped.reason;
        assert!(reason.detail.starts_with("record at offset "), "{reason}");
        assert!(
            reason.detail.contains("its Kafka key is not the value of `customer`"),
            "{reason}"
        );
        assert!(
            reason
                .detail
                .contains("with `on_key_mismatch: warn` they are decided on features that may be wrong"),
            "{reason}"
        );
        assert!(
            reason
                .detail
                .contains("remove `key:` and give the pipeline another name"),
            "{reason}"
        );
        assert!(!reason.detail.contains("p5"), "{reason}");
    }
}

/// The ways out that the reason names.
#[test]
fn what_a_stopped_partition_holds_is_read_with_warn_or_under_another_name() {
    let another_name = with_repartition().replace("name: shop", "name: shop2");
    for (way_out, is_right) in [(KEYED, false), (&another_name, true)] {
        let mut driver = driver(&stopping(), 4);
        (0..PAYMENTS).for_each(|n| pay(&driver, n, &format!("p{n}")));
        for _ in 0..20 {
            driver.round().unwrap();
        }
        assert_eq!(counts(&driver).len(), 0);
        if is_right {
            driver.broker.forget_positions();
            driver.stores.lose();
        }
        driver.change(topology(way_out, None));
        driver.run().unwrap();
        assert_eq!(driver.stopped(), []);
        let counts = counts(&driver);
        assert_eq!((counts.len(), counts == all()), (PAYMENTS, is_right));
    }
}
