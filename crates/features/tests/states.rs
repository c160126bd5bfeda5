//! Labels completed from their transactions, values that cannot enter state, stores that fail or return damaged
//! bytes, and the cache.

mod common;

use common::{ABROAD, AMOUNT, ITEMS, OUTPUT, SHOP, bytes, commit, feature, row, spill, states, types};
use proptest::prelude::*;
use riskstream_events::{Row, Value, ValueType};
use riskstream_features::state::{MemoryState, StateError, StateStore, StateWrites, Visit};
use riskstream_features::{
    Aggregation, ApplyError, EntityFeatures, EntitySpec, EntityStates, FeatureError, FeatureSpec, InputSpec,
    ValueReason,
};
use std::cell::Cell;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

fn counting() -> EntitySpec {
    common::spec(vec![
        feature(Aggregation::Count, None, Some(DAY)),
        feature(Aggregation::Sum, Some(AMOUNT), Some(30 * DAY)),
        feature(Aggregation::Max, Some(AMOUNT), Some(7 * DAY)),
    ])
}

fn payment(time: i64, id: &str, amount: f64) -> Row {
    let mut row = row(time, id, 3);
    row[AMOUNT] = Value::Float(amount);
    row
}

#[test]
fn a_label_is_completed_from_its_transaction_as_long_as_that_is_kept() {
    let spec = EntitySpec {
        carried: vec![SHOP, ITEMS, AMOUNT, ABROAD],
        keep: 40 * DAY,
        cache_bytes: 0,
        ..counting()
    };
    let mut states = states(&spec);
    let mut store = MemoryState::default();
    for day in 0..50 {
        let mut row = payment(day * DAY, &format!("t-{day}"), day as f64 / 4.0);
        row[SHOP] = Value::Text(format!("shop {day}").into());
        row[ITEMS] = if day % 2 == 0 { Value::Int(day) } else { Value::Null };
        row[ABROAD] = Value::Bool(day % 3 == 0);
        states.apply(&store, day * DAY, "card", 0, &mut row).expect("applied");
        commit(&mut states, &mut store);
    }
    let mut complete = |key: &str, id: &str| {
        let mut label = row(50 * DAY, id, 3);
        let found = states
            .complete(&store, key, id, 50 * DAY, &mut label)
            .expect("state can be read");
        found.then_some(label)
    };
    let label = complete("card", "t-20").expect("it is kept");
    assert_eq!(label[SHOP], Value::Text("shop 20".into()));
    assert_eq!(label[ITEMS], Value::Int(20));
    assert_eq!(label[AMOUNT], Value::Float(5.0));
    assert_eq!(label[ABROAD], Value::Bool(false));
    assert_eq!(complete("card", "t-49").expect("it is kept")[ITEMS], Value::Null);
    assert!(complete("card", "t-10").is_some(), "exactly within the forty days");
    assert!(complete("card", "t-9").is_none(), "older than transactions are kept");
    assert!(complete("card", "t-50").is_none());
    assert!(complete("another", "t-20").is_none());
}

#[test]
fn values_of_another_type_leave_everything_as_it_was() {
    let cases = [
        (AMOUNT, Value::Text("ten".into()), ValueReason::WrongType),
        (common::TIME, Value::Null, ValueReason::Missing),
        (common::TIME, Value::Float(0.0), ValueReason::WrongType),
    ];
    let mut states = states(&counting());
    let mut store = MemoryState::default();
    states
        .apply(&store, 0, "card", 0, &mut payment(0, "a", 1.0))
        .expect("applied");
    commit(&mut states, &mut store);
    let before = bytes(&store);
    for (slot, value, expected) in cases {
        let mut row = payment(1, "b", 1.0);
        row[slot] = value;
        let untouched = format!("{row:?}");
        match states.apply(&store, 1, "card", 0, &mut row) {
            Err(ApplyError::Value { slot: at, reason }) => assert_eq!((at, reason), (slot, expected)),
            other => panic!("{other:?} for {untouched}"),
        }
        assert_eq!(format!("{row:?}"), untouched);
    }
    commit(&mut states, &mut store);
    assert_eq!(bytes(&store), before);
}

