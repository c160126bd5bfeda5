//! Features over payments, logins, password changes and labels, computed naively from lists of all records, in the order in which
//! records of history are merged.

use riskstream_events::FeatureValue;
use riskstream_pipeline::partitioner::partition;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub const PAYMENTS: usize = 0;
pub const LABELS: usize = 1;
pub const LOGINS: usize = 2;
pub const CHANGES: usize = 3;

/// Of both entities, in microseconds.
pub const HOUR: i64 = 3_600_000_000;
pub const LATENESS: i64 = 2 * HOUR;
pub const DEDUPE: i64 = 2 * HOUR;

/// A record of any input.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub input: usize,
    pub id: String,
    /// Microseconds.
    pub time: i64,
    pub customer: Option<String>,
    pub terminal: Option<String>,
    pub device: Option<String>,
    pub succeeded: bool,
    pub attempt: i64,
    pub fraud: bool,
}

impl Record {
    /// Its key on its topic.
    pub fn key(&self) -> &str {
        self.customer.as_deref().unwrap_or(&self.id)
    }

    pub fn json(&self) -> String {
        let time = self.time / 1000;
        let text = |text: &Option<String>| text.as_ref().map_or("null".to_owned(), |text| format!("\"{text}\""));
        let (id, customer, terminal) = (&self.id, text(&self.customer), text(&self.terminal));
        let device = text(&self.device);
        let (succeeded, attempt, fraud) = (self.succeeded, self.attempt, self.fraud);
        match self.input {
            PAYMENTS => format!(r#"{{"id":"{id}","time":{time},"customer":{customer},"terminal":{terminal}}}"#),
            LABELS => format!(r#"{{"id":"{id}","known_at":{time},"customer":{customer},"fraud":{fraud}}}"#),
            LOGINS => format!(
                r#"{{"login_id":"{id}","time":{time},"customer":{customer},"terminal":{terminal},"device":{device},"succeeded":{succeeded},"attempt":{attempt}}}"#
            ),
            _ => format!(r#"{{"change_id":"{id}","time":{time},"customer":{customer}}}"#),
        }
    }
}

/// A condition as text and as what it means.
pub type Condition = (&'static str, fn(&Record) -> bool);

/// The conditions that features may have.
pub const CONDITIONS: [Condition; 5] = [
    ("succeeded", |record| record.succeeded),
    ("!succeeded", |record| !record.succeeded),
    ("attempt > 2", |record| record.attempt > 2),
    ("device == \"d1\"", |record| record.device.as_deref() == Some("d1")),
    ("attempt <= 1 || device == \"d2\"", |record| {
        record.attempt <= 1 || record.device.as_deref() == Some("d2")
    }),
];

/// A feature.
#[derive(Clone, Debug)]
pub struct Feature {
    pub name: String,
    /// 0 for the customer, 1 for the terminal.
    pub stage: usize,
    pub input: usize,
    pub aggregation: &'static str,
    /// Microseconds; unlimited without.
    pub window: Option<i64>,
    pub delay: i64,
    /// Its place among [`CONDITIONS`].
    pub condition: Option<usize>,
}

impl Feature {
    pub fn yaml(&self) -> String {
        let entity = ["customer", "terminal"][self.stage];
        let input = ["transactions", "labels", "logins", "password_changes"][self.input];
        let what = match self.aggregation {
            aggregation @ ("count" | "time_since_last") => format!("{aggregation}: {input}"),
            aggregation @ ("sum" | "mean") => format!("{aggregation}: attempt, of: {input}"),
            "share" => format!("mean: fraud, of: {input}"),
            aggregation => format!("{aggregation}: device, of: {input}"),
        };
        let seconds = |micros: i64| format!("{}s", micros / 1_000_000);
        let window = self.window.map_or("unlimited".to_owned(), seconds);
        let condition = self
            .condition
            .map_or(String::new(), |at| format!(", when: '{}'", CONDITIONS[at].0));
        format!(
            "  {}: {{entity: {entity}, {what}, window: {window}, delay: {}{condition}}}\n",
            self.name,
            seconds(self.delay)
        )
    }

    /// Its value as of a payment; `entries` are those of its entity and input that came before the payment and with it.
    fn of(&self, payment: &Record, entries: &[&Record]) -> FeatureValue {
        let until = payment.time - self.delay;
        let after = self.window.map_or(i64::MIN, |window| until - window);
        let is_itself = |entry: &Record| entry.input == PAYMENTS && entry.id == payment.id;
        let mut within: Vec<&Record> = entries
            .iter()
            .copied()
            .filter(|entry| entry.time > after && entry.time <= until)
            .filter(|entry| self.condition.is_none_or(|at| CONDITIONS[at].1(entry)))
            .filter(|entry| self.aggregation != "time_since_last" || !is_itself(entry))
            .collect();
        within.sort_by_key(|entry| entry.time);
        let attempts: i64 = within.iter().map(|entry| entry.attempt).sum();
        let devices: Vec<&String> = within.iter().filter_map(|entry| entry.device.as_ref()).collect();
        let count = within.len() as f64;
        let float = |value: Option<f64>| value.map_or(FeatureValue::Null(()), FeatureValue::Float);
        match self.aggregation {
            "count" => FeatureValue::Int(within.len() as i64),
            "sum" => FeatureValue::Float(attempts as f64),
            "mean" => float((!within.is_empty()).then(|| attempts as f64 / count)),
            "share" => {
                let frauds = within.iter().filter(|entry| entry.fraud).count();
                float((!within.is_empty()).then(|| frauds as f64 / count))
            }
            "distinct" => FeatureValue::Int(devices.iter().collect::<BTreeSet<_>>().len() as i64),
            "last" => devices
                .last()
                .map_or(FeatureValue::Null(()), |device| FeatureValue::Text((*device).clone())),
            "time_since_last" => float(within.last().map(|last| (payment.time - last.time) as f64 / 1e6)),
            other => unreachable!("{other}"),
        }
    }
}

/// A record on its way: the watermark of its source, the number of its source, and its number in it.
#[derive(Clone)]
struct Sent<'r> {
    watermark: i64,
    source: usize,
    number: usize,
    record: &'r Record,
}

/// Every payment's features by its id and their names, of records that were sent in this order to topics with so many partitions.
/// Also how many logins and changes were duplicates or too late somewhere.
pub fn expected(
    records: &[Record],
    features: &[Feature],
    partitions: i32,
) -> (BTreeMap<String, BTreeMap<String, FeatureValue>>, [usize; 2]) {
    let terminals: HashMap<&str, &String> = records
        .iter()
        .filter(|record| record.input == PAYMENTS)
        .map(|record| {
            (
                record.id.as_str(),
                record.terminal.as_ref().expect("payments have terminals"),
            )
        })
        .collect();
    let completed: Vec<Record> = records
        .iter()
        .map(|record| match record.input {
            LABELS => Record {
                terminal: Some(terminals[record.id.as_str()].clone()),
                ..record.clone()
            },
            _ => record.clone(),
        })
        .collect();
    let mut values: BTreeMap<String, BTreeMap<String, FeatureValue>> = BTreeMap::new();
    let mut odd = [0, 0];
    let mut sent = at_ingest(&completed, partitions);
    for stage in 0..2 {
        sent = at_stage(stage, sent, features, partitions, &mut values, &mut odd);
    }
    (values, odd)
}

fn at_ingest(records: &[Record], partitions: i32) -> Vec<Sent<'_>> {
    let mut watermarks: HashMap<usize, i64> = HashMap::new();
    let sent = records.iter().enumerate().map(|(number, record)| {
        let of_topic = partition(record.key().as_bytes(), partitions) as usize;
        let source = record.input * 100 + of_topic;
        let watermark = watermarks.entry(source).or_insert(i64::MIN);
        *watermark = record.time.max(*watermark);
        Sent {
            watermark: *watermark,
            source,
            number,
            record,
        }
    });
    sent.collect()
}

/// The records of the entities of a stage, by entity and input.
type Logs<'r> = HashMap<(String, usize), Vec<&'r Record>>;

fn at_stage<'r>(
    stage: usize,
    mut sent: Vec<Sent<'r>>,
    features: &[Feature],
    partitions: i32,
    values: &mut BTreeMap<String, BTreeMap<String, FeatureValue>>,
    odd: &mut [usize; 2],
) -> Vec<Sent<'r>> {
    sent.sort_by_key(|sent| (sent.watermark, sent.source, sent.number));
    let mut latest = vec![i64::MIN; partitions as usize];
    let mut logs: Logs<'r> = HashMap::new();
    let mut passed = Vec::new();
    for (number, sent) in sent.into_iter().enumerate() {
        let record = sent.record;
        let is_payment = record.input == PAYMENTS;
        let key = [&record.customer, &record.terminal][stage];
        let of_topic = partition(key.as_deref().unwrap_or(&record.id).as_bytes(), partitions) as usize;
        if record.input != CHANGES && record.terminal.is_some() {
            passed.push(Sent {
                source: of_topic,
                number,
                ..sent
            });
        }
        let Some(key) = key else { continue };
        let stream = match is_payment {
            true => latest[of_topic].max(record.time),
            false => latest[of_topic],
        };
        let log = logs.entry((key.clone(), record.input)).or_default();
        let since = stream.saturating_sub(DEDUPE).max(record.time.saturating_sub(DEDUPE));
        let is_same =
            |other: &&Record| other.id == record.id && other.time > since && other.time < record.time + DEDUPE;
        if !is_payment && log.iter().any(is_same) {
            odd[0] += 1;
            continue;
        }
        if record.time < stream.saturating_sub(LATENESS) {
            assert!(!is_payment, "no payment is too late here");
            odd[1] += 1;
            continue;
        }
        log.push(record);
        if is_payment {
            latest[of_topic] = stream;
            let of_payment = values.entry(record.id.clone()).or_default();
            for feature in features.iter().filter(|feature| feature.stage == stage) {
                let entries = logs.get(&(key.clone(), feature.input)).map_or(&[][..], Vec::as_slice);
                of_payment.insert(feature.name.clone(), feature.of(record, entries));
            }
        }
    }
    passed
}
