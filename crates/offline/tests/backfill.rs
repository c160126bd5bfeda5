//! Backfills compute what the service computes, to the last bit, also when entities do not fit the cache.
mod common;

use common::{Collected, backfill, input, options, served};
use riskstream_definition::{Compiled, Style, compile, load};
use riskstream_engine::Engine;
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use riskstream_features::state::{StateError, StateStore, StateWrites, Visit};
use riskstream_offline::backfill::{Backfill, Order, Partitions};
use riskstream_pipeline::Stores;
use riskstream_pipeline::driver::MemoryStores;
use riskstream_pipeline::stop_reason::StopReason;
use riskstream_simulator::{SimulatedEvent, Simulator, SimulatorConfig};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The demo's pipeline and its records: transactions, a part of them out of order, and labels.
fn simulated() -> (Compiled, Vec<Vec<Vec<u8>>>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/card-fraud.yaml");
    let compiled = load(&path, &|_| None).unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
    let config = SimulatorConfig {
        customers: 80,
        terminals: 60,
        days: 25,
        seed: 5,
        ..SimulatorConfig::default()
    };
    let mut inputs = vec![Vec::new(), Vec::new()];
    for event in Simulator::new(config).unwrap() {
        let input = usize::from(matches!(event, SimulatedEvent::Label(_)));
        inputs[input].push(serde_json::to_vec(&event).unwrap());
    }
    for transactions in inputs[0].chunks_mut(17) {
        transactions.swap(0, transactions.len() - 1);
    }
    inputs[0].insert(5, b"no transaction".to_vec());
    (compiled, inputs)
}

#[test]
fn a_backfill_equals_the_service_to_the_last_bit() {
    let (compiled, inputs) = simulated();
    let files = inputs.iter().cloned().enumerate();
    let files = files.map(|(index, lines)| input(&compiled, index, lines)).collect();
    let (summary, found) = backfill(&compiled, &mut MemoryStores::default(), files, options(Order::Arrival));
    let one = Partitions {
        inputs: vec![1, 1],
        stages: vec![Some(1), Some(1)],
    };
    let records = |lines: &Vec<Vec<u8>>| lines.iter().map(|line| (String::new(), line.clone())).collect();
    let (expected, dead_letters) = served(&compiled, &inputs.iter().map(records).collect::<Vec<_>>(), &one);
    assert_eq!(dead_letters, 1);
    assert!(expected.len() > 3_000);
    assert!(expected.iter().any(|decision| decision.late_by_ms.is_some()));
    assert_eq!(found.decisions.len(), expected.len());
    for (found, expected) in found.decisions.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.rejected, [(0, 6)]);
    let records = inputs.iter().map(Vec::len).sum::<usize>() as u64;
    assert_eq!(
        (summary.records, summary.decided, summary.rejected),
        (records, expected.len() as u64, 1)
    );
}

#[test]
fn a_backfill_that_is_ended_says_how_far_it_came() {
    let (compiled, mut inputs) = simulated();
    let files = vec![input(&compiled, 0, inputs.remove(0))];
    let mut collected = Collected {
        compiled: &compiled,
        decisions: Vec::new(),
        rejected: Vec::new(),
    };
    let mut engine = Engine::new(Arc::clone(&compiled.plan));
    let (set, mut stores) = (Arc::clone(&compiled.decision), MemoryStores::default());
    let options = options(Order::EventTime);
    let backfill = Backfill::new(&mut engine, set, &mut stores, files, options, &mut collected).unwrap();
    let summary = backfill.run(&mut |summary| summary.decided == 0).unwrap();
    assert_eq!((summary.decided, collected.decisions.len()), (1024, 1024));
}

const EARLY: &str = "
name: early
inputs:
  transactions:
    topic: transactions
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, terminal: text}
  labels:
    topic: labels
    id: id
    event_time: known_at
    fields: {id: text, known_at: timestamp, customer: text, fraud: bool}
entities: {customer: {key: customer}, terminal: {key: terminal}}
features:
  payments: {entity: customer, count: transactions, window: 1d}
  frauds: {entity: terminal, count: labels, window: 1d, when: fraud}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

