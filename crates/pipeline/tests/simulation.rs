//! The whole pipeline on the in-process log, with faults from a seed: with aborts, crashes and rebalances the decisions
//! are those of an undisturbed run, each exactly once.

mod catch_up;
mod history;

use catch_up::decisions;
use history::{events, fill};
use riskstream_definition::{Style, load};
use riskstream_events::OwnedDecisionRecord;
use riskstream_features::state::StateStore;
use riskstream_pipeline::driver::MemoryStores;
use riskstream_pipeline::faulty::Faults;
use riskstream_pipeline::{TestDriver, Topology, WorkerRole};
use riskstream_simulator::SimulatedEvent;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SECRET: &[u8] = b"a secret for simulated people only";

fn topology() -> Arc<Topology> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/card-fraud.yaml");
    let compiled = load(&path, &|_| None).unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
    Arc::new(
        compiled
            .json_topology(Some(SECRET))
            .expect("the shipped pipeline can be laid over topics"),
    )
}

/// A driver without a worker, whose clock stands long after the simulated payments: they are history.
fn driver() -> TestDriver {
    catch_up::driver(topology(), 3)
}

/// Every 19th event is sent after the 40 that follow it.
fn out_of_order(events: &[SimulatedEvent]) -> Vec<SimulatedEvent> {
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.sort_by_key(|&index| if index % 19 == 0 { index + 40 } else { index });
    order.into_iter().map(|index| events[index].clone()).collect()
}

const UPSTREAM_AND_DECIDING: [WorkerRole; 4] = [
    WorkerRole::Upstream,
    WorkerRole::Upstream,
    WorkerRole::Deciding,
    WorkerRole::Deciding,
];

fn run(workers: &[WorkerRole], faults: Faults, events: &[SimulatedEvent]) -> BTreeMap<String, OwnedDecisionRecord> {
    let mut driver = driver();
    driver.set_faults(faults);
    workers.iter().for_each(|role| driver.add_worker_of(*role));
    fill(&driver, events);
    driver.run().expect("the run ends");
    assert_eq!(driver.dead_letters().len(), 0);
    assert_eq!(driver.stopped(), []);
    decisions(&driver)
}

#[test]
fn faults_change_nothing() {
    let events = events();
    let undisturbed = run(&[WorkerRole::All], Faults::default(), &events);
    assert!(
        undisturbed
            .values()
            .any(|decision| decision.score.is_some_and(|score| score > 0.01))
    );
    run_with_faults(&events, &undisturbed);
}

/// What comes late is late by the same time, though the task in front that knows forgets everything with each fault.
#[test]
fn faults_change_nothing_where_events_come_late() {
    let events = out_of_order(&events());
    let undisturbed = run(&[WorkerRole::All], Faults::default(), &events);
    let late = undisturbed.values().filter(|decision| decision.late_by_ms.is_some());
    assert!(late.count() > 20);
    run_with_faults(&events, &undisturbed);
}

fn run_with_faults(events: &[SimulatedEvent], undisturbed: &BTreeMap<String, OwnedDecisionRecord>) {
    let is_transaction = |event: &&SimulatedEvent| matches!(event, SimulatedEvent::Transaction(_));
    let transactions = events.iter().filter(is_transaction).count();
    assert_eq!(undisturbed.len(), transactions);
    let all = [WorkerRole::All; 3];
    let workers = [
        &all[..1],
        &all[..2],
        &all,
        &all,
        &UPSTREAM_AND_DECIDING,
        &UPSTREAM_AND_DECIDING,
    ];
    for (seed, workers) in (1..).zip(workers) {
        let disturbed = run(workers, Faults::of_each_kind(seed * 1000), events);
        assert_eq!(disturbed.len(), transactions, "seed {seed}, {workers:?}");
        for (id, decision) in undisturbed {
            assert_eq!(&disturbed[id], decision, "seed {seed}, {workers:?}");
        }
    }
}

/// Whose writer says how far it has written needs no clock: the decisions are the same however late it or a worker is, and
/// though some partitions have no record for long.
#[test]
fn what_a_writer_tells_of_its_progress_makes_one_order() {
    let events = events();
    let undisturbed = run(&[WorkerRole::All], Faults::default(), &events);
    for seed in 1..=4u64 {
        let mut driver = TestDriver::new(topology(), 3);
        let topics: Vec<Arc<str>> = topology().inputs.iter().map(|input| Arc::clone(&input.topic)).collect();
        driver.broker.set_written_until(&topics, i64::MIN);
        let mut state = seed;
        let mut draw = |limit: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % limit
        };
        for event in &events {
            fill(&driver, std::slice::from_ref(event));
            driver.broker.set_written_until(&topics, event.event_time());
            // The writer is held up, for longer than after which sources otherwise count as idle; or the workers are.
            if draw(20) == 0 {
                driver.clock.advance(Duration::from_millis(draw(9_000)));
                for _ in 0..draw(4) {
                    driver.round().expect("a round ends");
                }
            }
        }
        driver.broker.set_written_until(&topics, i64::MAX);
        driver.run().expect("the run ends");
        assert_eq!(driver.dead_letters().len(), 0, "seed {seed}");
        let found = decisions(&driver);
        assert_eq!(found.len(), undisturbed.len());
        for (id, decision) in &undisturbed {
            assert_eq!(&found[id], decision, "seed {seed}");
        }
    }
}

