//! State and features, labels, flags, stream time.

use crate::shop::{DAY, HOUR, LABELS, MINUTE, NOON, SHOP, Shop, flags, slot, text};
use riskstream_engine::{StageError, StreamTime};
use riskstream_events::{Flags, ReasonCode, Value, write_key};
use riskstream_features::EntityStates;
use riskstream_features::state::{MemoryState, StateError, StateStore, StateWrites, Visit};
use std::sync::Arc;

#[test]
fn each_stage_adds_its_features() {
    let mut shop = Shop::new(SHOP);
    shop.pay("t1", NOON, 10.0);
    let event = shop.pay("t2", NOON + MINUTE, 30.0);
    assert_eq!(shop.value(&event, "payments"), Value::Int(2));
    assert_eq!(shop.value(&event, "spent"), Value::Float(40.0));
    assert_eq!(
        shop.value(&event, "doubled"),
        Value::Float(60.0),
        "of an expression that the stage computes before"
    );
    assert_eq!(shop.value(&event, "risk"), Value::Float(0.0));
    assert_eq!(
        shop.value(&event, "share"),
        Value::Null,
        "expressions of the decision come last"
    );
    let mut other = shop.payment("t3", NOON + MINUTE, "other", "t", 1.0);
    shop.apply(&mut other).unwrap();
    assert_eq!(shop.value(&other, "payments"), Value::Int(1), "entities are kept apart");
}

#[test]
fn an_event_without_a_key_passes_without_features() {
    let mut shop = Shop::new(SHOP);
    let mut event = shop.payment("t1", NOON, "c", "t", 10.0);
    let customer = slot(shop.plan(), "customer");
    event.row[customer] = Value::Null;
    shop.apply(&mut event).unwrap();
    assert_eq!(shop.value(&event, "payments"), Value::Null);
    assert_eq!(
        shop.value(&event, "risk"),
        Value::Float(0.0),
        "the other stage has its key"
    );
    assert_eq!(shop.stages[0].stream_time, StreamTime::default());
    let mut key = String::new();
    assert_eq!(shop.engine.key(0, &event, &mut key), None);
    assert_eq!(shop.engine.key(1, &event, &mut key), Some("t"));
}

#[test]
fn integers_and_their_decimal_texts_are_one_key() {
    let mut key = String::from("a former key");
    assert_eq!(write_key(&Value::Int(-42), &mut key), Some("-42"));
    assert_eq!(write_key(&text("-42"), &mut key), Some("-42"));
    for none in [Value::Null, Value::Bool(true), Value::Float(42.0), Value::Timestamp(42)] {
        assert_eq!(write_key(&none, &mut key), None);
    }
    let source = SHOP.replace("customer: text", "customer: int");
    let source = source.replace("customer == 'vip'", "customer == 1");
    let mut shop = Shop::new(&source);
    let customer = slot(shop.plan(), "customer");
    for (id, expected) in [("t1", 1), ("t2", 2)] {
        let mut event = shop.payment(id, NOON, "", "t", 10.0);
        event.row[customer] = Value::Int(42);
        shop.apply(&mut event).unwrap();
        assert_eq!(shop.value(&event, "payments"), Value::Int(expected));
    }
}

#[test]
fn a_label_is_completed_from_its_transaction() {
    let mut shop = Shop::new(SHOP);
    shop.pay("t1", NOON, 10.0);
    let mut label = shop.label("t1", NOON + HOUR, "c", true);
    shop.apply(&mut label).unwrap();
    assert_eq!(shop.value(&label, "terminal"), text("t"));
    let before = shop.pay("t2", NOON + HOUR - MINUTE, 10.0);
    assert_eq!(shop.value(&before, "risk"), Value::Float(0.0), "not known at that time");
    let after = shop.pay("t3", NOON + HOUR, 10.0);
    assert_eq!(shop.value(&after, "risk"), Value::Float(1.0));
}

