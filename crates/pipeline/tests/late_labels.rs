//! Labels that come later than an entity's lateness: its features do not count them, and they are counted.

mod compiled;

use compiled::topology;
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use riskstream_pipeline::TestDriver;
use std::collections::BTreeMap;

const PIPELINE: &str = "
name: shop
inputs:
  transactions:
    topic: payments
    key: customer
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, terminal: text}
  labels:
    topic: labels
    key: customer
    id: id
    event_time: known_at
    fields: {id: text, known_at: timestamp, customer: text, terminal: text, fraud: bool}
entities: {customer: {key: customer, lateness: 1d}, terminal: {key: terminal, lateness: 20d}}
features:
  payments: {entity: customer, count: transactions, window: 30d}
  customer_frauds: {entity: customer, sum: fraud, of: labels, window: 30d, empty: 0}
  terminal_frauds: {entity: terminal, sum: fraud, of: labels, window: 30d, empty: 0}
rules: [{name: busy, when: payments > 100, then: review, reason: R1}]
outputs: {decisions: decisions, dead_letters: dead-letters}
";
const OF_CUSTOMER: &str = "  customer_frauds: {entity: customer, sum: fraud, of: labels, window: 30d, empty: 0}\n";

fn driver(text: &str) -> TestDriver {
    TestDriver::new(topology(text, None), 1)
}

/// Payment `id` on this day of March at noon, after which everything is read.
fn pay(driver: &mut TestDriver, id: &str, day: u32) {
    let payment = format!(r#"{{"id":"{id}","customer":"c","terminal":"t","time":"2026-03-{day:02}T12:00:00Z"}}"#);
    driver.send(0, "c", payment.as_bytes(), None);
    driver.run().unwrap();
}

/// Payment `id` was fraud, as became known at this time of March. Everything is read after it.
fn label(driver: &mut TestDriver, id: &str, known_at: &str) {
    let label =
        format!(r#"{{"id":"{id}","customer":"c","terminal":"t","fraud":true,"known_at":"2026-03-{known_at}:00Z"}}"#);
    driver.send(1, "c", label.as_bytes(), None);
    driver.run().unwrap();
}

/// A feature of the last decision.
fn last(driver: &TestDriver, feature: &str) -> FeatureValue {
    let record = driver.decisions().pop().unwrap();
    let decision = OwnedDecisionRecord::from_json(&record.value.unwrap()).unwrap();
    let found = decision.features.into_iter().find(|(name, _)| name == feature);
    found.unwrap().1
}

#[test]
fn a_label_that_comes_too_late_is_counted() {
    let mut driver = driver(PIPELINE);
    for (id, day) in [("a", 1), ("b", 2), ("c", 10)] {
        pay(&mut driver, id, day);
    }
    label(&mut driver, "a", "09T11:59");
    assert_eq!(
        driver.too_late_labels,
        BTreeMap::from([(0, 1)]),
        "one minute more than a day before the newest payment; the terminal's lateness is longer"
    );
    label(&mut driver, "b", "09T12:00");
    assert_eq!(driver.too_late_labels, BTreeMap::from([(0, 1)]));
    pay(&mut driver, "d", 10);
    assert_eq!(last(&driver, "customer_frauds"), FeatureValue::Float(1.0));
    assert_eq!(
        last(&driver, "terminal_frauds"),
        FeatureValue::Float(2.0),
        "whose lateness is longer"
    );
    assert_eq!(driver.dead_letters().len(), 0);
}

#[test]
fn a_label_that_no_feature_of_an_entity_uses_is_not_too_late_for_it() {
    let mut driver = driver(&PIPELINE.replace(OF_CUSTOMER, ""));
    for (id, day) in [("a", 1), ("c", 10)] {
        pay(&mut driver, id, day);
    }
    label(&mut driver, "a", "02T12:00");
    pay(&mut driver, "d", 10);
    assert_eq!(last(&driver, "terminal_frauds"), FeatureValue::Float(1.0));
    assert_eq!(driver.too_late_labels, BTreeMap::new());
}

/// One label too late for the customer alone, and one too late for both.
#[test]
fn each_entity_counts_the_labels_that_are_too_late_for_it() {
    let mut driver = driver(&PIPELINE.replace("lateness: 20d", "lateness: 3d"));
    for (id, day) in [("a", 1), ("b", 2), ("c", 10)] {
        pay(&mut driver, id, day);
    }
    label(&mut driver, "b", "08T12:00");
    label(&mut driver, "a", "02T12:00");
    assert_eq!(driver.too_late_labels, BTreeMap::from([(0, 2), (1, 1)]));
    pay(&mut driver, "d", 10);
    assert_eq!(last(&driver, "terminal_frauds"), FeatureValue::Float(1.0));
}