#[test]
fn lost_state_is_built_again_from_the_log() {
    let events = events();
    let undisturbed = run(&[WorkerRole::All], Faults::default(), &events);
    let mut driver = driver();
    driver.add_worker();
    let (before, after) = events.split_at(events.len() / 2);
    fill(&driver, before);
    driver.run().expect("the first half ends");
    driver.kill_worker(0);
    driver.stores.lose();
    driver.add_worker();
    fill(&driver, after);
    driver.run().expect("the second half ends");
    let rebuilt = decisions(&driver);
    assert_eq!(rebuilt.len(), undisturbed.len());
    for (id, decision) in &undisturbed {
        assert_eq!(&rebuilt[id], decision);
    }
}

/// Everything in the state of a task, with its position.
fn content(stores: &MemoryStores, stage: &str, partition: i32) -> (Option<i64>, BTreeMap<Vec<u8>, Vec<u8>>) {
    let state = stores.state(stage, partition).unwrap_or_default();
    let mut content = BTreeMap::new();
    let visited = state.visit(b"", &mut |key, value| {
        content.insert(key.to_vec(), value.to_vec());
        ControlFlow::Continue(())
    });
    visited.expect("the state is in memory");
    (state.position().expect("the state is in memory"), content)
}

/// The machine of all workers is lost again and again, and those that follow go on with the copies that a standby has made.
#[test]
fn a_standby_takes_over_as_if_nothing_had_happened() {
    let events = events();
    let undisturbed = run(&[WorkerRole::All], Faults::default(), &events);
    for (seed, workers) in (1..).zip([&[WorkerRole::All; 2][..], &UPSTREAM_AND_DECIDING]) {
        let mut driver = driver();
        driver.set_faults(Faults::of_each_kind(seed * 1000));
        for part in events.chunks(events.len() / 4) {
            workers.iter().for_each(|role| driver.add_worker_of(*role));
            driver.start_standby();
            fill(&driver, part);
            for round in 0..60 {
                driver.round().expect("a round ends");
                if round % 25 == 24 {
                    driver.start_standby();
                }
            }
            driver.lose_workers();
        }
        workers.iter().for_each(|role| driver.add_worker_of(*role));
        driver.run().expect("the run ends");
        assert_eq!(driver.stopped(), []);
        let found = decisions(&driver);
        assert_eq!(found.len(), undisturbed.len());
        for (id, decision) in &undisturbed {
            assert_eq!(&found[id], decision, "seed {seed}, {workers:?}");
        }
    }
}

#[test]
fn a_standby_has_the_state_of_the_owner() {
    let mut driver = driver();
    driver.set_faults(Faults::of_each_kind(7000));
    driver.add_worker();
    driver.start_standby();
    fill(&driver, &events());
    driver.run().expect("the run ends");
    driver.round().expect("the standby reads what was committed last");
    assert_eq!(driver.stopped(), []);
    for stage in &topology().plan.stages {
        for partition in 0..3 {
            let owned = content(&driver.stores, &stage.entity, partition);
            let copy = content(&driver.standby_stores, &stage.entity, partition);
            assert!(owned.0.is_some() && !owned.1.is_empty());
            assert!(owned == copy, "{} {partition}", stage.entity);
        }
    }
}

#[test]
fn a_log_that_lost_what_the_state_has_not_seen_stops_the_task() {
    let mut driver = TestDriver::new(topology(), 1);
    let events = events();
    let (before, after) = events.split_at(200);
    fill(&driver, before);
    driver.run().expect("the first part ends");
    driver.kill_worker(0);
    fill(&driver, after);
    driver.broker.trim("card-fraud-hop-customer", 0, 1_000_000);
    driver.broker.trim("transactions", 0, 300);
    driver.add_worker();
    driver.round().expect("a stopped task does not end the worker");
    let stopped = driver.stopped();
    assert!(
        stopped
            .iter()
            .any(|stopped| &*stopped.partition.topic == "transactions"),
        "{stopped:?}"
    );
    assert!(
        stopped
            .iter()
            .all(|stopped| stopped.reason.detail.contains("retention")),
        "{stopped:?}"
    );
}

/// The decisions on a history that comes in several parts to topics that are idle. In each part another worker does nothing
/// until the others have nothing left to do. Each worker is a process.
fn run_in_parts(
    roles: &[WorkerRole],
    faults: Faults,
    events: &[SimulatedEvent],
) -> BTreeMap<String, OwnedDecisionRecord> {
    let mut driver = driver();
    driver.set_faults(faults);
    for role in roles {
        driver.begin_process();
        driver.add_worker_of(*role);
    }
    for (part, events) in events.chunks(events.len() / 12).enumerate() {
        fill(&driver, events);
        driver.pause_worker(part % roles.len());
        while driver.round().unwrap() > 0 {}
        driver.resume_worker();
        driver.run().unwrap();
    }
    assert_eq!(driver.stopped(), []);
    decisions(&driver)
}

#[test]
fn history_that_comes_to_idle_topics_is_merged_whichever_worker_is_slow() {
    let events = events();
    let undisturbed = run(&[WorkerRole::All], Faults::default(), &events);
    for roles in [&[WorkerRole::All; 3][..], &UPSTREAM_AND_DECIDING] {
        for seed in 0..4 {
            let faults = if seed == 0 {
                Faults::default()
            } else {
                Faults::of_each_kind(seed * 1000)
            };
            let found = run_in_parts(roles, faults, &events);
            let differ = |id: &&String| found.get(*id) != undisturbed.get(*id);
            let different = undisturbed.keys().filter(differ).count();
            assert_eq!(
                different,
                0,
                "of {} decisions, {roles:?}, seed {seed}",
                undisturbed.len()
            );
        }
    }
}
