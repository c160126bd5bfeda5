//! Lists that change on the in-process log: each decision sees the version that it names, a partition goes from one version to
//! the next at one place of its log, and whoever decides the same log again comes to the same.

use riskstream_definition::{Compiled, Style, compile};
use riskstream_events::OwnedDecisionRecord;
use riskstream_lists::{Entry, EntryChange, History, ListSet, ListVersion};
use riskstream_pipeline::faulty::Faults;
use riskstream_pipeline::{TestDriver, Topology};
use std::path::Path;
use std::sync::Arc;

const PIPELINE: &str = "
name: shop
inputs:
  transactions:
    topic: transactions
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text}
entities: {customer: {key: customer}}
features:
  payments: {entity: customer, count: transactions, window: 1d}
lists: {blocked: {key: customer, topic: blocked}}
rules:
  - {name: blocked, when: customer in blocked, then: decline}
  - {name: known, when: 'blocked[customer].value == string(payments)', then: review}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

const CUSTOMERS: usize = 10;

fn pipeline() -> Compiled {
    compile("shop.yaml", PIPELINE, Path::new("."), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)))
}

fn topology() -> Arc<Topology> {
    Arc::new(pipeline().json_topology(None).unwrap())
}

/// The record of the list at an offset: adds a customer, and removes it with the next record for it.
fn change(offset: i64) -> EntryChange {
    let is_addition = (offset / CUSTOMERS as i64) % 2 == 0;
    EntryChange {
        key: format!("c{}", offset * 3 % CUSTOMERS as i64).into(),
        entry: is_addition.then(|| Entry {
            value: Some("3".into()),
            ..Entry::default()
        }),
    }
}

/// Whether a customer is blocked in the version that holds the records before `offset`.
fn is_blocked(customer: &str, offset: i64) -> bool {
    let last = (0..offset).rev().find(|at| change(*at).key == customer);
    last.is_some_and(|at| change(at).entry.is_some())
}

fn version(end: i64) -> ListSet {
    let mut history = History::default();
    history.extend((0..end).map(|offset| (offset, change(offset).into())).collect(), end);
    ListSet::new(vec![ListVersion {
        topic: "blocked".into(),
        offset: Some(end),
        content: history.newest().clone(),
    }])
}