#[test]
fn a_label_of_an_unknown_transaction_is_rejected_and_changes_nothing() {
    let mut shop = Shop::new(SHOP);
    shop.pay("t1", NOON, 10.0);
    let stream_time = shop.stages[0].stream_time;
    for (id, customer) in [("t2", "c"), ("t1", "other")] {
        let mut label = shop.label(id, NOON + HOUR, customer, true);
        let Err(StageError::Rejected(rejection)) = shop.apply(&mut label) else {
            panic!("the label was applied");
        };
        assert_eq!(rejection.code, ReasonCode::UnknownTransaction);
    }
    assert_eq!(shop.stages[0].stream_time, stream_time);
    assert_eq!(
        shop.stages[1].stream_time, stream_time,
        "it did not come to the second stage"
    );
}

/// Labels that were loaded first do not make transactions too late, and count from their own time on.
#[test]
fn labels_do_not_move_stream_time() {
    let mut shop = Shop::new(SHOP);
    shop.pay("t1", NOON, 10.0);
    let mut label = shop.label("t1", NOON + 5 * DAY, "c", true);
    shop.apply(&mut label).unwrap();
    assert_eq!(shop.value(&label, "terminal"), text("t"));
    for stage in &shop.stages {
        let StreamTime { earliest, latest } = stage.stream_time;
        assert_eq!((earliest, latest), (NOON, NOON));
    }
    let before = shop.pay("t2", NOON + 2 * HOUR, 10.0);
    assert!(!before.flags.contains(Flags::TOO_LATE));
    assert_eq!(shop.value(&before, "payments"), Value::Int(2));
    assert_eq!(shop.value(&before, "risk"), Value::Float(0.0), "not known yet");
    let after = shop.pay("t3", NOON + 5 * DAY, 10.0);
    assert_eq!(shop.value(&after, "risk"), Value::Float(1.0));
}

#[test]
fn transactions_travel_everywhere_and_labels_to_the_last_stage_that_uses_them() {
    let shop = Shop::new(SHOP);
    let payment = shop.payment("t1", NOON, "c", "t", 1.0);
    let label = shop.label("t1", NOON, "c", true);
    assert!(shop.engine.travels(1, &payment) && shop.engine.travels(1, &label));
    let customers = Shop::new(&SHOP.replace("risk: {entity: terminal", "risk: {entity: customer"));
    let stages: Vec<&str> = customers
        .plan()
        .stages
        .iter()
        .map(|stage| stage.entity.as_str())
        .collect();
    assert_eq!(stages, ["customer"], "terminals have no features left");
    let two = SHOP.replace(
        "risk: {entity: terminal",
        "visits: {entity: terminal, count: transactions, window: 1d}\n  risk: {entity: customer",
    );
    let two = Shop::new(&two);
    let label = two.label("t1", NOON, "c", true);
    assert_eq!(label.input, LABELS);
    assert!(!two.engine.travels(1, &label));
}

#[test]
fn a_duplicate_has_the_features_of_the_first_and_counts_once() {
    let mut shop = Shop::new(SHOP);
    shop.pay("t1", NOON, 10.0);
    shop.pay("t2", NOON + MINUTE, 10.0);
    let again = shop.pay("t1", NOON, 10.0);
    assert!(again.flags.contains(Flags::DUPLICATE));
    assert_eq!(shop.value(&again, "payments"), Value::Int(1), "as of its own time");
    let next = shop.pay("t3", NOON + 2 * MINUTE, 10.0);
    assert!(!next.flags.contains(Flags::DUPLICATE));
    assert_eq!(shop.value(&next, "payments"), Value::Int(3));
}

#[test]
fn a_late_event_is_put_where_its_time_belongs_and_a_later_one_is_not_kept() {
    let mut shop = Shop::new(SHOP);
    shop.pay("t1", NOON, 10.0);
    shop.pay("t2", NOON + 2 * HOUR, 10.0);
    let late = shop.pay("t3", NOON + 2 * HOUR - 30 * MINUTE, 10.0);
    assert!(!late.flags.contains(Flags::TOO_LATE));
    assert_eq!(shop.value(&late, "payments"), Value::Int(2), "as of its own time");
    let stream_time = shop.stages[0].stream_time;
    let too_late = shop.pay("t4", NOON + 30 * MINUTE, 10.0);
    assert!(too_late.flags.contains(Flags::TOO_LATE));
    assert_eq!(
        shop.value(&too_late, "payments"),
        Value::Int(2),
        "scored as of its own time"
    );
    assert_eq!(shop.stages[0].stream_time, stream_time);
    let next = shop.pay("t5", NOON + 2 * HOUR, 10.0);
    assert_eq!(
        shop.value(&next, "payments"),
        Value::Int(4),
        "the one that came too late is not kept"
    );
}

