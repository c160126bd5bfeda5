//! The state of a stage alone: events in, features out; written or forgotten.

use crate::shop::{CUSTOMER, Shop, TRANSACTIONS};
use riskstream_events::Value;
use riskstream_features::state::{MemoryState, StateStore};
use riskstream_pipeline::driver::MemoryStores;
use riskstream_pipeline::log::TopicIdentity;
use riskstream_pipeline::progress::SourceProgress;
use riskstream_pipeline::{StageState, Stores};

/// Applies a payment of the customer; how many there are within a day.
fn payments(shop: &mut Shop, state: &mut StageState, id: &str, second: i64) -> Value {
    let mut event = shop.event(TRANSACTIONS, id, second);
    state.apply(&mut shop.engine, &mut event).unwrap();
    let (_, slot) = shop
        .plan()
        .decide
        .features
        .iter()
        .find(|(name, _)| name == "payments")
        .unwrap();
    event.row[*slot].clone()
}

#[test]
fn what_was_not_written_is_forgotten() {
    let mut shop = Shop::new();
    let mut state = StageState::new(
        &shop.compiled.plan,
        CUSTOMER,
        Box::new(MemoryState::default()),
        TopicIdentity::default(),
    );
    assert_eq!(payments(&mut shop, &mut state, "a", 1), Value::Int(1));
    let progress = SourceProgress {
        watermark: 1,
        sequence: 1,
        ..SourceProgress::default()
    };
    state.collect(progress.clone());
    state.write(1).unwrap();
    assert_eq!(payments(&mut shop, &mut state, "b", 2), Value::Int(2));
    assert_eq!(payments(&mut shop, &mut state, "c", 3), Value::Int(3));
    state.collect(SourceProgress::default());
    assert_eq!(state.restore().unwrap(), progress);
    assert_eq!(state.stream_time(), 1_000_000);
    assert_eq!(payments(&mut shop, &mut state, "c", 3), Value::Int(2));
}

#[test]
fn what_was_written_is_found_by_a_successor() {
    let mut shop = Shop::new();
    let mut stores = MemoryStores::default();
    let mut state = StageState::new(
        &shop.compiled.plan,
        CUSTOMER,
        stores.open("customer", 0, "").unwrap(),
        TopicIdentity::default(),
    );
    payments(&mut shop, &mut state, "a", 1);
    state.collect(SourceProgress::default());
    state.write(7).unwrap();
    drop(state);
    let store = stores.open("customer", 0, "").unwrap();
    assert_eq!(store.position().unwrap(), Some(7));
    let mut state = StageState::new(&shop.compiled.plan, CUSTOMER, store, TopicIdentity::default());
    state.restore().unwrap();
    assert_eq!(state.cached_entities(), 0, "entities are read when they are needed");
    assert_eq!(payments(&mut shop, &mut state, "b", 2), Value::Int(2));
}

#[test]
fn what_does_not_fit_is_spilled_and_read_again() {
    let mut shop = Shop::new();
    let mut stores = MemoryStores::default();
    let store = stores.open("customer", 0, "").unwrap();
    let mut state = StageState::new(&shop.compiled.plan, CUSTOMER, store, TopicIdentity::default());
    assert_eq!(payments(&mut shop, &mut state, "a", 1), Value::Int(1));
    // Everything fits: nothing leaves memory.
    state.spill(1).unwrap();
    assert_eq!(state.cached_entities(), 1);
    assert_eq!(payments(&mut shop, &mut state, "b", 2), Value::Int(2));
    // Nothing fits.
    state.spill(0).unwrap();
    assert_eq!(state.cached_entities(), 0);
    assert!(state.stored_bytes() > 0);
    assert_eq!(payments(&mut shop, &mut state, "c", 3), Value::Int(3));
    state.spill(0).unwrap();
    assert_eq!(
        payments(&mut shop, &mut state, "c", 3),
        Value::Int(3),
        "ids are remembered on disk"
    );
    assert_eq!(state.stream_time(), 3_000_000);
    // What was spilled is the state of no position, so no task takes it for its own.
    assert_eq!(stores.open("customer", 0, "").unwrap().position().unwrap(), Some(-1));
}

#[test]
fn a_spill_writes_what_was_changed_once() {
    let mut shop = Shop::new();
    let mut stores = MemoryStores::default();
    let store = stores.open("customer", 0, "").unwrap();
    let mut state = StageState::new(&shop.compiled.plan, CUSTOMER, store, TopicIdentity::default());
    payments(&mut shop, &mut state, "a", 1);
    state.spill(0).unwrap();
    let stored = |stores: &MemoryStores| stores.state("customer", 0).unwrap().scan(b"").unwrap();
    let first = stored(&stores);
    state.spill(0).unwrap();
    assert_eq!(stored(&stores), first);
}