/// A label that is dated before its transaction waits for it. What waits at the end is rejected.
#[test]
fn labels_wait_for_their_transactions_until_the_end_of_the_files() {
    let compiled = compile("early.yaml", EARLY, Path::new(""), &|_| None).unwrap();
    let payment = |id: &str, second: u64, customer: &str| {
        let time = 1_767_225_600_000 + second * 1000;
        format!(r#"{{"id":"{id}","time":{time},"customer":"{customer}","terminal":"t"}}"#).into_bytes()
    };
    let label = |id: &str, second: u64| {
        let time = 1_767_225_600_000 + second * 1000;
        format!(r#"{{"id":"{id}","known_at":{time},"customer":"c","fraud":true}}"#).into_bytes()
    };
    let payments = vec![payment("a", 10, "c"), payment("b", 20, "c"), payment("c", 30, "other")];
    let labels = vec![label("a", 5), label("nobody knows", 15), label("b", 25)];
    let files = vec![input(&compiled, 0, payments), input(&compiled, 1, labels)];
    let (summary, found) = backfill(
        &compiled,
        &mut MemoryStores::default(),
        files,
        options(Order::EventTime),
    );
    let frauds = |decision: &OwnedDecisionRecord| {
        let feature = decision.features.iter().find(|(name, _)| name == "frauds");
        feature.map(|(_, value)| value.clone())
    };
    let found_frauds: Vec<_> = found.decisions.iter().map(frauds).collect();
    let expected = [0, 1, 2].map(|count| Some(FeatureValue::Int(count)));
    assert_eq!(found_frauds, expected);
    assert_eq!(found.rejected, [(1, 2)]);
    assert_eq!((summary.records, summary.decided, summary.rejected), (6, 3, 1));
}

/// Records are sorted, so only a label that is dated long before its transaction can be later than lateness.
#[test]
fn labels_beyond_lateness_are_counted() {
    const DAY: u64 = 86_400;
    let compiled = compile("early.yaml", EARLY, Path::new(""), &|_| None).unwrap();
    let time = |second: u64| 1_767_225_600_000 + second * 1000;
    let payment = |id: &str, second| {
        let time = time(second);
        format!(r#"{{"id":"{id}","time":{time},"customer":"c","terminal":"t"}}"#).into_bytes()
    };
    let label = |id: &str, second| {
        let time = time(second);
        format!(r#"{{"id":"{id}","known_at":{time},"customer":"c","fraud":true}}"#).into_bytes()
    };
    let payments = vec![payment("a", 10), payment("b", 2 * DAY), payment("c", 2 * DAY + 1)];
    for (second, expected) in [(DAY - 1, vec![(1, 1)]), (DAY, vec![])] {
        let files = vec![
            input(&compiled, 0, payments.clone()),
            input(&compiled, 1, vec![label("b", second)]),
        ];
        let stores = &mut MemoryStores::default();
        let (summary, found) = backfill(&compiled, stores, files, options(Order::EventTime));
        assert_eq!(summary.too_late_labels, BTreeMap::from_iter(expected));
        assert_eq!((summary.late, summary.too_late), (0, 0));
        assert_eq!(found.rejected, []);
    }
}

const MANY_ENTITIES: &str = "
name: many
inputs:
  transactions:
    topic: transactions
    id: id
    event_time: time
    fields: {id: int, time: timestamp, customer: int, terminal: int, amount: float}
entities: {customer: {key: customer}, terminal: {key: terminal}}
features:
  payments: {entity: customer, count: transactions, window: 30d}
  mean: {entity: customer, mean: amount, window: 30d}
  visits: {entity: terminal, count: transactions, window: 30d}
  largest: {entity: terminal, max: amount, window: 30d}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

/// Stores that count how many values are read.
#[derive(Default)]
struct CountingStores {
    stores: MemoryStores,
    found: Arc<AtomicUsize>,
}

struct CountingStore {
    store: Box<dyn StateStore>,
    found: Arc<AtomicUsize>,
}

impl Stores for CountingStores {
    fn open(&mut self, stage: &str, partition: i32, fingerprint: &str) -> Result<Box<dyn StateStore>, StopReason> {
        Ok(Box::new(CountingStore {
            store: self.stores.open(stage, partition, fingerprint)?,
            found: Arc::clone(&self.found),
        }))
    }
}

impl StateStore for CountingStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let value = self.store.get(key)?;
        self.found.fetch_add(usize::from(value.is_some()), Ordering::Relaxed);
        Ok(value)
    }

    fn visit(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), StateError> {
        self.store.visit(prefix, visit)
    }

    fn position(&self) -> Result<Option<i64>, StateError> {
        self.store.position()
    }

    fn write(&mut self, writes: &StateWrites, position: i64) -> Result<(), StateError> {
        self.store.write(writes, position)
    }

    fn size(&self) -> u64 {
        self.store.size()
    }
}

#[test]
fn entities_beyond_the_cache_are_kept_in_the_stores() {
    let lines: Vec<Vec<u8>> = (0..130_000u64)
        .map(|id| {
            let (customer, terminal) = (id * 7919 % 20_011, id * 104_729 % 5_003);
            let (time, amount) = (id * 1_000, id % 97);
            format!(r#"{{"id":{id},"time":{time},"customer":{customer},"terminal":{terminal},"amount":{amount}}}"#)
                .into_bytes()
        })
        .collect();
    let run = |cache: &str| {
        let text = format!("{MANY_ENTITIES}state: {{cache: {cache}}}\n");
        let compiled = compile("many.yaml", &text, Path::new("."), &|_| None).unwrap();
        let mut stores = CountingStores::default();
        let files = vec![input(&compiled, 0, lines.clone())];
        let (_, collected) = backfill(&compiled, &mut stores, files, options(Order::EventTime));
        let mut decisions = collected.decisions;
        decisions
            .iter_mut()
            .for_each(|decision| decision.pipeline_version.clear());
        (decisions, stores.found.load(Ordering::Relaxed))
    };
    let (all_in_memory, read) = run("1GiB");
    assert_eq!(read, 0);
    let (evicted, read) = run("64KiB");
    assert!(read > 20_000, "{read}");
    assert_eq!(evicted, all_in_memory);
}

/// Records of a topic that are no events, and event times in January 1970: seconds that are read as milliseconds.
#[test]
fn what_is_filtered_and_what_is_doubtful_is_counted() {
    const PIPELINE: &str = r#"
name: is_implausible
inputs:
  transactions:
    topic: payments
    where: kind == "sale"
    id: id
    event_time: at
    fields: {id: text, customer: text, at: timestamp, kind: text}
entities: {customer: {key: customer}}
features: {count_1d: {entity: customer, count: transactions, window: 1d}}
rules: [{name: busy, when: count_1d > 100, then: review}]
outputs: {decisions: decisions, dead_letters: dead-letters}
"#;
    let lines = [
        r#"{"id": "a", "customer": "C", "at": 1773480600000, "kind": "sale"}"#,
        r#"{"kind": "heartbeat"}"#,
        r#"{"id": "b", "customer": "C", "at": 1773480600, "kind": "sale"}"#,
        r#"{"id": "c", "customer": "C", "at": 1773480601, "kind": "sale"}"#,
        r#"{"id": "d", "at": 1773480600000, "kind": "sale"}"#,
    ];
    for (keys, doubtful, rejected) in [
        ("", 2, 1),
        ("min_time: 2020-01-01", 0, 3),
        ("min_time: 1970-01-01", 0, 1),
    ] {
        let source = PIPELINE.replace("topic: payments\n", &format!("topic: payments\n    {keys}\n"));
        let compiled = compile("doubts.yaml", &source, Path::new("."), &|_| None)
            .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
        let file = input(&compiled, 0, lines.map(|line| line.as_bytes().to_vec()));
        let (summary, _) = backfill(
            &compiled,
            &mut MemoryStores::default(),
            vec![file],
            options(Order::EventTime),
        );
        assert_eq!((summary.records, summary.filtered), (5, 1), "{keys}");
        assert_eq!(
            (summary.doubtful_times, summary.rejected),
            (doubtful, rejected),
            "{keys}"
        );
        assert_eq!(summary.first_doubtful, (doubtful > 0).then_some((0, 3)), "{keys}");
    }
}