#[test]
fn an_event_behind_its_sources_watermark_is_late() {
    let mut shop = Shop::new(SHOP);
    let mut event = shop.payment("t1", NOON, "c", "t", 10.0);
    assert_eq!(event.late_by(), 0);
    event.watermark = NOON + MINUTE;
    shop.apply(&mut event).unwrap();
    assert_eq!((event.late_by(), event.flags.contains(Flags::LATE)), (MINUTE, true));
    assert!(!shop.pay("t2", NOON, 10.0).flags.contains(Flags::LATE));
}

/// Payments of other partitions are in order in their own source, and are still seen to come after a later one.
#[test]
fn an_event_that_one_of_its_entities_has_a_later_one_of_is_late() {
    let mut shop = Shop::new(SHOP);
    shop.pay("t1", NOON, 10.0);
    for (customer, terminal, expected) in [("c", "u", true), ("d", "t", true), ("d", "u", false), ("e", "v", false)] {
        let id = format!("{customer} at {terminal}");
        let mut event = shop.payment(&id, NOON - MINUTE, customer, terminal, 10.0);
        shop.apply(&mut event).unwrap();
        assert_eq!(event.late_by(), 0);
        assert_eq!(event.flags.contains(Flags::LATE), expected, "{id}");
    }
}

#[test]
fn bootstrapping_ends_when_the_longest_window_lies_within_history() {
    let mut shop = Shop::new(SHOP);
    // A day at the customer's stage, seven at the terminal's.
    for (id, time, expected) in [
        ("t1", NOON, true),
        ("t2", NOON + DAY, true),
        ("t3", NOON + 7 * DAY - 1, true),
        ("t4", NOON + 7 * DAY, false),
    ] {
        let event = shop.pay(id, time, 10.0);
        assert_eq!(flags(&event).contains(&"bootstrapping"), expected, "{id}");
    }
    let first = &shop.stages[0].stream_time;
    assert_eq!((first.earliest, first.latest), (NOON, NOON + 7 * DAY));
}

/// What is in memory and what only in the store makes no difference.
#[test]
fn features_do_not_depend_on_what_is_in_memory() {
    let mut kept = Shop::new(SHOP);
    let mut written = Shop::new(SHOP);
    for number in 0..50 {
        let (id, time) = (format!("t{number}"), NOON + number * 40 * MINUTE);
        let amount = f64::from(number as i32);
        let expected = kept.pay(&id, time, amount);
        assert_eq!(written.pay(&id, time, amount).row, expected.row, "{id}");
        for stage in &mut written.stages {
            let mut writes = StateWrites::default();
            stage.states.collect(&mut writes);
            stage.store.write(&writes, number).unwrap();
            let features = Arc::clone(stage.states.features());
            stage.states = EntityStates::new(features);
        }
    }
}

/// A store that cannot be read.
struct Broken;

impl StateStore for Broken {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Err(StateError::Store("disk gone".into()))
    }

    fn visit(&self, _: &[u8], _: Visit<'_>) -> Result<(), StateError> {
        Err(StateError::Store("disk gone".into()))
    }

    fn position(&self) -> Result<Option<i64>, StateError> {
        Ok(None)
    }

    fn write(&mut self, _: &StateWrites, _: i64) -> Result<(), StateError> {
        unreachable!("the engine does not write")
    }

    fn size(&self) -> u64 {
        0
    }
}

#[test]
fn a_store_that_cannot_be_read_is_no_fault_of_the_event() {
    let mut shop = Shop::new(SHOP);
    let mut event = shop.payment("t1", NOON, "c", "t", 10.0);
    let stage = &mut shop.stages[0];
    let applied = shop
        .engine
        .apply(0, &mut stage.states, &Broken, &mut stage.stream_time, &mut event);
    assert!(matches!(applied, Err(StageError::State(StateError::Store(_)))));
    assert_eq!(stage.stream_time, StreamTime::default());
    stage.states.discard();
    let store = MemoryState::default();
    shop.engine
        .apply(0, &mut stage.states, &store, &mut stage.stream_time, &mut event)
        .expect("the batch is tried again with a store that works");
}
