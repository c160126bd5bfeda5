//! Every aggregation against a naive recomputation, whatever happens between the events.

mod common;

use common::generated::{Event, KEYS, Step, crowded_event, crowded_spec, event, scattered_event, spec, step};
use common::{Naive, bytes, commit, spill, types};
use proptest::prelude::*;
use riskstream_events::{Row, Value};
use riskstream_features::state::{MemoryState, StateStore, StateWrites};
use riskstream_features::{Aggregation, EntityFeatures, EntitySpec, EntityStates, FeatureSpec};
use std::sync::Arc;

fn agree(feature: &FeatureSpec, value: &Value, expected: &Value) -> bool {
    let is_approximate = |aggregation| {
        matches!(
            aggregation,
            Aggregation::Quantile(_) | Aggregation::Skewness | Aggregation::Kurtosis | Aggregation::GeometricMean
        )
    };
    let inexact = feature.aggregation.is_decayed() || is_approximate(feature.aggregation);
    match (value, expected) {
        (Value::Float(a), Value::Float(b)) if inexact => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0),
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        _ => value == expected,
    }
}

/// Runs the events through the states and the model, with commits, aborts and evictions in between, and
/// gives back the rows that became durable (with their stream times) and the final store.
fn run(spec: &EntitySpec, events: &[(Event, Step)]) -> Result<(Vec<Durable>, MemoryState), TestCaseError> {
    let types = types(spec.features.len());
    let features = Arc::new(EntityFeatures::compile(spec, &types).expect("the spec is valid"));
    let mut states = EntityStates::new(features);
    let mut store = MemoryState::default();
    let mut writes = StateWrites::default();
    let mut naive = Naive::new();
    let mut applied = Vec::new();
    let mut time = 1_000;
    // What the last write, and the last collect, hold: the model and how many events.
    let mut durable = (naive.clone(), 0);
    let mut collected = durable.clone();
    for (event, step) in events {
        time += event.step;
        let mut expected = event.row(time, spec.features.len());
        let mut row = expected.clone();
        let key = KEYS[event.key];
        let outcome = naive.apply(spec, key, event.input, &mut expected);
        let stream = naive.stream();
        applied.push(Durable {
            stream,
            key,
            input: event.input,
            row: row.clone(),
        });
        let given = states
            .apply(&store, stream, key, event.input, &mut row)
            .expect("applied");
        prop_assert_eq!(given, outcome, "event {}", applied.len());
        for feature in &spec.features {
            let (value, right) = (&row[feature.output], &expected[feature.output]);
            prop_assert!(
                agree(feature, value, right),
                "event {} at {:?}: {:?} instead of {:?} for {:?}",
                applied.len(),
                row[0],
                value,
                right,
                feature
            );
        }
        match step {
            Step::Nothing => {}
            Step::Collect => {
                states.collect(&mut writes);
                collected = (naive.clone(), applied.len());
            }
            Step::Write => {
                store.write(&writes, 0).expect("memory can be written");
                writes.clear();
                durable = collected.clone();
                states.written();
            }
            Step::Discard => {
                states.discard();
                writes.clear();
                collected = durable.clone();
                naive = durable.0.clone();
                applied.truncate(durable.1);
            }
        }
    }
    store.write(&writes, 0).expect("memory can be written");
    states.written();
    commit(&mut states, &mut store);
    Ok((applied, store))
}

#[derive(Clone, Debug)]
struct Durable {
    stream: i64,
    key: &'static str,
    input: u8,
    row: Row,
}

