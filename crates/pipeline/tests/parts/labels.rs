//! Labels that come before their transactions wait for them in the state of the first stage.

use crate::shop::{CUSTOMER, LABELS, SECOND, Shop, TRANSACTIONS, label};
use riskstream_engine::{Event, StageError};
use riskstream_events::{Flags, ReasonCode, Value};
use riskstream_features::state::{StateError, StateStore, StateWrites};
use riskstream_pipeline::driver::MemoryStores;
use riskstream_pipeline::log::TopicIdentity;
use riskstream_pipeline::progress::SourceProgress;
use riskstream_pipeline::{Applied, StageState, Stores, WaitedLabel};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// The first stage, in which labels wait for an hour.
struct Stage {
    shop: Shop,
    stores: MemoryStores,
    state: StageState,
}

impl Stage {
    fn new() -> Stage {
        let shop = Shop::with_incomplete_labels();
        let mut stores = MemoryStores::default();
        let state = open(&shop, &mut stores);
        Stage { shop, stores, state }
    }

    fn write(&mut self) {
        self.state.collect(SourceProgress::default());
        self.state.write(1).unwrap();
    }

    /// A successor with the state as of the last write.
    fn restart(&mut self) {
        self.state = open(&self.shop, &mut self.stores);
        self.state.restore().unwrap();
    }

    fn apply(&mut self, event: &mut Event) -> Result<Applied, StageError> {
        self.state.apply(&mut self.shop.engine, event)
    }

    /// Applies a label of customer `c`: whether it waits.
    fn waits(&mut self, id: &str, second: i64) -> bool {
        let mut label = self.shop.event(LABELS, id, second);
        self.apply(&mut label).unwrap() == Applied::Later
    }

    /// Applies a payment of customer `c`: the ids of labels that no longer wait after it, and why they cannot be used.
    fn pay(&mut self, id: &str, second: i64) -> Vec<(String, Option<ReasonCode>)> {
        results(&self.labels_after(id, second))
    }

    fn labels_after(&mut self, id: &str, second: i64) -> Vec<WaitedLabel> {
        let mut payment = self.shop.event(TRANSACTIONS, id, second);
        assert_eq!(self.apply(&mut payment).unwrap(), Applied::Now);
        let engine = &mut self.shop.engine;
        std::iter::from_fn(|| self.state.next_label(engine).unwrap()).collect()
    }

    /// Number of values of waiting labels in the store.
    fn stored(&self) -> usize {
        self.stores.state("customer", 0).unwrap().scan(b"w").unwrap().len()
    }

    fn value(&self, event: &Event, name: &str) -> Value {
        let slot = self.shop.plan().slots.iter().position(|slot| slot.name == name);
        event.row[slot.unwrap()].clone()
    }

    /// The number of the customer's frauds as of a payment.
    fn frauds(&mut self, id: &str, second: i64) -> Value {
        let mut payment = self.shop.event(TRANSACTIONS, id, second);
        self.apply(&mut payment).unwrap();
        self.value(&payment, "frauds")
    }
}

fn open(shop: &Shop, stores: &mut MemoryStores) -> StageState {
    let store = stores.open("customer", 0, "").unwrap();
    StageState::new(shop.plan(), CUSTOMER, store, TopicIdentity::default())
}

fn results(labels: &[WaitedLabel]) -> Vec<(String, Option<ReasonCode>)> {
    let result = |(_, applied): &WaitedLabel| applied.as_ref().err().map(|rejection| rejection.code);
    let labels = labels.iter();
    labels
        .map(|waited| (waited.0.id().to_owned(), result(waited)))
        .collect()
}

const UNKNOWN: Option<ReasonCode> = Some(ReasonCode::UnknownTransaction);

#[test]
fn an_early_label_is_completed_when_its_transaction_comes() {
    let mut stage = Stage::new();
    assert!(stage.waits("a", 3 * DAY));
    assert_eq!(stage.state.waiting_labels(), 1);
    assert_eq!(stage.pay("b", DAY - 9), []);
    let labels = stage.labels_after("a", DAY);
    assert_eq!(results(&labels), [("a".to_owned(), None)]);
    let label = &labels[0].0;
    assert_eq!(stage.value(label, "terminal"), Value::Text("t".into()));
    assert_eq!((label.event_time(), label.watermark), (3 * DAY * SECOND, DAY * SECOND));
    assert_eq!(stage.state.waiting_labels(), 0);
    assert_eq!(stage.frauds("c", 3 * DAY - 1), Value::Int(0), "not known yet");
    assert_eq!(stage.frauds("d", 3 * DAY), Value::Int(1));
}

#[test]
fn labels_of_one_transaction_are_applied_in_the_order_of_their_times() {
    let mut stage = Stage::new();
    for hours in [26, 1, 1, 30] {
        assert!(stage.waits("a", DAY + hours * HOUR));
    }
    stage.write();
    let labels = stage.labels_after("a", DAY);
    let hours = |(label, _): &WaitedLabel| label.event_time() / SECOND / HOUR - 24;
    assert_eq!(labels.iter().map(hours).collect::<Vec<_>>(), [1, 1, 26, 30]);
    let repeats = |(label, _): &WaitedLabel| label.flags.contains(Flags::DUPLICATE);
    let repeats: Vec<bool> = labels.iter().map(repeats).collect();
    assert_eq!(repeats, [false, true, false, true], "within a day of another one");
    stage.write();
    assert_eq!(stage.stored(), 0);
}

