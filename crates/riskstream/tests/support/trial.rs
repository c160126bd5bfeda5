//! A pipeline of two stages and labels on topics of its own, good payments, and what became of all records.

use super::kafka::{Writer, create_topic, create_topics_of, delete_topics, read_all};
use super::process::{Environment, Service, wait_for};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// As many good payments as most trials send.
pub const GOOD: u64 = 70;
const CARDS: u64 = 7;
const SHOPS: u64 = 3;

/// In what trials differ.
pub struct Setup<'a> {
    /// Where Kafka is.
    pub brokers: &'a str,
    /// Its name, and that of its topics.
    pub name: &'a str,
    /// How transactions are written: keys of the input.
    pub transactions: &'a str,
    /// The schema file `payment.avsc` beside the pipeline file.
    pub schema: Option<&'a Value>,
    /// librdkafka's properties, in YAML.
    pub properties: &'a str,
    /// Whatever else stands at the end of the file.
    pub further: &'a str,
    /// What the file takes from the environment.
    pub environment: &'a Environment,
}

impl<'a> Setup<'a> {
    /// JSON, exactly once.
    pub fn new(brokers: &'a str, name: &'a str) -> Setup<'a> {
        Setup {
            brokers,
            name,
            transactions: "format: json",
            schema: None,
            properties: "{}",
            further: "",
            environment: &[],
        }
    }

    fn text(&self) -> String {
        let Setup {
            brokers,
            name,
            transactions,
            properties,
            further,
            ..
        } = self;
        format!(
            "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    {transactions}
    key: card
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, card: text, shop: text, amount: float}}
  labels:
    topic: {name}-labels
    key: card
    id: id
    event_time: known_at
    fields: {{id: text, card: text, fraud: bool, known_at: timestamp}}
entities: {{card: {{key: card}}, shop: {{key: shop}}}}
features:
  card_payments: {{entity: card, count: transactions, window: 1d}}
  card_spent: {{entity: card, sum: amount, window: 1d}}
  shop_payments: {{entity: shop, count: transactions, window: 1d}}
  shop_frauds: {{entity: shop, sum: fraud, of: labels, window: 7d}}
decision: {{decline: shop_frauds > 100}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: \"${{BROKERS:-{brokers}}}\", properties: {properties}}}
{further}"
        )
    }
}

/// A record of the dead-letter topic.
pub struct Dead {
    /// Its key and value.
    pub record: (Option<Vec<u8>>, Option<Vec<u8>>),
    /// Its headers without their common prefix.
    pub headers: BTreeMap<String, String>,
}

impl Dead {
    fn new(message: &BorrowedMessage<'_>) -> Dead {
        let headers = message.headers().expect("a dead letter has headers").iter();
        let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
        let named = |name: &str| name.strip_prefix("riskstream.").expect("our prefix").to_owned();
        Dead {
            record: bytes(message),
            headers: headers.map(|header| (named(header.key), text(header.value))).collect(),
        }
    }
}

fn bytes(message: &BorrowedMessage<'_>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    (message.key().map(<[u8]>::to_vec), message.payload().map(<[u8]>::to_vec))
}

/// What became of the records.
#[derive(Default)]
pub struct Outcome {
    /// Decisions by event id.
    pub decisions: BTreeMap<String, Vec<Value>>,
    /// Dead letters.
    pub dead: Vec<Dead>,
}

impl Outcome {
    /// Records that were answered, one way or the other.
    pub fn answers(&self) -> usize {
        self.decisions.values().map(Vec::len).sum::<usize>() + self.dead.len()
    }

    /// The reasons of the dead letters that hold these bytes.
    pub fn reasons(&self, value: Option<&[u8]>) -> Vec<&str> {
        let mine = self.dead.iter().filter(|dead| dead.record.1.as_deref() == value);
        mine.map(|dead| dead.headers["reason"].as_str()).collect()
    }

    /// The flags of each decision on an event, but that every state begins with the first record.
    pub fn flags(&self, id: &str) -> Vec<Vec<&str>> {
        let decisions = self.decisions.get(id).map_or(&[][..], Vec::as_slice);
        decisions
            .iter()
            .map(|decision| {
                let flags = decision["flags"].as_array().unwrap().iter();
                flags
                    .map(|flag| flag.as_str().unwrap())
                    .filter(|flag| *flag != "bootstrapping")
                    .collect()
            })
            .collect()
    }