fn pay(driver: &TestDriver, first: usize, count: usize) {
    for number in first..first + count {
        let customer = format!("c{}", number % CUSTOMERS);
        let time = 1_767_225_600_000 + number as u64 * 1000;
        let record = format!(r#"{{"id":"t{number}","time":{time},"customer":"{customer}"}}"#);
        driver.send(0, &customer, record.as_bytes(), None);
    }
}

fn decisions(driver: &TestDriver) -> Vec<OwnedDecisionRecord> {
    let records = driver.decisions().into_iter();
    let read = records.map(|record| OwnedDecisionRecord::from_json(&record.value.unwrap()).unwrap());
    read.map(|decision| OwnedDecisionRecord {
        latency: None,
        ..decision
    })
    .collect()
}

fn offset(decision: &OwnedDecisionRecord) -> i64 {
    let [(list, offset)] = decision.lists.as_slice() else {
        panic!("{:?}", decision.lists)
    };
    assert_eq!(list, "blocked");
    *offset
}

/// Each decision is what the version that it names says.
#[track_caller]
fn check(decisions: &[OwnedDecisionRecord], count: usize) {
    assert_eq!(decisions.len(), count);
    for decision in decisions {
        let blocked = is_blocked(decision.entity("customer").unwrap(), offset(decision));
        let expected = if blocked { "decline" } else { "approve" };
        assert_eq!(decision.outcome, expected, "{decision:?}");
    }
}

#[test]
fn an_entry_counts_from_one_place_of_each_log_on() {
    let mut driver = TestDriver::new(topology(), 3);
    driver.lists.put(version(0));
    driver.run().unwrap();
    pay(&driver, 0, 100);
    driver.run().unwrap();
    driver.lists.put(version(7));
    driver.run().unwrap();
    pay(&driver, 100, 100);
    driver.run().unwrap();
    driver.lists.put(version(13));
    driver.run().unwrap();
    pay(&driver, 200, 100);
    driver.run().unwrap();
    let decisions = decisions(&driver);
    check(&decisions, 300);
    for decision in &decisions {
        let number: usize = decision.event_id[1..].parse().unwrap();
        assert_eq!(offset(decision), [0, 7, 13][number / 100], "{}", decision.event_id);
    }
    assert!(decisions.iter().any(|decision| decision.outcome == "decline"));
}

/// A task that has no version yet decides with the newest one, not with an empty list.
#[test]
fn the_first_decision_sees_the_entries_that_exist() {
    let mut driver = TestDriver::new(topology(), 1);
    pay(&driver, 0, 20);
    for _ in 0..10 {
        driver.round().unwrap();
    }
    assert_eq!(decisions(&driver).len(), 0, "it waits for the lists");
    driver.lists.put(version(10));
    driver.run().unwrap();
    let decisions = decisions(&driver);
    check(&decisions, 20);
    assert!(
        decisions
            .iter()
            .all(|decision| offset(decision) == 10 && decision.outcome == "decline")
    );
}

/// Aborts, crashes and rebalances around changes of the list: each payment is decided once, by one version after the other.
#[test]
fn faults_neither_double_nor_mix_and_a_replay_finds_every_change_where_it_was() {
    for seed in 0..6 {
        let mut driver = TestDriver::new(topology(), 1);
        driver.set_faults(Faults::of_each_kind(seed * 100));
        driver.kill_worker(0);
        driver.lists.put(version(0));
        driver.add_worker();
        driver.add_worker();
        driver.run().unwrap();
        for part in 0..8 {
            driver.lists.put(version(part as i64 * 4 + 1));
            pay(&driver, part * 50, 50);
            for _ in 0..3 {
                driver.round().unwrap();
            }
        }
        driver.run().unwrap();
        let original = decisions(&driver);
        check(&original, 400);
        let offsets: Vec<i64> = original.iter().map(offset).collect();
        assert!(offsets.is_sorted(), "seed {seed}: {offsets:?}");
        assert!(offsets.last() > offsets.first(), "seed {seed}: {offsets:?}");
        assert_eq!(replayed(&driver), original, "seed {seed}");
    }
}

/// Decides again what lies in the repartition topic, with all versions ready from the beginning.
fn replayed(original: &TestDriver) -> Vec<OwnedDecisionRecord> {
    let topology = topology();
    let mut driver = TestDriver::new(topology.clone(), 1);
    for part in 0..8 {
        driver.lists.put(version(part * 4 + 1));
    }
    // The newest version is that of the first notice: decisions begin with it.
    driver.lists.put(version(0));
    let repartition_topic = topology.repartition_topics[0].as_ref().unwrap();
    for record in original.broker.all_records(repartition_topic) {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        driver.broker.produce(repartition_topic, key, value, record.timestamp);
    }
    driver.run().unwrap();
    decisions(&driver)
}

/// A copy that continues needs the version in force. It decides nothing with another one: it waits and says why.
#[test]
fn a_partition_that_is_taken_over_goes_on_with_the_version_in_force() {
    let mut driver = TestDriver::new(topology(), 1);
    driver.lists.put(version(5));
    driver.run().unwrap();
    pay(&driver, 0, 20);
    driver.run().unwrap();
    driver.kill_worker(0);
    let ready = std::mem::take(&mut driver.lists);
    driver.lists.put(version(3));
    driver.add_worker();
    pay(&driver, 20, 20);
    for _ in 0..10 {
        driver.round().unwrap();
    }
    check(&decisions(&driver), 20);
    driver.kill_worker(0);
    driver.lists = ready;
    driver.lists.put(version(9));
    driver.add_worker();
    driver.run().unwrap();
    let decisions = decisions(&driver);
    check(&decisions, 40);
    let offsets: Vec<i64> = decisions.iter().map(offset).collect();
    assert!(
        offsets.is_sorted() && offsets[20] == 5,
        "rows before the notice: {offsets:?}"
    );
}

/// Lost state is built again from a log whose older versions no copy has any more.
#[test]
fn a_rebuild_needs_no_version_but_the_last() {
    let mut driver = TestDriver::new(topology(), 1);
    for part in 0..4 {
        driver.lists.put(version(part * 3));
        driver.run().unwrap();
        pay(&driver, part as usize * 20, 20);
        driver.run().unwrap();
    }
    driver.kill_worker(0);
    driver.stores.lose();
    driver.lists = riskstream_pipeline::driver::ManualLists::default();
    driver.lists.put(version(9));
    driver.add_worker();
    pay(&driver, 80, 20);
    driver.run().unwrap();
    let decisions = decisions(&driver);
    check(&decisions, 100);
    assert_eq!(driver.stopped(), []);
    assert_eq!(decisions.iter().filter(|decision| offset(decision) == 9).count(), 40);
}
