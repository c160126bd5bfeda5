//! A pipeline with two stages and labels on topics of its own, good payments, and the results of all records.

use super::kafka::{Writer, create_topic, create_topics_of, delete_topics, read_all};
use super::process::{Environment, Service, wait_for};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The number of good payments in most trials.
pub const GOOD: u64 = 70;
const CARDS: u64 = 7;
const SHOPS: u64 = 3;

/// The parameters of a trial.
pub struct Setup<'a> {
    /// Kafka's address.
    pub brokers: &'a str,
    /// The name of the pipeline, and the prefix of its topics.
    pub name: &'a str,
    /// The format of transactions: keys of the input.
    pub transactions: &'a str,
    /// The schema file `payment.avsc` beside the pipeline file.
    pub schema: Option<&'a Value>,
    /// librdkafka's properties, in YAML.
    pub properties: &'a str,
    /// Further keys of `outputs:`, each after a comma; `NAME` stands for the pipeline's name.
    pub outputs: &'a str,
    /// The end of the pipeline file.
    pub further: &'a str,
    /// The environment variables of the service.
    pub environment: &'a Environment,
}

impl<'a> Setup<'a> {
    /// Transactions as JSON, exactly-once delivery.
    pub fn new(brokers: &'a str, name: &'a str) -> Setup<'a> {
        Setup {
            brokers,
            name,
            transactions: "format: json",
            schema: None,
            properties: "{}",
            outputs: "",
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
            outputs,
            further,
            ..
        } = self;
        let outputs = outputs.replace("NAME", name);
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
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters{outputs}}}
kafka: {{brokers: \"${{BROKERS:-{brokers}}}\", properties: {properties}}}
{further}"
        )
    }
}

/// A record of the dead-letter topic.
pub struct Dead {
    /// Its key and value.
    pub record: (Option<Vec<u8>>, Option<Vec<u8>>),
    /// Its headers without their common prefix, and without those of the original record.
    pub headers: BTreeMap<String, String>,
}

impl Dead {
    fn new(message: &BorrowedMessage<'_>) -> Dead {
        let headers = message.headers().expect("a dead letter has headers").iter();
        let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
        let headers = headers.filter_map(|header| {
            let name = header.key.strip_prefix("riskstream.")?.to_owned();
            Some((name, text(header.value)))
        });
        Dead {
            record: bytes(message),
            headers: headers.collect(),
        }
    }
}

fn bytes(message: &BorrowedMessage<'_>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    (message.key().map(<[u8]>::to_vec), message.payload().map(<[u8]>::to_vec))
}

/// The results of the records.
#[derive(Default)]
pub struct Results {
    /// Decisions by event id.
    pub decisions: BTreeMap<String, Vec<Value>>,
    /// Dead letters.
    pub dead: Vec<Dead>,
}

impl Results {
    /// The number of decisions and dead letters.
    pub fn count(&self) -> usize {
        self.decisions.values().map(Vec::len).sum::<usize>() + self.dead.len()
    }

    /// The reasons of the dead letters with this value.
    pub fn reasons(&self, value: Option<&[u8]>) -> Vec<&str> {
        let dead = self.dead.iter().filter(|dead| dead.record.1.as_deref() == value);
        dead.map(|dead| dead.headers["reason"].as_str()).collect()
    }

    /// The flags of each decision on an event, without `bootstrapping`, which all first decisions have.
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

    /// The same without repeated decisions.
    ///
    /// # Panics
    /// Two decisions on one event differ in more than their latency.
    pub fn without_repetitions(mut self) -> Results {
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

/// A pipeline with topics of its own. The service is not started yet.
pub struct Trial {
    pub name: String,
    pub directory: tempfile::TempDir,
    pub pipeline: PathBuf,
    pub writer: Writer,
    /// The header `__value_schema_id` of all transactions that are sent, if they have it.
    pub schema_header: Option<Vec<u8>>,
    brokers: String,
    environment: Vec<(&'static str, String)>,
    /// The time before the first payment, in milliseconds.
    epoch: u64,
}

impl Trial {
    /// Writes the pipeline file and creates the topics.
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
            schema_header: None,
            brokers: setup.brokers.to_owned(),
            environment: setup.environment.to_vec(),
            epoch: now - 3_600_000,
        }
    }

    /// The time of good payment number `n`, in milliseconds: one a second, beginning an hour ago.
    pub fn time(&self, n: u64) -> u64 {
        self.epoch + n * 1_000
    }

    /// The id, card and shop of good payment number `n`. Cards and shops alternate.
    pub fn names(n: u64) -> [String; 3] {
        [
            format!("good-{n}"),
            format!("card-{}", n % CARDS),
            format!("shop-{}", n % SHOPS),
        ]
    }

    /// Good payment number `n` as JSON.
    pub fn payment(&self, n: u64) -> Vec<u8> {
        let [id, card, shop] = Self::names(n);
        json!({"id": id, "time": self.time(n), "card": card, "shop": shop, "amount": 2.5})
            .to_string()
            .into_bytes()
    }

    pub fn topic(&self, of: &str) -> String {
        format!("{}-{of}", self.name)
    }

    /// Starts the service on this pipeline.
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
        let [_, card, _] = Self::names(n);
        let header = self.schema_header.as_deref().map(|id| ("__value_schema_id", id));
        self.writer
            .send_with_header(&self.topic("transactions"), Some(card.as_bytes()), Some(value), header);
    }

