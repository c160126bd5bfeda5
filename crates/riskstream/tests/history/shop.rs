//! A pipeline with two stages, labels, a list, roll-outs and personal data, on topics of its own.

use crate::support::kafka::{Reader, Writer, brokers, create_topics_of, delete_topics, read_all};
use crate::support::process::{Environment, Service, riskstream, run};
use crate::support::unique;
use rdkafka::message::{BorrowedMessage, Message};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const PARTITIONS: usize = 3;

/// 2026-01-01, in milliseconds.
const BEGIN: u64 = 1_767_225_600_000;

pub struct Shop {
    pub name: String,
    pub brokers: String,
    pub writer: Writer,
    directory: tempfile::TempDir,
    decided: Reader,
    /// The decisions that were waited for.
    waited: usize,
}

/// The environment of all commands.
pub fn secret() -> [(&'static str, String); 1] {
    [(
        "RISKSTREAM_PERSONAL_DATA_KEY",
        "a secret for the test of history".to_owned(),
    )]
}

impl Shop {
    /// Writes the pipeline file and creates the topics. `delivery`: how decisions are written.
    pub fn new(name: &str, delivery: &str) -> Shop {
        let (brokers, name) = (brokers(), unique(name));
        let directory = tempfile::tempdir().unwrap();
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../definition/tests/rollout/models");
        std::os::unix::fs::symlink(models, directory.path().join("models")).unwrap();
        let pipeline = directory.path().join("pipeline.yaml");
        std::fs::write(&pipeline, pipeline_text(&name, &brokers, delivery)).unwrap();
        create_topics_of(&pipeline, PARTITIONS as i32, &secret());
        Shop {
            writer: Writer::new(&brokers),
            decided: Reader::new(&brokers, &format!("{name}-decisions")),
            name,
            brokers,
            directory,
            waited: 0,
        }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    pub fn topic(&self, topic: &str) -> String {
        format!("{}-{topic}", self.name)
    }

    pub fn start(&self, state: &str) -> Service {
        let pipeline = self.path("pipeline.yaml");
        let mut service = Service::start(&pipeline, &self.path(state), &self.path("log"), &secret(), &[]);
        service.wait_until_ready();
        service
    }

    /// Payments a second apart, some late or sent twice, and labels of some.
    pub fn pay(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            let (card, shop) = (card(number), format!("s{}", number % 4));
            let time = BEGIN + number * 1000 - late(number) * 1000;
            let amount = number % 1024;
            let payment =
                format!(r#"{{"id":"t{number}","time":{time},"card":"{card}","shop":"{shop}","amount":{amount}}}"#);
            for _ in 0..if number % 29 == 3 { 2 } else { 1 } {
                let topic = self.topic("transactions");
                self.writer
                    .send(&topic, Some(card.as_bytes()), Some(payment.as_bytes()));
            }
            if number % 5 == 1 {
                let label = format!(
                    r#"{{"id":"t{number}","card":"{card}","fraud":true,"time":{}}}"#,
                    time + 500
                );
                self.writer
                    .send(&self.topic("labels"), Some(card.as_bytes()), Some(label.as_bytes()));
            }
        }
        self.writer.flush();
    }

    /// Waits until all payments before this one were decided.
    pub fn wait_for(&mut self, number: u64, service: &mut Service) {
        let payments = (0..number).map(|number| if number % 29 == 3 { 2 } else { 1 }).sum();
        self.decided
            .wait_for(payments - self.waited, || service.check_running());
        self.waited = payments;
    }

    /// Runs `riskstream WORDS PIPELINE …`: exit code, standard output, standard error.
    pub fn run(&self, words: &[&str], further: &[&str]) -> (Option<i32>, String, String) {
        run(&self.arguments(words, further), &secret())
    }

    /// The same, which succeeds: standard output.
    pub fn succeed(&self, words: &[&str], further: &[&str]) -> String {
        let (code, out, errors) = self.run(words, further);
        assert_eq!(code, Some(0), "{out}\n{errors}");
        out
    }

    /// The same, not started yet.
    pub fn command(&self, words: &[&str], further: &[&str]) -> Command {
        riskstream(&self.arguments(words, further), &secret() as &Environment)
    }

    fn arguments<'a>(&self, words: &[&'a str], further: &[&'a str]) -> Vec<&'a str> {
        // The tests' processes are short: the path may outlive the shop.
        let pipeline: &'static str = self.path("pipeline.yaml").to_str().unwrap().to_owned().leak();
        [words, &[pipeline], further].concat()
    }

    /// Records into a directory: standard output.
    pub fn record(&self, directory: &str, further: &[&str]) -> String {
        let output = self.path(directory);
        let further = [&["--output", output.to_str().unwrap()], further].concat();
        self.succeed(&["record"], &further)
    }

    /// Replays a recording: exit code, standard error, and the report.
    pub fn replay(&self, directory: &str) -> (Option<i32>, String, Value) {
        self.report("replay", directory, &[])
    }

    /// Runs a command on a recording that writes a report: exit code, all that it printed, and the report.
    pub fn report(&self, command: &str, directory: &str, further: &[&str]) -> (Option<i32>, String, Value) {
        let (recording, report) = (self.path(directory), self.path("report.json"));
        let _ = std::fs::remove_file(&report);
        let given = [
            "--recording",
            recording.to_str().unwrap(),
            "--json",
            report.to_str().unwrap(),
        ];
        let (code, out, errors) = self.run(&[command], &[&given, further].concat());
        let report = std::fs::read(&report).unwrap_or_else(|error| panic!("{error}\n{out}\n{errors}"));
        (code, out + &errors, serde_json::from_slice(&report).unwrap())
    }

    /// Creates the topics of the pipeline file as it is now, as far as they are missing.
    pub fn create_topics(&self) {
        create_topics_of(&self.path("pipeline.yaml"), PARTITIONS as i32, &secret());
    }

    /// Decisions are waited for on this topic.
    pub fn read_decisions_from(&mut self, topic: &str) {
        self.decided = Reader::new(&self.brokers, &self.topic(topic));
    }

    /// Gives all records of a topic to `each`.
    pub fn read(&self, topic: &str, each: impl FnMut(&BorrowedMessage<'_>)) {
        read_all(&self.brokers, &self.topic(topic), each);
    }

    /// Writes a decision on the topic once more, changed. Gives it.
    pub fn forge(&self, event_id: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut found = None;
        self.read("decisions", |message| {
            let decision: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
            if decision["event_id"] == event_id {
                found = Some((message.key().unwrap().to_vec(), decision));
            }
        });
        let (key, mut decision) = found.unwrap();
        change(&mut decision);
        let value = decision.to_string();
        self.writer
            .send(&self.topic("decisions"), Some(&key), Some(value.as_bytes()));
        self.writer.flush();
        decision
    }

    /// Rolls other models out.
    pub fn roll_out(&self, revision: u64) {
        let text = format!("revision: {revision}\nchampion: {{file: models/new.onnx}}\n");
        std::fs::write(self.path("apply.yaml"), text).unwrap();
        let apply = self.path("apply.yaml");
        self.succeed(&["rollout", "apply"], &[apply.to_str().unwrap()]);
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", std::fs::read_to_string(self.path("log")).unwrap_or_default());
        } else {
            delete_topics(&self.brokers, &self.name);
        }
    }
}

/// By how many seconds a payment is late.
pub fn late(number: u64) -> u64 {
    if number % 23 == 7 { 90 } else { 0 }
}

pub fn card(number: u64) -> String {
    format!("40000000000{:05}", number * 7 % 11)
}

fn pipeline_text(name: &str, brokers: &str, delivery: &str) -> String {
    format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    key: card
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, card: {{type: text, personal: true}}, shop: text, amount: float}}
  labels:
    topic: {name}-labels
    key: card
    id: id
    event_time: time
    fields: {{id: text, card: {{type: text, personal: true}}, fraud: bool, time: timestamp}}
entities: {{card: {{key: card}}, shop: {{key: shop}}}}
features:
  payments: {{entity: card, count: transactions, window: 1m}}
  spent: {{entity: card, sum: amount, window: 1d}}
  at_shop: {{entity: shop, count: transactions, window: 1m}}
  frauds: {{entity: shop, count: labels, window: 1d, when: fraud}}
lists:
  blocked: {{key: card, topic: {name}-blocked}}
model: {{file: models/old.onnx}}
rollout: {{topic: {name}-rollouts}}
rules:
  - {{name: blocked, when: card in blocked, then: decline}}
decision: {{review: score >= 0.5}}
delivery: {delivery}
personal_data: {{key_env: RISKSTREAM_PERSONAL_DATA_KEY}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: '{brokers}', properties: {{session.timeout.ms: 6000, heartbeat.interval.ms: 500}}}}
"
    )
}
