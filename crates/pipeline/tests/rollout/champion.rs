//! Champions and challengers on the in-process log: when they take over, whom they decide on, what a replay finds.

use crate::driver::{decision, decisions, pay, pipeline, rolled_out, topology};
use crate::payments::{place, version};
use crate::shop::OLD;
use riskstream_definition::Compiled;
use riskstream_events::OwnedDecisionRecord;
use riskstream_pipeline::TestDriver;
use riskstream_pipeline::faulty::Faults;
use std::collections::BTreeMap;

const NEW: &str = "revision: 1\nchampion: {file: models/new.onnx}\n";
const CANARY: &str = "
revision: 2
challengers:
  - {model: {file: models/new.onnx}, share: 0.25, when: amount < 300}
";

fn amounts(count: usize) -> Vec<f64> {
    (0..count).map(|number| (number % 7) as f64 * 100.0 + 5.0).collect()
}

/// What `old` (version 1) or `new` (version 2) says.
fn expected(version: &str, amount: f64) -> f64 {
    let full = if version == "1" { 1024.0 } else { 512.0 };
    f64::from((amount as f32 / full as f32).clamp(0.0, 1.0))
}

fn check_scores(decisions: &[OwnedDecisionRecord], amounts: &[f64]) {
    for (number, amount) in amounts.iter().enumerate() {
        let decision = decision(decisions, number);
        assert_eq!(decision.score, Some(expected(version(decision), *amount)), "t{number}");
    }
}

#[test]
fn another_champion_takes_over_between_two_transactions() {
    let pipeline = pipeline(OLD);
    let mut driver = TestDriver::new(topology(&pipeline), 3);
    let amounts = amounts(300);
    pay(&driver, 0, &amounts[..100]);
    driver.run().unwrap();
    driver.rollouts.put(rolled_out(&pipeline, NEW));
    driver.run().unwrap();
    pay(&driver, 100, &amounts[100..200]);
    driver.run().unwrap();
    // Taking it back is a roll-out like any other.
    driver.rollouts.put(rolled_out(&pipeline, "{revision: 2, restores: 0}"));
    driver.run().unwrap();
    pay(&driver, 200, &amounts[200..]);
    driver.run().unwrap();
    let decisions = decisions(&driver);
    check_scores(&decisions, &amounts);
    for number in 0..300 {
        let decision = decision(&decisions, number);
        let (rollout, expected) = [(0, "1"), (1, "2"), (2, "1")][number / 100];
        assert_eq!((decision.rollout, version(decision)), (rollout, expected), "t{number}");
    }
}

#[test]
fn a_challenger_keeps_its_customers_and_decides_where_its_condition_holds() {
    let pipeline = pipeline(OLD);
    let mut driver = TestDriver::new(topology(&pipeline), 3);
    driver.rollouts.put(rolled_out(&pipeline, CANARY));
    driver.run().unwrap();
    let amounts = amounts(400);
    pay(&driver, 0, &amounts[..200]);
    driver.run().unwrap();
    let wider = CANARY.replace("revision: 2", "revision: 3").replace("0.25", "0.6");
    driver.rollouts.put(rolled_out(&pipeline, &wider));
    driver.run().unwrap();
    pay(&driver, 200, &amounts[200..]);
    driver.run().unwrap();
    let decisions = decisions(&driver);
    check_scores(&decisions, &amounts);
    let mut challenged = 0;
    for (number, amount) in amounts.iter().enumerate() {
        let share = if number < 200 { 0.25 } else { 0.6 };
        let customer = format!("c{}", number % 40);
        let is_challenged = place("customer", &customer) < share && *amount < 300.0;
        challenged += usize::from(is_challenged);
        let expected = if is_challenged { "2" } else { "1" };
        assert_eq!(version(decision(&decisions, number)), expected, "t{number}");
    }
    assert!((40..200).contains(&challenged), "{challenged}");
}

#[test]
fn challengers_of_one_entity_lie_side_by_side() {
    let pipeline = pipeline(OLD);
    let text = "
revision: 1
champion: {file: models/old.onnx, version: first}
challengers:
  - {model: {file: models/old.onnx, version: second}, share: 0.3}
  - {model: {file: models/old.onnx, version: third}, share: 0.3, entity: customer}
";
    let mut driver = TestDriver::new(topology(&pipeline), 1);
    driver.rollouts.put(rolled_out(&pipeline, text));
    driver.run().unwrap();
    pay(&driver, 0, &amounts(40));
    driver.run().unwrap();
    let decisions = decisions(&driver);
    for number in 0..40 {
        let expected = match place("customer", &format!("c{number}")) {
            place if place < 0.3 => "second",
            place if place < 0.6 => "third",
            _ => "first",
        };
        assert_eq!(version(decision(&decisions, number)), expected, "t{number}");
    }
}