#[test]
fn a_label_of_another_entity_waits_in_vain_and_leaves_the_state() {
    let mut stage = Stage::new();
    let other = String::from_utf8(label("a", DAY))
        .unwrap()
        .replace(r#""c""#, r#""other""#);
    let mut other = stage.shop.decoded(LABELS, other.as_bytes());
    assert_eq!(stage.apply(&mut other).unwrap(), Applied::Later);
    stage.write();
    assert!(stage.stored() > 0);
    assert_eq!(stage.pay("a", DAY), []);
    assert_eq!(stage.pay("b", DAY + HOUR), [], "it may still come");
    assert_eq!(stage.pay("c", DAY + 2 * HOUR), [("a".to_owned(), UNKNOWN)]);
    assert_eq!(stage.state.waiting_labels(), 0);
    stage.write();
    assert_eq!(stage.stored(), 0);
    assert_eq!(stage.pay("d", DAY + 2 * HOUR), []);
}

/// Labels expire together once an hour, but none of them is used beyond its own time.
#[test]
fn a_label_is_not_used_once_its_time_is_over() {
    let mut stage = Stage::new();
    assert!(stage.waits("a", DAY + 10) && stage.waits("b", DAY + 20));
    assert_eq!(stage.pay("a", DAY + HOUR + 10), [("a".to_owned(), None)]);
    assert_eq!(stage.pay("b", DAY + HOUR + 21), [("b".to_owned(), UNKNOWN)]);
    let mut overdue = stage.shop.event(LABELS, "c", DAY);
    let Err(StageError::Rejected(rejection)) = stage.apply(&mut overdue) else {
        panic!("it waits");
    };
    assert_eq!(rejection.code, ReasonCode::UnknownTransaction);
}

/// A label may be dated before its transaction, as clocks differ.
#[test]
fn a_label_from_before_its_transaction_counts_after_it() {
    let mut stage = Stage::new();
    stage.pay("a", DAY);
    assert!(stage.waits("b", DAY - 60));
    assert_eq!(stage.pay("b", DAY), [("b".to_owned(), None)]);
    assert_eq!(stage.frauds("c", DAY), Value::Int(1));
}

#[test]
fn a_label_waits_on_if_its_transaction_came_too_late_to_be_kept() {
    let mut stage = Stage::new();
    stage.pay("a", 3 * DAY);
    assert!(stage.waits("b", 3 * DAY));
    assert_eq!(stage.pay("b", DAY), []);
    assert_eq!(stage.state.waiting_labels(), 1);
    assert_eq!(stage.pay("c", 4 * DAY), [("b".to_owned(), UNKNOWN)]);
}

#[test]
fn waiting_labels_are_part_of_the_state() {
    let mut stage = Stage::new();
    assert!(stage.waits("a", 2 * DAY) && stage.waits("b", 2 * DAY));
    stage.write();
    assert!(stage.waits("c", 2 * DAY));
    assert_eq!(stage.pay("a", DAY).len(), 1);
    // An aborted batch: all of it is done again.
    stage.state.restore().unwrap();
    assert_eq!(stage.state.waiting_labels(), 2);
    assert_eq!(stage.pay("a", DAY).len(), 1);
    assert_eq!(stage.pay("c", DAY), []);
    stage.write();
    stage.restart();
    assert_eq!(stage.state.waiting_labels(), 1);
    assert_eq!(stage.pay("b", DAY), [("b".to_owned(), None)]);
    assert_eq!(stage.pay("a", DAY), [], "it was given back before");
}

#[test]
fn labels_that_wait_at_the_end_of_all_transactions_are_given_back() {
    let mut stage = Stage::new();
    for id in ["a", "b", "c"] {
        assert!(stage.waits(id, 2 * DAY));
    }
    stage.pay("b", DAY);
    let mut rest = Vec::new();
    while stage.state.give_up_labels().unwrap() {
        let engine = &mut stage.shop.engine;
        rest.extend(std::iter::from_fn(|| stage.state.next_label(engine).unwrap()));
    }
    assert_eq!(results(&rest), [("a".to_owned(), UNKNOWN), ("c".to_owned(), UNKNOWN)]);
}

#[test]
fn a_damaged_label_is_an_error() {
    let mut stage = Stage::new();
    assert!(stage.waits("a", 2 * DAY));
    stage.write();
    let mut store = stage.stores.open("customer", 0, "").unwrap();
    let labels = store.scan(b"wt").unwrap();
    let (key, bytes) = &labels[0];
    for damage in 0..bytes.len() {
        for damaged in [
            bytes[..damage].to_vec(),
            [&bytes[..damage], &[0xff], &bytes[damage + 1..]].concat(),
        ] {
            let mut writes = StateWrites::default();
            writes.put(key, |value| value.extend_from_slice(&damaged));
            store.write(&writes, 1).unwrap();
            stage.restart();
            let mut payment = stage.shop.event(TRANSACTIONS, "a", DAY);
            match stage.apply(&mut payment) {
                Ok(Applied::Now) | Err(StageError::State(StateError::Corrupt { .. })) => {}
                other => panic!("{other:?} for byte {damage}"),
            }
        }
    }
}
