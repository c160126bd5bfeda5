//! Through a real Kafka, with 4 partitions: one and three copies, topics filled before and while they run, events in order
//! and out of order.

use crate::comparison::{
    Decision, Decisions, check_scores, compare_with_published, compare_with_recomputation, in_order,
};
use crate::data::{LABEL_DELAY, Record, Transaction, file, log, log_out_of_order, transactions};
use crate::recomputation::{NAMES, recompute};
use crate::support::kafka::{Reader, Writer, brokers, create_topics_of, delete_topics, read_all};
use crate::support::process::{Service, wait_for};
use crate::support::unique;
use rdkafka::message::Message;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 4;
/// Two inputs and two repartition topics.
const ALL_PARTITIONS: u64 = 4 * PARTITIONS as u64;

/// The pipeline file with another name, so that the group and the repartition topics are this trial's own.
pub fn pipeline_file(directory: &Path, name: &str) -> PathBuf {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/handbook.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let renamed = text.replacen("\nname: handbook\n", &format!("\nname: {name}\n"), 1);
    let path = directory.join("handbook.yaml");
    std::fs::write(&path, renamed).unwrap();
    path
}

/// A record as JSON.
pub fn json(transactions: &[Transaction], record: Record) -> String {
    let time = |seconds: i64| jiff::Timestamp::from_second(seconds).unwrap();
    match record {
        Record::Transaction(index) => {
            let Transaction {
                id,
                customer,
                terminal,
                cents,
                ..
            } = transactions[index];
            let time = time(transactions[index].time);
            let (units, cents) = (cents / 100, cents % 100);
            format!(
                r#"{{"transaction_id":{id},"tx_datetime":"{time}","customer_id":{customer},"terminal_id":{terminal},"amount":{units}.{cents:02}}}"#
            )
        }
        Record::Label(index) => {
            let Transaction {
                id,
                customer,
                terminal,
                fraud,
                ..
            } = transactions[index];
            let time = time(transactions[index].time + LABEL_DELAY);
            format!(
                r#"{{"transaction_id":{id},"customer_id":{customer},"terminal_id":{terminal},"fraud":{fraud},"known_at":"{time}"}}"#
            )
        }
    }
}

/// A pipeline with topics of its own, and the copies that run it.
struct Trial {
    name: String,
    brokers: String,
    directory: tempfile::TempDir,
    pipeline: PathBuf,
    environment: Vec<(&'static str, String)>,
    copies: Vec<Service>,
    writer: Writer,
}

impl Trial {
    fn new(model: &str) -> Trial {
        let (brokers, name) = (brokers(), unique("handbook"));
        let directory = tempfile::tempdir().unwrap();
        let pipeline = pipeline_file(directory.path(), &name);
        let topic = |of: &str| format!("{name}-{of}");
        let environment = vec![
            ("KAFKA_BOOTSTRAP_SERVERS", brokers.clone()),
            ("RISKSTREAM_HANDBOOK", file("").display().to_string()),
            ("RISKSTREAM_HANDBOOK_MODEL", model.to_owned()),
            ("RISKSTREAM_TRANSACTIONS_TOPIC", topic("transactions")),
            ("RISKSTREAM_LABELS_TOPIC", topic("labels")),
            ("RISKSTREAM_DECISIONS_TOPIC", topic("decisions")),
            ("RISKSTREAM_DEAD_LETTERS_TOPIC", topic("dead-letters")),
        ];
        create_topics_of(&pipeline, PARTITIONS, &environment);
        let writer = Writer::new(&brokers);
        Trial {
            name,
            brokers,
            directory,
            pipeline,
            environment,
            copies: Vec::new(),
            writer,
        }
    }

    /// Starts copies, each with a state directory of its own.
    fn start(&mut self, copies: usize) {
        for _ in 0..copies {
            let number = self.copies.len();
            let state = self.directory.path().join(format!("state-{number}"));
            let log = self.directory.path().join(format!("log-{number}"));
            self.copies
                .push(Service::start(&self.pipeline, &state, &log, &self.environment, &[]));
        }
    }

