//! Rows of tables: the newest as of a transaction's time, against a list of all rows, whatever the order in which they come.

mod common;

use common::{AMOUNT, ITEMS, OUTPUT, SHOP, TIME, bytes, commit, feature, row, spec, types};
use proptest::prelude::*;
use riskstream_events::{Row, Slot, Value};
use riskstream_features::history::EntityHistory;
use riskstream_features::state::{MemoryState, StateStore};
use riskstream_features::{Aggregation, EntityFeatures, EntitySpec, EntityStates, FeatureSpec, InputSpec};
use std::sync::Arc;

const COLUMNS: [Slot; 3] = [AMOUNT, ITEMS, SHOP];
const KEYS: [&str; 3] = ["m1", "m2", "m3"];

/// The columns of a table of input 1, beside windows over transactions.
fn table(lateness: i64, dedupe: i64) -> EntitySpec {
    let column = |slot: Slot| FeatureSpec {
        input: 1,
        ..feature(Aggregation::Row, Some(slot), None)
    };
    let mut features: Vec<FeatureSpec> = COLUMNS.iter().map(|slot| column(*slot)).collect();
    features.push(feature(Aggregation::Count, None, Some(40)));
    features.push(feature(Aggregation::Last, Some(AMOUNT), None));
    let mut spec = spec(features);
    spec.inputs[1] = InputSpec {
        event_time: TIME,
        id: None,
    };
    EntitySpec {
        lateness,
        dedupe,
        cache_bytes: 1,
        ..spec
    }
}

#[derive(Clone, Debug)]
struct Event {
    key: usize,
    is_row: bool,
    /// How much later it is than the newest transaction, at least 0, or how much earlier.
    step: i64,
    /// Of a row, what it says; none if the row was deleted.
    content: Option<(Option<i8>, Option<i8>, Option<u8>)>,
    between: u8,
}

fn event() -> impl Strategy<Value = Event> {
    let content = proptest::option::weighted(0.8, any::<(Option<i8>, Option<i8>, Option<u8>)>());
    let step = prop_oneof![4 => 0..8_i64, 2 => -20..20_i64, 1 => -400..30_i64];
    (0..KEYS.len(), any::<bool>(), step, content, any::<u8>()).prop_map(|(key, is_row, step, content, between)| Event {
        key,
        is_row,
        step,
        content,
        between,
    })
}

impl Event {
    fn row(&self, time: i64, number: usize, features: usize) -> Row {
        let mut row = row(time, &number.to_string(), features);
        if let Some((amount, items, shop)) = self.content {
            let value = |value: Option<Value>| value.unwrap_or(Value::Null);
            row[AMOUNT] = value(amount.map(|amount| Value::Float(f64::from(amount) / 3.0)));
            row[ITEMS] = value(items.map(|items| Value::Int(items.into())));
            row[SHOP] = value(shop.map(|shop| Value::Text(format!("shop {shop}").into())));
        }
        row
    }
}

/// All rows of an entity, in the order of their arrival.
type Rows = Vec<(i64, Row)>;

/// The newest row at or before a time; of those with one time, the one that came last.
fn newest(rows: &Rows, time: i64) -> Option<&(i64, Row)> {
    let past = rows.iter().filter(|(at, _)| *at <= time);
    past.max_by_key(|(at, _)| *at)
}

/// What a transaction at `time` has to see. One that comes too late sees the row that held, or nothing if that is forgotten.
fn seen(rows: &Rows, time: i64, settled: i64) -> [Value; 3] {
    let row = newest(rows, time.max(settled)).filter(|(at, _)| *at <= time);
    COLUMNS.map(|slot| row.map_or(Value::Null, |(_, row)| row[slot].clone()))
}

