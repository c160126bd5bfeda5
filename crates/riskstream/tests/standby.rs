//! Standby copies: who takes over has the state already, and who is added gets it before it takes part.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

mod support;

use riskstream_kafka::{KafkaOptions, committed_offsets};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use support::kafka::brokers;
use support::process::{Service, run, wait_for};
use support::trial::{Setup, Trial};
use support::unique;

/// The entities, each with a stage on two partitions.
const ENTITIES: [&str; 2] = ["card", "shop"];

/// A copy of the pipeline with a disk of its own.
struct Copy {
    service: Service,
    pipeline: PathBuf,
    state: PathBuf,
    log: PathBuf,
}

impl Copy {
    fn start(trial: &Trial, number: usize) -> Copy {
        let path = |what: &str| trial.directory.path().join(format!("{what}-{number}"));
        let (state, log) = (path("state"), path("log"));
        Copy {
            service: Service::start(&trial.pipeline, &state, &log, &[], &[]),
            pipeline: trial.pipeline.clone(),
            state,
            log,
        }
    }

    /// The tasks whose states it has as standby copies, with their positions, as `riskstream state list` shows them.
    fn standbys(&self) -> BTreeMap<String, i64> {
        let arguments = ["state", "list", self.pipeline.to_str().unwrap(), "--state-dir"];
        let (_, text, _) = run(&[&arguments[..], &[self.state.to_str().unwrap()]].concat(), &[]);
        let standby = |line: &str| {
            let (task, rest) = line.split_once("  position ")?;
            let (position, rest) = rest.split_once("  ")?;
            rest.starts_with("standby copy of ")
                .then(|| (task.to_owned(), position.parse().unwrap()))
        };
        text.lines().filter_map(standby).collect()
    }

    /// The positions at which tasks with state were opened last, by a worker or as a standby copy.
    fn opened(&self, trial: &Trial) -> BTreeMap<String, i64> {
        let log = fs::read_to_string(&self.log).unwrap();
        let lines = log.lines().filter(|line| line.contains("partition opened"));
        let word = |line: &str, name: &str| {
            let mut words = line.split_whitespace();
            words.find_map(|word| word.strip_prefix(name).map(str::to_owned))
        };
        let task = |line: &str| {
            let partition = word(line, "partition=")?;
            let task = partition.strip_prefix(&trial.topic("hop-"))?.replace('[', "-");
            Some((
                task.trim_end_matches(']').to_owned(),
                word(line, "position=")?.parse().ok()?,
            ))
        };
        lines.filter_map(task).collect()
    }
}

/// The group's committed position of each task with state.
fn committed(brokers: &str, trial: &Trial) -> BTreeMap<String, i64> {
    let options = KafkaOptions::new(brokers, &trial.name);
    let mut committed = BTreeMap::new();
    for entity in ENTITIES {
        let offsets = committed_offsets(&options, &trial.topic(&format!("hop-{entity}"))).unwrap();
        for (partition, offset) in offsets.into_iter().enumerate() {
            committed.insert(format!("{entity}-{partition}"), offset.unwrap());
        }
    }
    committed
}

#[test]
fn a_lost_copy_is_replaced_by_one_with_its_state_and_a_new_one_joins_with_its_own() {
    let (brokers, name) = (brokers(), unique("standby"));
    let trial = Trial::new(&Setup {
        further: "state: {standby: 1}",
        ..Setup::new(&brokers, &name)
    });
    let mut copies = [Copy::start(&trial, 0), Copy::start(&trial, 1)];
    for copy in &mut copies {
        copy.service.wait_until_ready();
    }
    trial.send_good(0..1_000);
    trial.wait_for_decided(&mut copies[1].service, 1_000);
    // Between the two copies every state has one.
    let before = committed(&brokers, &trial);
    wait_for("standby copies of all that is committed", || {
        let [first, second] = copies.each_ref().map(Copy::standbys);
        let has = |(task, offset): (&String, &i64)| {
            let kept = first.get(task).or(second.get(task));
            kept.is_some_and(|position| position >= offset)
        };
        (first.len() + second.len() == before.len() && before.iter().all(has)).then_some(())
    });
    let [lost, mut survivor] = copies;
    assert!(survivor.service.metric("riskstream_standby_lag_records", "hop") >= 0.0);
    let taken_over = survivor.standbys();
    assert!(!taken_over.is_empty());

    lost.service.kill();
    trial.send_good(1_000..1_200);
    trial.wait_for_decided(&mut survivor.service, 1_200);
    for task in taken_over.keys() {
        let opened = survivor.opened(&trial)[task];
        assert!(opened >= before[task], "{task} was opened at {opened}, {before:?}");
    }
    assert_eq!(survivor.standbys(), BTreeMap::new());

    let before = committed(&brokers, &trial);
    let mut added = Copy::start(&trial, 2);
    added.service.wait_until_ready();
    wait_for("partitions of the new copy", || {
        (added.service.partitions() >= 3).then_some(())
    });
    assert!(fs::read_to_string(&added.log).unwrap().contains("its states are warm"));
    let gained: Vec<String> = wait_for("standby copies on both sides", || {
        let (kept, here) = (survivor.standbys(), added.standbys());
        (kept.len() + here.len() == before.len() && !kept.is_empty()).then(|| kept.into_keys().collect())
    });
    for task in &gained {
        let opened = added.opened(&trial)[task];
        assert!(opened >= before[task], "{task} was opened at {opened}, {before:?}");
    }
    trial.send_good(1_200..1_300);
    trial.wait_for_decided(&mut added.service, 1_300);
    added.service.end();
    trial.finish(survivor.service, 1_300, 0, |n| trial.payment(n));
}