#[test]
fn errors_are_found_all_at_once() {
    let bad = |aggregation, value, window| feature(aggregation, value, window);
    let spec = EntitySpec {
        carried: vec![99],
        ..common::spec(vec![
            bad(Aggregation::Sum, Some(SHOP), Some(DAY)),
            bad(Aggregation::Mean, None, Some(DAY)),
            bad(Aggregation::Distinct, Some(SHOP), None),
            bad(Aggregation::DecayedCount { half_life: DAY }, None, Some(DAY)),
            bad(Aggregation::Quantile(1.5), Some(AMOUNT), Some(DAY)),
            bad(Aggregation::LastK(0), Some(AMOUNT), Some(DAY)),
            bad(Aggregation::Count, None, Some(0)),
            FeatureSpec {
                delay: -1,
                ..bad(Aggregation::Count, None, Some(DAY))
            },
            FeatureSpec {
                input: 2,
                ..bad(Aggregation::Count, None, Some(DAY))
            },
            FeatureSpec {
                empty: Some(Value::Bool(true)),
                ..bad(Aggregation::Count, None, Some(DAY))
            },
        ])
    };
    let errors = EntityFeatures::compile(&spec, &types(10)).expect_err("the spec has errors");
    let texts: Vec<String> = errors.iter().map(FeatureError::to_string).collect();
    let expected = [
        "entity card: slot 99 (carried) is not in the row",
        "feature sum: no sum of text",
        "feature mean: mean needs a value",
        "feature distinct: distinct needs a window",
        "feature decayed_count: decayed_count takes a half-life in place of a window",
        "feature quantile: the quantile must lie between 0 and 1",
        "feature last_k: k must be at least 1",
        "feature count: the window must be longer than 0",
        "feature count: the delay must not be negative",
        "feature count: the entity has no input 2",
        "feature count: its value when empty must be int, as the feature is",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn sixty_four_flags_are_enough_for_an_input_and_more_are_refused() {
    let spec_of = |count: usize| {
        let features = (0..count)
            .map(|slot| feature(Aggregation::Last, Some(slot), Some(DAY)))
            .collect::<Vec<_>>();
        let input = InputSpec {
            event_time: 0,
            id: None,
        };
        EntitySpec {
            features,
            inputs: vec![input],
            ..EntitySpec::default()
        }
    };
    let types = vec![ValueType::Timestamp; 65];
    assert!(EntityFeatures::compile(&spec_of(64), &types).is_ok());
    assert!(EntityFeatures::compile(&spec_of(65), &types).is_err());
}

#[test]
fn state_of_other_features_is_refused_in_words() {
    let mut store = MemoryState::default();
    let mut old = states(&counting());
    old.apply(&store, 0, "card", 0, &mut payment(0, "a", 1.0))
        .expect("applied");
    commit(&mut old, &mut store);
    let mut spec = counting();
    spec.features[0].window = Some(2 * DAY);
    let error = states(&spec).apply(&store, 1, "card", 0, &mut payment(1, "b", 1.0));
    let error = error.expect_err("the state is another's").to_string();
    let expected =
        "state of an entity cannot be read: it was written for other features: windows, values or settings differ";
    assert_eq!(error, expected);
}

/// Format 1 was that of versions with another hash of ids and other sums.
#[test]
fn state_of_another_format_is_refused_in_words() {
    let mut store = MemoryState::default();
    let mut old = states(&counting());
    old.apply(&store, 0, "card", 0, &mut payment(0, "a", 1.0))
        .expect("applied");
    commit(&mut old, &mut store);
    let mut writes = StateWrites::default();
    for (key, value) in bytes(&store) {
        assert_eq!(value[0], 2, "the number of the format");
        writes.put(&key, |out| out.extend([1].iter().chain(&value[1..])));
    }
    store.write(&writes, 0).expect("memory can be written");
    let error = states(&counting()).apply(&store, 1, "card", 0, &mut payment(1, "b", 1.0));
    assert_eq!(
        error.expect_err("the state is another's").to_string(),
        "state of an entity cannot be read: another version wrote it, in another format: move the state away to rebuild it from the log"
    );
}

/// A store of which reading can be made to fail.
struct Failing {
    inner: MemoryState,
    fails: Cell<bool>,
}

impl StateStore for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        if self.fails.get() && key[0] == b'c' {
            return Err(StateError::Store("the disk is gone".into()));
        }
        self.inner.get(key)
    }

    fn visit(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), StateError> {
        self.inner.visit(prefix, visit)
    }

    fn position(&self) -> Result<Option<i64>, StateError> {
        self.inner.position()
    }

    fn write(&mut self, writes: &StateWrites, position: i64) -> Result<(), StateError> {
        self.inner.write(writes, position)
    }

    fn size(&self) -> u64 {
        self.inner.size()
    }
}

