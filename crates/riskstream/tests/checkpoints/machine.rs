//! A pipeline of two entities whose stores are in a directory that can be lost, on a log in memory.

use riskstream::service::checkpoints::{Checkpoints, TaskId, clock};
use riskstream::service::{OpenStates, RocksStores};
use riskstream_checkpoints::KnownDigests;
use riskstream_definition::{Compiled, Style, compile};
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use riskstream_pipeline::TestDriver;
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const CUSTOMERS: usize = 5;
pub const TERMINALS: usize = 3;
/// Tasks with state: two stages on two partitions.
pub const TASKS: usize = 4;

const PIPELINE: &str = "
name: shop
inputs:
  transactions:
    topic: payments
    key: customer
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, terminal: text}
entities: {customer: {key: customer}, terminal: {key: terminal}}
features:
  payments: {entity: customer, count: transactions, window: 30d}
  visits: {entity: terminal, count: transactions, window: 30d}
rules: [{name: busy, when: payments > 100, then: review, reason: R1}]
outputs: {decisions: decisions, dead_letters: dead-letters}
state: {directory: ROOT/state, checkpoints: {url: ROOT/checkpoints}}
";

/// See the module.
pub struct Machine {
    pub root: TempDir,
    pub driver: TestDriver,
    compiled: Compiled,
    states: OpenStates,
}

fn compiled(text: &str) -> Compiled {
    compile("shop.yaml", text, std::path::Path::new("."), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)))
}

impl Machine {
    pub fn new() -> Machine {
        let root = tempfile::tempdir().unwrap();
        let text = PIPELINE.replace("ROOT", root.path().to_str().unwrap());
        fs::write(root.path().join("shop.yaml"), &text).unwrap();
        let compiled = compiled(&text);
        let topology = Arc::new(compiled.json_topology(None).unwrap());
        let mut machine = Machine {
            driver: TestDriver::new(topology, 2),
            root,
            compiled,
            states: OpenStates::default(),
        };
        machine.driver.kill_worker(0);
        machine.start();
        machine
    }

    /// The pipeline file.
    pub fn file(&self) -> PathBuf {
        self.root.path().join("shop.yaml")
    }

    /// The directory of the tasks' states.
    pub fn state(&self) -> PathBuf {
        self.root.path().join("state/shop")
    }

    /// Starts a worker with the stores of the service.
    pub fn start(&mut self) {
        fs::create_dir_all(self.state()).unwrap();
        self.states = OpenStates::default();
        let (checkpoints, states) = (Arc::new(self.checkpoints()), self.states.clone());
        let stores = RocksStores::new(self.state(), states).with_checkpoints(checkpoints);
        self.driver.set_stores(move || Box::new(stores.clone()));
        self.driver.add_worker();
    }

    /// Ends the worker.
    pub fn end(&mut self) {
        self.driver.kill_worker(0);
    }

    /// Loses the state directory.
    pub fn lose(&self) {
        fs::remove_dir_all(self.state()).unwrap();
    }

    /// The same pipeline under the same name with features over another window.
    pub fn change_window(&mut self) {
        let text = fs::read_to_string(self.file())
            .unwrap()
            .replace("window: 30d", "window: 20d");
        fs::write(self.file(), &text).unwrap();
        self.compiled = compiled(&text);
        self.driver.change(Arc::new(self.compiled.json_topology(None).unwrap()));
        self.driver.kill_worker(0);
    }

    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::of(&self.compiled, None, &self.state()).unwrap()
    }

    /// Writes a checkpoint of each state; the positions.
    pub fn checkpoint(&self) -> BTreeMap<TaskId, i64> {
        let checkpoints = self.checkpoints();
        let open = self.states.open();
        assert_eq!(open.len(), TASKS);
        let positions = open.into_iter().map(|(task, source)| {
            let mut stored = checkpoints.of_task(&task);
            let written = checkpoints.write(&task, &source, &mut stored, &mut KnownDigests::default());
            let written = written.unwrap().unwrap();
            stored.prune(checkpoints.keep, clock()).unwrap();
            (task, written.name.position)
        });
        positions.collect()
    }

    /// Lets retention pass these positions in the topics that the tasks read.
    pub fn trim(&self, positions: &BTreeMap<TaskId, i64>) {
        for (task, position) in positions {
            let topic = match task.entity.as_str() {
                "customer" => "payments",
                _ => "shop-hop-terminal",
            };
            self.driver.broker.trim(topic, task.partition, *position);
        }
    }

    /// Payments with these numbers, one a second.
    pub fn pay(&mut self, numbers: Range<usize>) {
        for number in numbers {
            let (customer, terminal) = (number % CUSTOMERS, number % TERMINALS);
            let (minute, second) = (number / 60, number % 60);
            let value = format!(
                r#"{{"id":"{number}","customer":"c{customer}","terminal":"t{terminal}","time":"2026-03-14T12:{minute:02}:{second:02}Z"}}"#
            );
            self.driver.send(0, &format!("c{customer}"), value.as_bytes(), None);
        }
        self.driver.run().unwrap();
    }

    /// Rounds until all states are open.
    pub fn wait_until_open(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.states.open().len() < TASKS {
            self.driver.round().unwrap();
            assert!(Instant::now() < deadline, "{:?}", self.driver.stopped());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Checks that each of the payments was decided once, with the numbers of payments that follow from its own.
    pub fn check(&self, payments: usize) {
        assert_eq!(self.driver.stopped(), []);
        let mut seen = BTreeMap::new();
        for record in self.driver.decisions() {
            let decision = OwnedDecisionRecord::from_json(&record.value.unwrap()).unwrap();
            let number: usize = decision.event_id.parse().unwrap();
            for (feature, of) in [("payments", CUSTOMERS), ("visits", TERMINALS)] {
                let found = decision.features.iter().find(|(name, _)| *name == feature);
                let Some((_, FeatureValue::Int(found))) = found else {
                    panic!("{decision:?}");
                };
                assert_eq!(*found as usize, number / of + 1, "{feature} of {number}");
            }
            *seen.entry(number).or_insert(0) += 1;
        }
        assert_eq!(seen, (0..payments).map(|number| (number, 1)).collect());
    }

    /// The files that tasks' checkpoints consist of.
    pub fn objects(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut directories = vec![self.root.path().join("checkpoints")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    files.push(path);
                }
            }
        }
        files
    }
}
