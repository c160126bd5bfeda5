//! The whole pipeline on the in-process log, with labels that come before their transactions: the decisions are those of a
//! run in which all events come in the order of their times, also with faults from a seed.

mod catch_up;
mod history;

use catch_up::decisions;
use history::{events, fill};
use riskstream_definition::{Compiled, Style, compile};
use riskstream_events::{OwnedDecisionRecord, dead_letter};
use riskstream_features::state::StateStore;
use riskstream_pipeline::faulty::Faults;
use riskstream_pipeline::{TestDriver, WorkerRole};
use riskstream_simulator::SimulatedEvent;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SECRET: &[u8] = b"a secret for simulated people only";

fn pipelines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines")
}

/// The demo's pipeline, whose labels have the keys of all entities.
fn complete() -> String {
    std::fs::read_to_string(pipelines().join("card-fraud.yaml")).unwrap()
}

/// The same with labels that get the terminal from their transactions.
fn incomplete() -> String {
    let (before, labels) = complete()
        .split_once("  labels:")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let without = labels.replacen("      terminal_id: text\n", "", 1);
    assert_ne!(without, labels);
    format!("{before}  labels:{without}")
}

fn compiled(source: &str) -> Compiled {
    compile("card-fraud.yaml", source, &pipelines(), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)))
}

fn is_transaction(event: &SimulatedEvent) -> bool {
    matches!(event, SimulatedEvent::Transaction(_))
}

/// A driver without a worker, whose clock stands long after the simulated payments. The labels and the stages have so many
/// partitions. The transactions have one, so that their order is the same however they are read.
fn driver(source: &str, partitions: i32) -> TestDriver {
    let topology = Arc::new(compiled(source).json_topology(Some(SECRET)).unwrap());
    let transactions = Arc::clone(&topology.inputs[0].topic);
    let driver = catch_up::driver(topology, partitions);
    driver.broker.create(&transactions, 1);
    driver
}

/// The decisions if all events come in order.
fn in_order(source: &str, events: &[SimulatedEvent]) -> BTreeMap<String, OwnedDecisionRecord> {
    let mut driver = driver(source, 3);
    driver.add_worker();
    fill(&driver, events);
    driver.run().unwrap();
    assert_eq!(driver.dead_letters().len(), 0);
    let decisions = decisions(&driver);
    let frauds = |decision: &&OwnedDecisionRecord| decision.outcome != "approve";
    assert!(decisions.values().filter(frauds).count() > 10);
    decisions
}

fn check(driver: &TestDriver, expected: &BTreeMap<String, OwnedDecisionRecord>, what: &str) {
    assert_eq!(driver.stopped(), []);
    let dead = driver.dead_letters();
    assert_eq!(dead.len(), 0, "{what}: {:?}", dead.first());
    let found = decisions(driver);
    assert_eq!(found.len(), expected.len(), "{what}");
    assert_eq!(driver.decisions().len(), expected.len(), "{what}");
    for (id, decision) in expected {
        assert_eq!(&found[id], decision, "{what}");
    }
    assert_eq!(stored_labels(driver), 0, "{what}");
}

/// Values of waiting labels in the states of the first stage.
fn stored_labels(driver: &TestDriver) -> usize {
    let states = (0..3).filter_map(|partition| driver.stores.state("customer", partition));
    states.map(|state| state.scan(b"w").unwrap().len()).sum()
}

#[test]
fn labels_that_are_loaded_first_change_nothing() {
    let events = events();
    for (source, waits) in [(complete(), false), (incomplete(), true)] {
        let expected = in_order(&source, &events);
        let mut driver = driver(&source, 3);
        driver.add_worker();
        fill(&driver, events.iter().filter(|event| !is_transaction(event)));
        driver.run().unwrap();
        assert_eq!(stored_labels(&driver) > 0, waits);
        fill(&driver, events.iter().filter(|event| is_transaction(event)));
        driver.run().unwrap();
        check(&driver, &expected, if waits { "incomplete" } else { "complete" });
    }
}

