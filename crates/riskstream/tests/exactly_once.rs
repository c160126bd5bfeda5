//! Exactly-once delivery: the process is killed many times while it commits. In the end the decisions and the dead
//! letters are those of an undisturbed run: the same set, and the same bytes except for the latencies.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

mod support;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rdkafka::message::Message;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::kafka::{Ends, Reader, Writer, brokers, delete_group, delete_topics, header, read_all};
use support::process::{Service, run, wait_for};
use support::unique;

const PARTITIONS: i32 = 3;
const TRANSACTIONS: usize = 30_000;
/// After so many transactions there is a malformed record.
const GARBAGE_EVERY: usize = 100;
const KILLS_OF_ONE: usize = 14;
const KILLS_OF_TWO: usize = 10;
/// The number of decisions between two kills, approximately.
const DECISIONS_BETWEEN_KILLS: std::ops::Range<i64> = 10..350;

/// A pipeline with two stages, and labels without the shop. Small fetches give many commits in which a kill can happen.
/// The short session timeout makes the group notice a kill soon.
fn pipeline(directory: &Path, name: &str, brokers: &str) -> PathBuf {
    let text = format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-in-transactions
    key: card
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, card: text, shop: text, amount: float}}
  labels:
    topic: {name}-in-labels
    key: card
    id: id
    event_time: known_at
    fields: {{id: text, card: text, fraud: bool, known_at: timestamp}}
entities: {{card: {{key: card}}, shop: {{key: shop}}}}
features:
  card_payments: {{entity: card, count: transactions, window: 7d}}
  card_spent: {{entity: card, sum: amount, window: 1d}}
  card_frauds: {{entity: card, sum: fraud, of: labels, window: 7d}}
  shop_payments: {{entity: shop, count: transactions, window: 7d}}
  shop_cards: {{entity: shop, distinct: card, window: 1d}}
  shop_risk: {{entity: shop, mean: fraud, of: labels, window: 7d, empty: 0}}
decision: {{review: shop_risk > 0.1, decline: card_frauds > 2}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka:
  brokers: \"{brokers}\"
  properties:
    session.timeout.ms: 2000
    heartbeat.interval.ms: 300
    max.partition.fetch.bytes: 4096
    queued.max.messages.kbytes: 8
    queued.min.messages: 20
"
    );
    let path = directory.join("pipeline.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Writes a payment for each minute, its label six hours later, and some malformed records.
fn write_inputs(brokers: &str, name: &str) {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    // Small batches: a fetch returns whole batches.
    let writer = Writer::with(brokers, &[("batch.num.messages", "10"), ("linger.ms", "0")]);
    let (transactions, labels) = (format!("{name}-in-transactions"), format!("{name}-in-labels"));
    let time = |n: usize| 1_767_225_600_000_u64 + n as u64 * 60_000;
    let mut cards = Vec::with_capacity(TRANSACTIONS);
    for n in 0..TRANSACTIONS {
        if let Some(of) = n.checked_sub(360) {
            let card: &u32 = &cards[of];
            let fraud = random.random_bool(0.05);
            let label = format!(
                r#"{{"id":"tx-{of}","card":"card-{card}","fraud":{fraud},"known_at":{}}}"#,
                time(n)
            );
            writer.send(&labels, Some(format!("card-{card}").as_bytes()), Some(label.as_bytes()));
        }
        let (card, shop, cents) = (
            random.random_range(0..60_u32),
            random.random_range(0..25),
            random.random_range(1..20_000),
        );
        let amount = f64::from(cents) / 100.0;
        let transaction = format!(
            r#"{{"id":"tx-{n}","time":{},"card":"card-{card}","shop":"shop-{shop}","amount":{amount}}}"#,
            time(n)
        );
        let key = format!("card-{card}");
        writer.send(&transactions, Some(key.as_bytes()), Some(transaction.as_bytes()));
        if n % GARBAGE_EVERY == 0 {
            writer.send(
                &transactions,
                Some(key.as_bytes()),
                Some(&transaction.as_bytes()[..n % 60]),
            );
        }
        cards.push(card);
    }
    writer.flush();
}

/// Decisions by event id and dead letters by origin: the partition, the key, and the value without latencies.
type Written = BTreeMap<String, (i32, Vec<u8>, Vec<u8>)>;

/// A trial. All trials read the same inputs; everything else is created for each of them.
struct Trial<'a> {
    name: &'a str,
    brokers: &'a str,
    pipeline: PathBuf,
    directory: tempfile::TempDir,
}