    /// Waits until every copy reads some of the partitions, and all partitions are read.
    fn wait_for_shares(&mut self) {
        for copy in &mut self.copies {
            copy.wait_until_ready();
        }
        wait_for("partitions for every copy", || {
            let shares: Vec<u64> = self.copies.iter().map(Service::partitions).collect();
            (shares.iter().sum::<u64>() == ALL_PARTITIONS && !shares.contains(&0)).then_some(())
        });
    }

    /// Writes records in the order of the log, at `rate` records a second if it is given.
    fn feed(&self, transactions: &[Transaction], log: &[Record], rate: Option<f64>) {
        let topics = ["transactions", "labels"].map(|of| format!("{}-{of}", self.name));
        let began = Instant::now();
        for (number, &record) in log.iter().enumerate() {
            if let Some(rate) = rate {
                let due = Duration::from_secs_f64(number as f64 / rate);
                std::thread::sleep(due.saturating_sub(began.elapsed()));
            }
            let (topic, index) = match record {
                Record::Transaction(index) => (&topics[0], index),
                Record::Label(index) => (&topics[1], index),
            };
            let key = transactions[index].customer.to_string();
            self.writer
                .send(topic, Some(key.as_bytes()), Some(json(transactions, record).as_bytes()));
        }
        self.writer.flush();
        println!("  {} records written in {:.1?}", log.len(), began.elapsed());
    }

    /// Waits for a decision on each transaction, ends the copies, and then reads all committed decisions.
    fn decisions(&mut self, transactions: &[Transaction]) -> Decisions {
        let topic = format!("{}-decisions", self.name);
        let mut reader = Reader::new(&self.brokers, &topic);
        reader.wait_for(transactions.len(), || {
            self.copies.iter_mut().for_each(Service::check_running);
        });
        let usage: Vec<String> = self
            .copies
            .iter()
            .map(Service::usage)
            .map(|(cpu, memory)| format!("{cpu:.1} s, {memory:.0} MB"))
            .collect();
        println!("  CPU and peak memory of the copies: {}", usage.join("; "));
        self.copies.drain(..).for_each(Service::end);
        let mut found = Vec::with_capacity(transactions.len());
        read_all(&self.brokers, &topic, |message| {
            found.push(parse(message.payload().unwrap()));
        });
        let mut dead = 0;
        read_all(&self.brokers, &format!("{}-dead-letters", self.name), |_| dead += 1);
        assert_eq!(dead, 0, "dead letters");
        in_order(transactions, found.into_iter())
    }
}

impl Drop for Trial {
    /// Deletes the topics: those of this size fill disks. After a failure they stay, with the copies' logs and state.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.directory.disable_cleanup(true);
            println!("  kept: topics {}-*, {}", self.name, self.directory.path().display());
        } else {
            delete_topics(&self.brokers, &self.name);
        }
    }
}

#[derive(Deserialize)]
struct JsonDecision<'a> {
    event_id: &'a str,
    score: f64,
    #[serde(borrow)]
    features: HashMap<&'a str, Option<f64>>,
}

fn parse(bytes: &[u8]) -> (i64, Decision) {
    let json: JsonDecision<'_> =
        serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)));
    let decision = Decision {
        score: json.score,
        features: NAMES.map(|name| json.features[name].unwrap_or(f64::NAN)),
    };
    (json.event_id.parse().unwrap(), decision)
}

/// Checks features against the published ones and the recomputed ones, and scores.
fn check(transactions: &[Transaction], decisions: &Decisions, log: &[Record], model: &str) {
    compare_with_recomputation(transactions, decisions, &recompute(transactions, log))
        .expect_none("all rows, recomputed");
    compare_with_published(transactions, decisions).expect_none("the published test week");
    check_scores(transactions, decisions, model);
}