#[test]
fn after_a_failed_read_the_batch_is_discarded_and_tried_again() {
    let spec = EntitySpec {
        cache_bytes: 0,
        ..counting()
    };
    let mut states = states(&spec);
    let mut store = Failing {
        inner: MemoryState::default(),
        fails: Cell::new(false),
    };
    let mut reference = self::states(&counting());
    let empty = MemoryState::default();
    let mut writes = StateWrites::default();
    for hour in 0..2_000i64 {
        let time = hour * HOUR;
        let mut expected = payment(time, &hour.to_string(), hour as f64);
        let mut row = expected.clone();
        reference
            .apply(&empty, time, "card", 0, &mut expected)
            .expect("applied");
        store.fails.set(true);
        if states.apply(&store, time, "card", 0, &mut row).is_err() {
            let broken = states.apply(&store, time, "card", 0, &mut row.clone());
            assert!(matches!(broken, Err(ApplyError::State(_))));
            states.discard();
            store.fails.set(false);
            states.apply(&store, time, "card", 0, &mut row).expect("applied");
        }
        assert_eq!(row, expected, "hour {hour}");
        writes.clear();
        states.collect(&mut writes);
        store.write(&writes, hour).expect("memory can be written");
        states.written();
    }
}

#[test]
fn after_an_abort_stream_time_falls_and_repeated_events_are_still_known() {
    const SECOND: i64 = 1_000_000;
    let spec = EntitySpec {
        dedupe: 100 * SECOND,
        cache_bytes: 0,
        ..counting()
    };
    let mut states = states(&spec);
    let mut store = MemoryState::default();
    let apply = |states: &mut EntityStates, store: &MemoryState, second: i64, id: i64| {
        let time = second * SECOND;
        let mut row = payment(time, &id.to_string(), 1.0);
        states.apply(store, time, "card", 0, &mut row).expect("applied")
    };
    for second in 0..100 {
        assert!(apply(&mut states, &store, second, second).inserted);
    }
    commit(&mut states, &mut store);
    // It changes nothing, but by then the first fifty ids matter no longer.
    assert!(apply(&mut states, &store, 150, 99).duplicate);
    states.discard();
    assert!(apply(&mut states, &store, 100, 20).duplicate);
    assert!(apply(&mut states, &store, 100, 100).inserted);
    assert!(!apply(&mut states, &store, 120, 20).duplicate);
}

#[test]
fn the_cache_keeps_to_its_size_and_an_entity_with_a_long_log_to_what_it_uses() {
    let spec = EntitySpec {
        cache_bytes: 200_000,
        ..counting()
    };
    for end_batch in [commit, spill] {
        let mut states = states(&spec);
        let mut store = MemoryState::default();
        for minute in 0..40_000i64 {
            let time = minute * 60_000_000;
            let key = if minute % 2 == 0 {
                "busy".to_string()
            } else {
                format!("card-{}", minute % 7_919)
            };
            states
                .apply(&store, time, &key, 0, &mut payment(time, &minute.to_string(), 1.0))
                .expect("applied");
            if minute % 100 == 99 {
                end_batch(&mut states, &mut store);
                assert!(states.cached_bytes() <= 200_000);
            }
        }
        assert!(states.cached_entities() > 100, "{} entities", states.cached_entities());
        assert!(store.size() > 800_000, "{} bytes", store.size());
    }
}