fn run(spec: &EntitySpec, events: &[Event]) -> Result<MemoryState, TestCaseError> {
    let count = spec.features.len();
    let compiled = EntityFeatures::compile(spec, &types(count)).expect("the spec is valid");
    let features = Arc::new(compiled);
    let mut states = EntityStates::new(Arc::clone(&features));
    let mut store = MemoryState::default();
    let mut histories = KEYS.map(|_| EntityHistory::new(&features));
    let mut all = KEYS.map(|_| Rows::new());
    let mut newest_payment = KEYS.map(|_| i64::MIN);
    let horizon = spec.lateness.max(spec.dedupe);
    let (mut stream, mut now) = (i64::MIN, 1_000);
    // As of the last commit.
    let mut durable = (stream, all.clone(), newest_payment, histories.clone());
    for (number, event) in events.iter().enumerate() {
        now += event.step.max(0);
        let time = now + event.step.min(0);
        let mut row = event.row(time, number, count);
        let given = row.clone();
        if !event.is_row {
            stream = stream.max(time);
        }
        let input = u8::from(event.is_row);
        let applied = states
            .apply(&store, stream, KEYS[event.key], input, &mut row)
            .expect("applied");
        let (rows, history) = (&mut all[event.key], &mut histories[event.key]);
        let settled = stream.saturating_sub(horizon + 1);
        if event.is_row {
            let is_superseded = time < stream.saturating_sub(horizon)
                && newest(rows, settled).is_some_and(|(newest, _)| *newest > time);
            prop_assert_eq!(applied.too_late, is_superseded, "row {}", number);
            prop_assert_eq!(applied.inserted, !is_superseded);
            prop_assert_eq!(applied.overtaken, time <= newest_payment[event.key], "row {}", number);
            rows.push((time, given));
            prop_assert!(row[OUTPUT..].iter().all(Value::is_null), "rows get no features");
        } else {
            let expected = seen(rows, time, settled);
            prop_assert_eq!(
                &row[OUTPUT..OUTPUT + 3],
                &expected[..],
                "payment {} at {}",
                number,
                time
            );
            if applied.inserted {
                newest_payment[event.key] = newest_payment[event.key].max(time);
            }
        }
        let id = number.to_string();
        if applied.inserted {
            history.add(input, &id, &row);
        }
        if !event.is_row {
            let windows = history.windows(&id, &row, &applied, stream);
            for again in windows.iter().flat_map(|window| &window.features) {
                prop_assert_eq!(&again.value, &row[spec.features[again.feature].output]);
            }
        }
        match event.between % 4 {
            0 => commit(&mut states, &mut store),
            1 => {
                commit(&mut states, &mut store);
                states = EntityStates::new(Arc::clone(&features));
            }
            // A batch that is given up.
            2 => {
                states.discard();
                (stream, all, newest_payment, histories) = durable.clone();
                continue;
            }
            _ => continue,
        }
        durable = (stream, all.clone(), newest_payment, histories.clone());
    }
    commit(&mut states, &mut store);
    Ok(store)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_transaction_sees_the_row_that_held(events in proptest::collection::vec(event(), 1..120)) {
        run(&table(30, 0), &events)?;
    }

    #[test]
    fn so_it_does_where_ids_are_kept_longer_than_events(events in proptest::collection::vec(event(), 1..120)) {
        run(&table(5, 50), &events)?;
    }
}

/// A row holds however long ago it came, and takes no more room for it: those that were replaced are forgotten.
#[test]
fn rows_that_were_replaced_are_forgotten() {
    let spec = table(30, 0);
    let of = |versions: i64| {
        let (mut states, mut store) = (common::states(&spec), MemoryState::default());
        let mut apply = |stream, input, row: &mut Row| {
            let applied = states.apply(&store, stream, "m1", input, row).expect("applied");
            commit(&mut states, &mut store);
            assert!(applied.inserted);
        };
        for version in 0..versions {
            let time = version * 1_000 / versions;
            let mut version = row(time, "", spec.features.len());
            version[ITEMS] = Value::Int(7);
            apply(time, 1, &mut version);
        }
        let mut payment = row(1_000_000, "p", spec.features.len());
        apply(1_000_000, 0, &mut payment);
        assert_eq!(payment[OUTPUT..OUTPUT + 3], [Value::Null, Value::Int(7), Value::Null]);
        bytes(&store)
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum::<usize>()
    };
    assert!(of(500) <= of(1) + 8, "{} instead of {} bytes", of(500), of(1));
}

/// An entity whose rows are the first thing that is known of it, from long before the payments.
#[test]
fn a_row_from_long_ago_that_comes_late_holds() {
    let spec = table(30, 0);
    let mut states = common::states(&spec);
    let store = MemoryState::default();
    let pay = |states: &mut EntityStates, time, id: &str| {
        let mut payment = row(time, id, spec.features.len());
        states.apply(&store, time, "m1", 0, &mut payment).expect("applied");
        payment[OUTPUT + 1].clone()
    };
    assert_eq!(pay(&mut states, 10_000, "1"), Value::Null);
    for (time, items, counts) in [(5_000, 5, true), (4_000, 4, false), (5_000, 6, true)] {
        let mut old = row(time, "", spec.features.len());
        old[ITEMS] = Value::Int(items);
        let applied = states.apply(&store, 10_000, "m1", 1, &mut old).expect("applied");
        assert_eq!(
            (applied.inserted, applied.too_late, applied.overtaken),
            (counts, !counts, true)
        );
    }
    assert_eq!(pay(&mut states, 10_001, "2"), Value::Int(6));
    let mut deleted = row(10_001, "", spec.features.len());
    states.apply(&store, 10_001, "m1", 1, &mut deleted).expect("applied");
    assert_eq!(pay(&mut states, 10_002, "3"), Value::Null);
    assert_eq!(store.scan(&[]).expect("memory").len(), 0);
}