/// Aborts, crashes and rebalances around changes of the champion: each payment is decided once, by one champion after the other
/// in each partition, and whoever decides the same log again comes to the same bytes.
#[test]
fn faults_neither_double_nor_mix_and_a_replay_finds_every_change_where_it_was() {
    let pipeline = pipeline(OLD);
    for seed in 0..6 {
        let mut driver = TestDriver::new(topology(&pipeline), 1);
        driver.set_faults(Faults::of_each_kind(seed * 100));
        driver.kill_worker(0);
        driver.add_worker();
        driver.add_worker();
        let amounts = amounts(400);
        for part in 0..8 {
            if part == 2 || part == 5 {
                let text = if part == 2 { NEW } else { CANARY };
                driver.rollouts.put(rolled_out(&pipeline, text));
            }
            pay(&driver, part * 50, &amounts[part * 50..][..50]);
            for _ in 0..3 {
                driver.round().unwrap();
            }
        }
        driver.run().unwrap();
        let original = decisions(&driver);
        check_scores(&original, &amounts);
        assert_eq!(original.len(), 400, "seed {seed}");
        let rollouts: Vec<u64> = original.iter().map(|decision| decision.rollout).collect();
        assert!(rollouts.is_sorted(), "seed {seed}: {rollouts:?}");
        assert_eq!(rollouts.last(), Some(&2));
        assert_eq!(replayed(&pipeline, &driver), original, "seed {seed}");
    }
}

/// Decides again what lies in the repartition topic, with all line-ups ready from the beginning.
fn replayed(pipeline: &Compiled, original: &TestDriver) -> Vec<OwnedDecisionRecord> {
    let topology = topology(pipeline);
    let mut driver = TestDriver::new(topology.clone(), 1);
    for text in [NEW, CANARY] {
        driver.rollouts.put(rolled_out(pipeline, text));
    }
    let repartition_topic = topology.repartition_topics[0].as_ref().unwrap();
    for record in original.broker.all_records(repartition_topic) {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        driver.broker.produce(repartition_topic, key, value, record.timestamp);
    }
    driver.run().unwrap();
    decisions(&driver)
}

#[test]
fn lost_state_is_built_again_with_the_models_that_decide_now() {
    let pipeline = pipeline(OLD);
    let mut driver = TestDriver::new(topology(&pipeline), 3);
    driver.rollouts.put(rolled_out(&pipeline, NEW));
    driver.run().unwrap();
    let amounts = amounts(80);
    pay(&driver, 0, &amounts[..40]);
    driver.run().unwrap();
    for lose in [false, true] {
        driver.kill_worker(0);
        if lose {
            driver.stores.lose();
        }
        driver.add_worker();
        driver.run().unwrap();
        assert_eq!(driver.stopped(), [], "state lost: {lose}");
    }
    pay(&driver, 40, &amounts[40..]);
    driver.run().unwrap();
    let decisions = decisions(&driver);
    assert_eq!(decisions.len(), 80);
    assert!(
        decisions
            .iter()
            .all(|decision| version(decision) == "2" && decision.rollout == 1)
    );
}

/// A copy without the models of the roll-out in force decides nothing with others: it waits and says why.
#[test]
fn without_its_models_a_partition_waits() {
    let pipeline = pipeline(OLD);
    let mut driver = TestDriver::new(topology(&pipeline), 1);
    driver.rollouts.put(rolled_out(&pipeline, NEW));
    driver.run().unwrap();
    pay(&driver, 0, &amounts(10));
    driver.run().unwrap();
    driver.kill_worker(0);
    let ready = std::mem::take(&mut driver.rollouts);
    driver.add_worker();
    pay(&driver, 10, &amounts(10));
    for _ in 0..10 {
        driver.round().unwrap();
    }
    let stopped = driver.stopped();
    assert!(
        stopped[0].reason.detail.contains("roll-out 1 decides here"),
        "{stopped:?}"
    );
    assert_eq!(decisions(&driver).len(), 10);
    driver.kill_worker(0);
    driver.rollouts = ready;
    driver.add_worker();
    driver.run().unwrap();
    let by_version = decisions(&driver).iter().fold(BTreeMap::new(), |mut counts, decision| {
        *counts.entry(version(decision).to_owned()).or_insert(0) += 1;
        counts
    });
    assert_eq!(by_version, BTreeMap::from([("2".to_owned(), 20)]));
}