/// The same events, in one batch, all in memory.
fn from_scratch(spec: &EntitySpec, events: &[Durable]) -> MemoryState {
    let spec = EntitySpec {
        cache_bytes: usize::MAX,
        ..spec.clone()
    };
    let types = types(spec.features.len());
    let mut states = EntityStates::new(Arc::new(EntityFeatures::compile(&spec, &types).expect("valid")));
    let mut store = MemoryState::default();
    for event in events {
        let mut row = event.row.clone();
        states
            .apply(&store, event.stream, event.key, event.input, &mut row)
            .expect("applied");
    }
    commit(&mut states, &mut store);
    store
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn features_equal_a_recomputation_and_state_one_built_from_scratch(
        spec in spec(),
        events in prop::collection::vec((event(), step()), 1..700),
    ) {
        let (applied, store) = run(&spec, &events)?;
        prop_assert_eq!(bytes(&store), bytes(&from_scratch(&spec, &applied)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn so_they_do_where_many_events_are_late_by_many_others(
        spec in crowded_spec(),
        events in prop::collection::vec((crowded_event(), step()), 900..1_500),
    ) {
        let (applied, store) = run(&spec, &events)?;
        prop_assert_eq!(bytes(&store), bytes(&from_scratch(&spec, &applied)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn entities_that_were_spilled_are_those_that_stayed_in_memory(
        spec in spec(),
        cache_bytes in prop_oneof![Just(0usize), 1_000..60_000usize],
        batch in 1..80usize,
        events in prop::collection::vec(scattered_event(), 1..1_500),
    ) {
        let states = |cache_bytes| {
            let spec = EntitySpec { cache_bytes, ..spec.clone() };
            let features = EntityFeatures::compile(&spec, &types(spec.features.len())).expect("the spec is valid");
            EntityStates::new(Arc::new(features))
        };
        let (mut spilled, mut whole) = (states(cache_bytes), states(usize::MAX));
        let (mut store, mut empty) = (MemoryState::default(), MemoryState::default());
        let (mut time, mut stream) = (1_000, i64::MIN);
        for (number, event) in events.iter().enumerate() {
            time += event.step;
            stream = stream.max(time - event.late);
            let key = format!("card {}", event.key);
            let mut expected = event.row(time, spec.features.len());
            let mut row = expected.clone();
            let outcome = whole.apply(&empty, stream, &key, event.input, &mut expected).expect("applied");
            let given = spilled.apply(&store, stream, &key, event.input, &mut row).expect("applied");
            prop_assert_eq!(given, outcome, "event {}", number);
            prop_assert_eq!(row, expected, "event {}", number);
            if number % batch == 0 {
                spill(&mut spilled, &mut store);
                prop_assert!(spilled.cached_bytes() <= cache_bytes);
            }
        }
        if cache_bytes == 0 {
            spill(&mut spilled, &mut store);
            commit(&mut whole, &mut empty);
            prop_assert_eq!(bytes(&store), bytes(&empty));
        }
    }
}

/// A transaction or a label, with its key and its row.
struct Placed<'a> {
    /// The position in the order of arrival.
    place: usize,
    key: &'static str,
    input: u8,
    event: &'a Event,
    row: Row,
}

/// Transactions in the order of their arrival; labels in the order of their times, before transactions that come at the same
/// time. Each label has an id of its own.
fn in_order<'a>(events: &'a [Event], features: usize) -> Vec<Placed<'a>> {
    let mut time = 1_000;
    let mut order = Vec::new();
    for (number, event) in events.iter().enumerate() {
        time += event.step;
        let late = if event.input == 0 { event.late } else { 0 };
        let mut row = event.row(time + event.late - late, features);
        if event.input == 1 {
            row[common::ID] = Value::Text(format!("label {number}").into());
        }
        order.push((time, event.input == 0, KEYS[event.key], event, row));
    }
    order.sort_by_key(|&(time, is_transaction, ..)| (time, is_transaction));
    let placed = order
        .into_iter()
        .enumerate()
        .map(|(place, (.., key, event, row))| Placed {
            place,
            key,
            input: event.input,
            event,
            row,
        });
    placed.collect()
}

/// The rows of all transactions with their features.
fn evaluated(spec: &EntitySpec, events: &[&Placed<'_>]) -> Vec<Row> {
    let features = EntityFeatures::compile(spec, &types(spec.features.len())).expect("the spec is valid");
    let mut states = EntityStates::new(Arc::new(features));
    let mut store = MemoryState::default();
    let mut stream = i64::MIN;
    let mut rows = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let mut row = event.row.clone();
        if let (0, Value::Timestamp(time)) = (event.input, &row[common::TIME]) {
            stream = stream.max(*time);
        }
        states
            .apply(&store, stream, event.key, event.input, &mut row)
            .expect("applied");
        if event.input == 0 {
            rows.push(row);
        }
        if number % 40 == 0 {
            commit(&mut states, &mut store);
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn labels_that_come_early_count_from_their_own_time_on(
        spec in spec(),
        events in prop::collection::vec(event(), 1..400),
        ahead in prop::collection::vec(0..300usize, 1..20),
    ) {
        let ordered = in_order(&events, spec.features.len());
        let all: Vec<&Placed<'_>> = ordered.iter().collect();
        let expected = evaluated(&spec, &all);
        // Labels of equal times stay in their order.
        let place = |placed: &&Placed<'_>| match (placed.input, &placed.row[common::TIME]) {
            (1, Value::Timestamp(time)) => placed.place.saturating_sub(ahead[*time as usize % ahead.len()]),
            _ => placed.place,
        };
        let mut early = all.clone();
        early.sort_by_key(place);
        // A label that comes twice counts once.
        let repeated = |placed: &Placed<'_>| placed.input == 1 && spec.dedupe > 0 && placed.event.truth;
        let early: Vec<&Placed<'_>> = early
            .into_iter()
            .flat_map(|placed| std::iter::repeat_n(placed, 1 + usize::from(repeated(placed))))
            .collect();
        let found = evaluated(&spec, &early);
        prop_assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            for feature in &spec.features {
                let (value, right) = (&found[feature.output], &expected[feature.output]);
                prop_assert_eq!(value, right, "{:?} at {:?}", feature, &found[common::TIME]);
            }
        }
    }
}