fn fed_while_running(copies: usize, model: &str) {
    let transactions = transactions();
    let log = log(&transactions);
    let mut trial = Trial::new(model);
    let began = Instant::now();
    trial.start(copies);
    trial.wait_for_shares();
    println!(
        "{copies} copies, fed while they run; all partitions taken after {:.1?}",
        began.elapsed()
    );
    let began = Instant::now();
    trial.feed(&transactions, &log, None);
    let decisions = trial.decisions(&transactions);
    println!("  decided after {:.1?}", began.elapsed());
    check(&transactions, &decisions, &log, model);
}

fn filled_beforehand(copies: usize, model: &str) {
    let transactions = transactions();
    let log = log(&transactions);
    let mut trial = Trial::new(model);
    println!("{copies} copies, topics filled beforehand");
    trial.feed(&transactions, &log, None);
    let began = Instant::now();
    trial.start(copies);
    let decisions = trial.decisions(&transactions);
    println!("  decided after {:.1?}", began.elapsed());
    check(&transactions, &decisions, &log, model);
}

fn out_of_order(copies: usize, seed: u64) {
    let transactions = transactions();
    let log = log_out_of_order(&transactions, seed);
    let mut trial = Trial::new("xgboost");
    println!("{copies} copies, 5 % out of order by up to an hour (seed {seed})");
    let began = Instant::now();
    trial.start(copies);
    trial.feed(&transactions, &log, None);
    let decisions = trial.decisions(&transactions);
    println!("  decided after {:.1?}", began.elapsed());
    let expected = recompute(&transactions, &log);
    compare_with_recomputation(&transactions, &decisions, &expected)
        .expect_none("all rows as of their arrival, recomputed");
}

/// A rate in records a second that the copies keep up with.
const SLOW: f64 = 1_000.0;

/// Nine days are written at once, so that there are labels; then some hours are written slowly.
fn fed_slowly(copies: usize) {
    let transactions: Vec<Transaction> = transactions().into_iter().take(100_000).collect();
    let log = log(&transactions);
    let (before, slowly) = log.split_at(log.len() - 15_000);
    let mut trial = Trial::new("xgboost");
    println!("{copies} copies, the last {} records at {SLOW} a second", slowly.len());
    trial.start(copies);
    trial.wait_for_shares();
    trial.feed(&transactions, before, None);
    trial.feed(&transactions, slowly, Some(SLOW));
    let decisions = trial.decisions(&transactions);
    let expected = recompute(&transactions, &log);
    compare_with_recomputation(&transactions, &decisions, &expected).expect_none("all rows, recomputed");
}

#[test]
#[ignore = "needs the reference data in ../shared/data/handbook and a Kafka; run by scripts/reference"]
fn one_copy_fed_while_it_runs() {
    fed_while_running(1, "xgboost");
}

#[test]
#[ignore = "needs the reference data in ../shared/data/handbook and a Kafka; run by scripts/reference"]
fn three_copies_fed_while_they_run() {
    fed_while_running(3, "logreg");
}

#[test]
#[ignore = "needs the reference data in ../shared/data/handbook and a Kafka; run by scripts/reference"]
fn one_copy_catches_up() {
    filled_beforehand(1, "random_forest");
}

#[test]
#[ignore = "needs the reference data in ../shared/data/handbook and a Kafka; run by scripts/reference"]
fn three_copies_catch_up() {
    filled_beforehand(3, "xgboost");
}

#[test]
#[ignore = "needs the reference data in ../shared/data/handbook and a Kafka; run by scripts/reference"]
fn one_copy_with_events_out_of_order() {
    out_of_order(1, 1);
}

#[test]
#[ignore = "needs the reference data in ../shared/data/handbook and a Kafka; run by scripts/reference"]
fn three_copies_with_events_out_of_order() {
    out_of_order(3, 2);
}

#[test]
#[ignore = "needs the reference data in ../shared/data/handbook and a Kafka; run by scripts/reference"]
fn one_copy_fed_slowly() {
    fed_slowly(1);
}

#[test]
#[ignore = "needs the reference data in ../shared/data/handbook and a Kafka; run by scripts/reference"]
fn three_copies_fed_slowly() {
    fed_slowly(3);
}