    /// The same with every decision once.
    ///
    /// # Panics
    /// Two decisions on one event differ in more than their latency.
    pub fn without_repetitions(mut self) -> Outcome {
        for (id, decisions) in &mut self.decisions {
            for decision in decisions.iter_mut() {
                decision.as_object_mut().unwrap().remove("latency");
            }
            decisions.dedup();
            assert_eq!(decisions.len(), 1, "{id}: {decisions:?}");
        }
        self
    }
}

/// A pipeline with topics of its own, on which nothing runs yet.
pub struct Trial {
    pub name: String,
    pub directory: tempfile::TempDir,
    pub pipeline: PathBuf,
    pub writer: Writer,
    brokers: String,
    environment: Vec<(&'static str, String)>,
    /// The time before the first payment, in milliseconds.
    epoch: u64,
}

impl Trial {
    /// Makes the file and the topics.
    pub fn new(setup: &Setup<'_>) -> Trial {
        let directory = tempfile::tempdir().unwrap();
        if let Some(schema) = setup.schema {
            std::fs::write(directory.path().join("payment.avsc"), schema.to_string()).unwrap();
        }
        let pipeline = directory.path().join("pipeline.yaml");
        std::fs::write(&pipeline, setup.text()).unwrap();
        let transactions = format!("{}-transactions", setup.name);
        create_topic(setup.brokers, &transactions, 2, &[("max.message.bytes", "33554432")]);
        create_topics_of(&pipeline, 2, &[]);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        Trial {
            name: setup.name.to_owned(),
            directory,
            pipeline,
            writer: Writer::new(setup.brokers),
            brokers: setup.brokers.to_owned(),
            environment: setup.environment.to_vec(),
            epoch: now - 3_600_000,
        }
    }

    /// The time of good payment number `n`, in milliseconds: one a second, beginning an hour ago.
    pub fn time(&self, n: u64) -> u64 {
        self.epoch + n * 1_000
    }

    /// The id, card and shop of good payment number `n`. Cards and shops take turns.
    pub fn names(&self, n: u64) -> [String; 3] {
        [
            format!("good-{n}"),
            format!("card-{}", n % CARDS),
            format!("shop-{}", n % SHOPS),
        ]
    }

    /// Good payment number `n` as JSON.
    pub fn payment(&self, n: u64) -> Vec<u8> {
        let [id, card, shop] = self.names(n);
        json!({"id": id, "time": self.time(n), "card": card, "shop": shop, "amount": 2.5})
            .to_string()
            .into_bytes()
    }

    pub fn topic(&self, of: &str) -> String {
        format!("{}-{of}", self.name)
    }

    /// A copy of the service on this pipeline.
    pub fn start(&self) -> Service {
        Service::start(&self.pipeline, &self.state(), &self.log(), &self.environment, &[])
    }

    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Writes a transaction, keyed by the card of good payment number `n`.
    pub fn send(&self, n: u64, value: &[u8]) {
        let [_, card, _] = self.names(n);
        self.writer
            .send(&self.topic("transactions"), Some(card.as_bytes()), Some(value));
    }

    /// Writes good payments as JSON.
    pub fn send_good(&self, numbers: Range<u64>) {
        for n in numbers {
            self.send(n, &self.payment(n));
        }
        self.writer.flush();
    }

    /// Waits until so many records were answered, one way or the other.
    pub fn wait_for(&self, service: &mut Service, answers: usize) {
        wait_for(&format!("{answers} answers"), || {
            service.check_running();
            (self.outcome().answers() >= answers).then_some(())
        });
    }

    /// Waits until so many different transactions were decided.
    pub fn wait_for_decided(&self, service: &mut Service, transactions: usize) {
        wait_for(&format!("decisions on {transactions} transactions"), || {
            service.check_running();
            (self.outcome().decisions.len() >= transactions).then_some(())
        });
    }