impl<'a> Trial<'a> {
    fn new(name: &'a str, brokers: &'a str) -> Trial<'a> {
        let directory = tempfile::tempdir().unwrap();
        let pipeline = pipeline(directory.path(), name, brokers);
        // The deletion of the topics of the previous trial may take a while.
        wait_for("new topics", || {
            let arguments = [
                "topics",
                "create",
                pipeline.to_str().unwrap(),
                "--partitions",
                "3",
                "--replication-factor",
                "1",
            ];
            (run(&arguments, &[]).0 == Some(0)).then_some(())
        });
        Trial {
            name,
            brokers,
            pipeline,
            directory,
        }
    }

    fn copy(&self, number: usize) -> Service {
        let state = self.directory.path().join(format!("state-{number}"));
        let log = self.directory.path().join(format!("log-{number}"));
        Service::start(&self.pipeline, &state, &log, &[], &[])
    }

    fn topic(&self, of: &str) -> String {
        format!("{}-{of}", self.name)
    }

    /// Waits for all decisions, ends the copies and reads what they wrote; then deletes the output topics and the group.
    fn finish(self, mut copies: Vec<Service>) -> Written {
        let mut reader = Reader::new(self.brokers, &self.topic("decisions"));
        reader.wait_for(TRANSACTIONS, || copies.iter_mut().for_each(Service::check_running));
        copies.into_iter().for_each(Service::end);
        let mut written = Written::new();
        let mut twice = Vec::new();
        read_all(self.brokers, &self.topic("decisions"), |message| {
            let value = without_latency(message.payload().unwrap());
            let decision: serde_json::Value = serde_json::from_slice(&value).unwrap();
            let id = decision["event_id"].as_str().unwrap().to_owned();
            let written = written.insert(
                id.clone(),
                (message.partition(), message.key().unwrap().to_vec(), value),
            );
            twice.extend(written.map(|_| id));
        });
        assert_eq!(
            (twice, written.len()),
            (Vec::new(), TRANSACTIONS),
            "decided twice, decided"
        );
        read_all(self.brokers, &self.topic("dead-letters"), |message| {
            let [topic, partition, offset, reason] =
                ["topic", "partition", "offset", "reason"].map(|name| header(message, &format!("riskstream.{name}")));
            let origin = format!("{topic}[{partition}] {offset}");
            let value = [reason.as_bytes(), message.payload().unwrap_or_default()].concat();
            let before = written.insert(
                origin.clone(),
                (message.partition(), message.key().unwrap().to_vec(), value),
            );
            assert_eq!(before, None, "a dead letter twice: {origin}");
        });
        for of in ["decisions", "dead-letters", "hop-"] {
            delete_topics(self.brokers, &self.topic(of));
        }
        wait_for("the group's end", || {
            std::panic::catch_unwind(|| delete_group(self.brokers, self.name)).ok()
        });
        written
    }
}

/// The bytes before and after `,"latency":{…}`.
fn without_latency(decision: &[u8]) -> Vec<u8> {
    const LATENCY: &[u8] = br#","latency":{"#;
    let start = decision
        .windows(LATENCY.len())
        .position(|bytes| bytes == LATENCY)
        .expect("a decision has latency stamps");
    let end = start + decision[start..].iter().position(|byte| *byte == b'}').unwrap();
    [&decision[..start], &decision[end + 1..]].concat()
}

/// Repeatedly waits for some decisions and then kills one of the copies and starts another. Returns the running copies.
fn kill_repeatedly(trial: &Trial<'_>, copies: usize, kills: usize, random: &mut ChaCha8Rng) -> Vec<Service> {
    let ends = Ends::new(trial.brokers);
    let topic = trial.topic("decisions");
    let mut running: Vec<Service> = (0..copies).map(|number| trial.copy(number)).collect();
    for kill in 0..kills {
        let before = ends.of(&topic, PARTITIONS);
        let decisions = random.random_range(DECISIONS_BETWEEN_KILLS);
        let began = Instant::now();
        while ends.of(&topic, PARTITIONS) < before + decisions {
            running.iter_mut().for_each(Service::check_running);
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "kill {kill}: no decisions\n{}",
                running[0].log_tail()
            );
        }
        let victim = random.random_range(0..copies);
        running.remove(victim).kill();
        running.insert(victim, trial.copy(victim));
    }
    let mut decided = 0;
    read_all(trial.brokers, &topic, |_| decided += 1);
    assert!(
        decided < TRANSACTIONS * 9 / 10,
        "{decided} decisions: nearly nothing is left to decide after the last kill"
    );
    println!("  {decided} of {TRANSACTIONS} decided after {kills} kills");
    running
}

fn compare(found: &Written, expected: &Written) {
    let missing: Vec<&String> = expected.keys().filter(|id| !found.contains_key(*id)).collect();
    let added: Vec<&String> = found.keys().filter(|id| !expected.contains_key(*id)).collect();
    assert_eq!((missing, added), (Vec::new(), Vec::new()), "missing, added");
    let changed = expected.iter().filter(|(id, written)| found[*id] != **written);
    let changed: Vec<String> = changed
        .map(|(id, written)| {
            let text = |(partition, _, value): &(i32, Vec<u8>, Vec<u8>)| {
                format!("[{partition}] {}", String::from_utf8_lossy(value))
            };
            format!("{id}\n  {}\n  {}", text(&found[id]), text(written))
        })
        .collect();
    assert!(
        changed.is_empty(),
        "{} changed, the first: {}",
        changed.len(),
        changed[0]
    );
}

#[test]
fn kills_do_not_change_the_results() {
    let seed = std::env::var("RISKSTREAM_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (brokers, name) = (brokers(), unique("kills"));
    let undisturbed = Trial::new(&name, &brokers);
    write_inputs(&brokers, &name);
    let copy = undisturbed.copy(0);
    let expected = undisturbed.finish(vec![copy]);
    assert_eq!(expected.len(), TRANSACTIONS + TRANSACTIONS / GARBAGE_EVERY);
    for (copies, kills) in [(1, KILLS_OF_ONE), (2, KILLS_OF_TWO)] {
        let began = Instant::now();
        let trial = Trial::new(&name, &brokers);
        let running = kill_repeatedly(&trial, copies, kills, &mut random);
        let found = trial.finish(running);
        println!("{copies} copies, {kills} kills: {:.1?}", began.elapsed());
        compare(&found, &expected);
    }
    delete_topics(&brokers, &name);
}