/// Half of the transactions come when all labels have been read: some labels are of transactions that are known, some not.
#[test]
fn a_feeder_that_pauses_changes_nothing() {
    let events = events();
    let source = incomplete();
    let expected = in_order(&source, &events);
    let transactions: Vec<&SimulatedEvent> = events.iter().filter(|event| is_transaction(event)).collect();
    let mut driver = driver(&source, 3);
    driver.add_worker();
    let (first, second) = transactions.split_at(transactions.len() / 2);
    fill(&driver, first.iter().copied());
    fill(&driver, events.iter().filter(|event| !is_transaction(event)));
    driver.run().unwrap();
    assert!(stored_labels(&driver) > 0);
    fill(&driver, second.iter().copied());
    driver.run().unwrap();
    check(&driver, &expected, "a pause");
}

#[test]
fn early_labels_survive_faults() {
    let events = events();
    let source = incomplete();
    let expected = in_order(&source, &events);
    let all = [WorkerRole::All; 2];
    let apart = [WorkerRole::Upstream, WorkerRole::Upstream, WorkerRole::Deciding];
    for (seed, workers) in (1..).zip([&all[..], &apart, &apart]) {
        let mut driver = driver(&source, 3);
        driver.set_faults(Faults::of_each_kind(seed * 1000));
        workers.iter().for_each(|role| driver.add_worker_of(*role));
        fill(&driver, events.iter().filter(|event| !is_transaction(event)));
        driver.run().unwrap();
        fill(&driver, events.iter().filter(|event| is_transaction(event)));
        driver.run().unwrap();
        check(&driver, &expected, &format!("seed {seed}, {workers:?}"));
    }
}

#[test]
fn state_that_is_lost_with_waiting_labels_is_built_again() {
    let events = events();
    let source = incomplete();
    let expected = in_order(&source, &events);
    let mut driver = driver(&source, 3);
    driver.add_worker();
    fill(&driver, events.iter().filter(|event| !is_transaction(event)));
    driver.run().unwrap();
    let transactions: Vec<&SimulatedEvent> = events.iter().filter(|event| is_transaction(event)).collect();
    let (first, second) = transactions.split_at(transactions.len() / 3);
    fill(&driver, first.iter().copied());
    driver.run().unwrap();
    let before = stored_labels(&driver);
    driver.kill_worker(0);
    driver.stores.lose();
    driver.add_worker();
    driver.run().unwrap();
    assert_eq!(stored_labels(&driver), before);
    fill(&driver, second.iter().copied());
    driver.run().unwrap();
    check(&driver, &expected, "lost state");
}

/// A label of no transaction is one dead letter, once stream time is later than it may wait.
#[test]
fn a_label_of_no_transaction_is_a_dead_letter_when_its_time_is_over() {
    let source = incomplete().replacen("    topic: labels\n", "    topic: labels\n    arrives_within: 2d\n", 1);
    let events = events();
    let mut driver = driver(&source, 3);
    driver.add_worker();
    let label = events.iter().find(|event| !is_transaction(event)).unwrap();
    let mut unknown = serde_json::to_value(label).unwrap();
    unknown["transaction_id"] = "nobody knows".into();
    driver.send(1, label.customer_id(), unknown.to_string().as_bytes(), None);
    fill(&driver, &events);
    driver.run().unwrap();
    let dead = driver.dead_letters();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].key.as_deref(), Some(&b"nobody knows"[..]));
    let mut reasons = dead[0]
        .headers
        .iter()
        .filter(|(name, _)| &**name == dead_letter::REASON);
    assert_eq!(
        reasons.next().map(|(_, reason)| &**reason),
        Some(&b"unknown_transaction"[..])
    );
    assert_eq!(stored_labels(&driver), 0);
    assert_eq!(decisions(&driver), in_order(&source, &events));
}