    /// Waits for the answers on `good` payments and `others`; then sends one payment more to each shop, `encode` says
    /// how, and ends the service. Checks that every good payment was decided once and counted once for its card and for
    /// its shop, and that every dead letter is what it says it is.
    pub fn finish(&self, mut service: Service, good: u64, others: usize, encode: impl Fn(u64) -> Vec<u8>) -> Outcome {
        self.wait_for(&mut service, good as usize + others);
        self.send_last(good, encode);
        self.wait_for(&mut service, (good + SHOPS) as usize + others);
        service.wait_until_ready();
        service.end();
        let outcome = self.outcome();
        self.check_good(&outcome, good);
        self.check_dead(&outcome);
        outcome
    }

    /// The same for `good` payments as JSON and nothing else, when decisions may be repeated. Returns how many were.
    pub fn finish_at_least_once(&self, mut service: Service, good: u64) -> usize {
        self.wait_for_decided(&mut service, good as usize);
        self.send_last(good, |n| self.payment(n));
        self.wait_for_decided(&mut service, (good + SHOPS) as usize);
        service.end();
        let outcome = self.outcome();
        let repeated = outcome.answers() - outcome.decisions.len();
        let outcome = outcome.without_repetitions();
        self.check_good(&outcome, good);
        assert!(outcome.dead.is_empty());
        repeated
    }

    fn send_last(&self, good: u64, encode: impl Fn(u64) -> Vec<u8>) {
        for n in good..good + SHOPS {
            self.send(n, &encode(n));
        }
        self.writer.flush();
    }

    /// Everything that was written by now.
    pub fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::default();
        read_all(&self.brokers, &self.topic("decisions"), |message| {
            let decision: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
            let id = decision["event_id"].as_str().unwrap().to_owned();
            outcome.decisions.entry(id).or_default().push(decision);
        });
        read_all(&self.brokers, &self.topic("dead-letters"), |message| {
            outcome.dead.push(Dead::new(message));
        });
        outcome
    }

    /// Every good payment was decided once. A card's payments are of one partition and counted in their order; those of a
    /// shop come from both, in any order, but by the last ones, sent after all others were decided, none is missing.
    pub fn check_good(&self, outcome: &Outcome, good: u64) {
        for n in 0..good + SHOPS {
            let [id, ..] = self.names(n);
            let decisions = outcome.decisions.get(&id).map_or(&[][..], Vec::as_slice);
            assert_eq!(decisions.len(), 1, "{id}: {decisions:?}");
            let features = &decisions[0]["features"];
            let (payments, at_shop) = (n / CARDS + 1, n / SHOPS + 1);
            assert_eq!(features["card_payments"], json!(payments), "{id}");
            assert_eq!(features["card_spent"], json!(2.5 * payments as f64), "{id}");
            let counted = features["shop_payments"].as_u64().unwrap();
            let least = if n < good { 1 } else { at_shop };
            assert!(
                (least..=at_shop).contains(&counted),
                "{id}: {counted} of {at_shop} at its shop"
            );
        }
    }

    /// Every dead letter of an input holds the key and the bytes of the record that its headers name.
    fn check_dead(&self, outcome: &Outcome) {
        let mut records = BTreeMap::new();
        for topic in [self.topic("transactions"), self.topic("labels")] {
            read_all(&self.brokers, &topic, |message| {
                let origin = [
                    topic.clone(),
                    message.partition().to_string(),
                    message.offset().to_string(),
                ];
                let timestamp = message.timestamp().to_millis().unwrap().to_string();
                records.insert(origin, (bytes(message), timestamp));
            });
        }
        for Dead { record, headers } in &outcome.dead {
            assert_eq!(headers["pipeline"], self.name, "{headers:?}");
            assert!(!headers["detail"].is_empty(), "{headers:?}");
            // What a later stage could not apply comes from a repartition topic, where many rows share a record.
            let Some(offset) = headers.get("offset") else { continue };
            let origin = ["topic", "partition"].map(|name| headers[name].clone());
            let [topic, partition] = origin;
            let (original, timestamp) = &records[&[topic, partition, offset.clone()]];
            assert!(record == original, "{headers:?}: not the original's key and bytes");
            assert_eq!(headers["timestamp"], *timestamp, "{headers:?}");
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", std::fs::read_to_string(self.log()).unwrap_or_default());
        } else {
            delete_topics(&self.brokers, &self.name);
        }
    }
}