    /// Writes good payments as JSON.
    pub fn send_good(&self, numbers: Range<u64>) {
        for n in numbers {
            self.send(n, &self.payment(n));
        }
        self.writer.flush();
    }

    /// Waits until there are so many decisions and dead letters.
    pub fn wait_for(&self, service: &mut Service, count: usize) {
        wait_for(&format!("{count} decisions and dead letters"), || {
            service.check_running();
            (self.results().count() >= count).then_some(())
        });
    }

    /// Waits until there are decisions on so many transactions.
    pub fn wait_for_decided(&self, service: &mut Service, transactions: usize) {
        wait_for(&format!("decisions on {transactions} transactions"), || {
            service.check_running();
            (self.results().decisions.len() >= transactions).then_some(())
        });
    }

    /// Waits for the results of `good` payments and of `others`. Then sends one more payment for each shop, encoded by
    /// `encode`, and ends the service. Checks that every good payment was decided once and counted once for its card and
    /// its shop, and that every dead letter holds the record that its headers name.
    pub fn finish(&self, mut service: Service, good: u64, others: usize, encode: impl Fn(u64) -> Vec<u8>) -> Results {
        self.wait_for(&mut service, good as usize + others);
        self.send_last(good, encode);
        self.wait_for(&mut service, (good + SHOPS) as usize + others);
        service.wait_until_ready();
        service.end();
        let results = self.results();
        Trial::check_good(&results, good);
        self.check_dead(&results);
        results
    }

    /// The same for `good` payments as JSON and no other records, where decisions may be repeated. Returns how many were.
    pub fn finish_at_least_once(&self, mut service: Service, good: u64) -> usize {
        self.wait_for_decided(&mut service, good as usize);
        self.send_last(good, |n| self.payment(n));
        self.wait_for_decided(&mut service, (good + SHOPS) as usize);
        service.end();
        let results = self.results();
        let repeated = results.count() - results.decisions.len();
        let results = results.without_repetitions();
        Trial::check_good(&results, good);
        assert!(results.dead.is_empty());
        repeated
    }

    fn send_last(&self, good: u64, encode: impl Fn(u64) -> Vec<u8>) {
        for n in good..good + SHOPS {
            self.send(n, &encode(n));
        }
        self.writer.flush();
    }

    /// All decisions and dead letters written so far.
    pub fn results(&self) -> Results {
        let mut results = Results::default();
        read_all(&self.brokers, &self.topic("decisions"), |message| {
            let decision: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
            let id = decision["event_id"].as_str().unwrap().to_owned();
            results.decisions.entry(id).or_default().push(decision);
        });
        read_all(&self.brokers, &self.topic("dead-letters"), |message| {
            results.dead.push(Dead::new(message));
        });
        results
    }

    /// Checks that every good payment was decided once. The payments of a card are in one partition and are counted in
    /// order. Those of a shop are in both partitions and are counted in any order, but the last ones, which were sent after
    /// all others were decided, count them all.
    pub fn check_good(results: &Results, good: u64) {
        for n in 0..good + SHOPS {
            let [id, ..] = Self::names(n);
            let decisions = results.decisions.get(&id).map_or(&[][..], Vec::as_slice);
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

    /// Checks that every dead letter of an input holds the key and the value of the record that its headers name.
    fn check_dead(&self, results: &Results) {
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
        for Dead { record, headers } in &results.dead {
            assert_eq!(headers["pipeline"], self.name, "{headers:?}");
            assert!(!headers["detail"].is_empty(), "{headers:?}");
            // A dead letter of a later stage has no offset: in a repartition topic many rows share a record.
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