#[test]
fn only_what_leaves_the_cache_and_sealed_chunks_are_spilled() {
    let mut states = states(&counting());
    let mut store = MemoryState::default();
    for minute in 0..100i64 {
        let time = minute * 60_000_000;
        let mut row = payment(time, &minute.to_string(), 1.0);
        states.apply(&store, time, "card", 0, &mut row).expect("applied");
        spill(&mut states, &mut store);
    }
    assert_eq!(states.cached_entities(), 1);
    let keys: Vec<u8> = bytes(&store).iter().map(|(key, _)| key[0]).collect();
    assert_eq!(keys, [b'c'; 3], "three chunks of 32 entries");
}

/// An entity with some of everything in its state.
fn rich() -> (EntitySpec, MemoryState) {
    let mut spec = common::spec(vec![
        feature(Aggregation::Mean, Some(AMOUNT), Some(DAY)),
        feature(Aggregation::Variance, Some(ITEMS), Some(30 * DAY)),
        feature(Aggregation::Max, Some(AMOUNT), Some(30 * DAY)),
        feature(Aggregation::Distinct, Some(SHOP), Some(30 * DAY)),
        feature(Aggregation::Quantile(0.5), Some(AMOUNT), Some(30 * DAY)),
        feature(Aggregation::TopK(3), Some(SHOP), Some(30 * DAY)),
        feature(Aggregation::LastK(3), Some(SHOP), None),
        feature(Aggregation::Min, Some(AMOUNT), None),
        feature(Aggregation::DecayedSum { half_life: DAY }, Some(AMOUNT), None),
        FeatureSpec {
            input: 1,
            ..feature(Aggregation::Count, None, Some(DAY))
        },
    ]);
    spec.cache_bytes = 0;
    let mut states = states(&spec);
    let mut store = MemoryState::default();
    for hour in 0..150i64 {
        let mut row = row(hour * HOUR, &hour.to_string(), 10);
        row[AMOUNT] = Value::Float((hour * 37 % 100) as f64 / 3.0);
        row[ITEMS] = Value::Int(hour * 31 % 7);
        row[SHOP] = Value::Text(format!("shop {}", hour % 5).into());
        states
            .apply(&store, hour * HOUR, "card", u8::from(hour % 4 == 3), &mut row)
            .expect("applied");
    }
    commit(&mut states, &mut store);
    (spec, store)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Damage is reported, or gives other numbers; it never panics.
    #[test]
    fn damaged_state_does_no_more_harm_than_an_error(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let (spec, store) = rich();
        let mut pairs = bytes(&store);
        for (pair, byte, value) in damage {
            let value_of_pair = &mut pair.get_mut(&mut pairs).1;
            // Behind the version and the fingerprint, which would only be refused.
            let from = 5.min(value_of_pair.len() - 1);
            let at = from + byte.index(value_of_pair.len() - from);
            value_of_pair[at] = value;
        }
        if let Some(cut) = cut {
            let bytes = &mut cut.get_mut(&mut pairs).1;
            bytes.truncate(cut.index(bytes.len()));
        }
        let mut damaged = MemoryState::default();
        let mut writes = StateWrites::default();
        for (key, value) in &pairs {
            writes.put(key, |out| out.extend_from_slice(value));
        }
        damaged.write(&writes, 0).expect("memory can be written");
        let mut states = states(&spec);
        for (hour, late) in [(150, 0), (151, 20), (152, 0), (900, 0)] {
            let mut row = row((hour - late) * HOUR, &hour.to_string(), 10);
            row[AMOUNT] = Value::Float(1.0);
            row[SHOP] = Value::Text("shop 1".into());
            if states.apply(&damaged, hour * HOUR, "card", 0, &mut row).is_err() {
                break;
            }
            prop_assert!(!row[OUTPUT].value_type().is_some_and(|of| of == ValueType::Text));
        }
    }
}
