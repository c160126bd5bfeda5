//! Every aggregation against a naive recomputation, whatever happens between the events.

mod common;

use common::{ABROAD, AMOUNT, FRAUD, ITEMS, Naive, SHOP, bytes, commit, condition, row, spill, types};
use proptest::prelude::*;
use riskstream_events::{Row, Slot, Value};
use riskstream_features::history::EntityHistory;
use riskstream_features::state::{MemoryState, StateStore, StateWrites};
use riskstream_features::{Aggregation, Constructor, EntityFeatures, EntitySpec, EntityStates, FeatureSpec, Precision};
use std::sync::Arc;

#[derive(Clone, Debug)]
struct Event {
    key: usize,
    input: u8,
    /// Added to the running time; the event itself is then `late` behind.
    step: i64,
    late: i64,
    id: u16,
    amount: Option<i32>,
    items: Option<i8>,
    shop: Option<u8>,
    truth: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Nothing,
    Collect,
    Write,
    Discard,
}

/// Stands for an infinite amount.
const INFINITE: i32 = i32::MAX;

const KEYS: [&str; 3] = ["a", "ab", "c\u{e9}"];

/// Any entry of the table, with a parameter and a value that it accepts.
fn aggregation() -> impl Strategy<Value = (Aggregation, Option<Slot>)> {
    let entry = prop::sample::select(Aggregation::TABLE.to_vec());
    let parameters = (1..6usize, 0..=8u8, 1i64..200);
    (entry, parameters, any::<prop::sample::Index>()).prop_map(|(definition, (k, q, half_life), value)| {
        let aggregation = match definition.constructor {
            Constructor::Plain(aggregation) => aggregation,
            Constructor::K(of) => of(k),
            Constructor::Q(of) => of(f64::from(q) / 8.0),
            Constructor::HalfLife(of) => of(half_life),
        };
        let types = types(0);
        let accepted = [AMOUNT, ITEMS, ABROAD, SHOP]
            .into_iter()
            .filter(|&slot| definition.operand.accepts(types[slot]))
            .map(Some);
        let none = definition.operand.is_events().then_some(None);
        let values: Vec<Option<Slot>> = accepted.chain(none).collect();
        (aggregation, *value.get(&values))
    })
}

fn feature() -> impl Strategy<Value = FeatureSpec> {
    let window = prop_oneof![
        1 => Just(None),
        4 => (1i64..40).prop_map(Some),
        2 => (100i64..900).prop_map(Some),
    ];
    let delay = prop_oneof![3 => Just(0), 1 => 1i64..60];
    let precision = prop_oneof![2 => Just(1e-6), 1 => Just(1e-2)];
    (aggregation(), window, delay, any::<bool>(), 0..2u8, 0..4u8, precision).prop_map(
        |((aggregation, value), window, delay, include_current, input, conditional, precision)| {
            let mut feature = common::feature(aggregation, value, window);
            feature.precision = Precision::new(precision).expect("a valid precision");
            feature.delay = delay;
            feature.include_current = include_current;
            feature.input = input;
            if conditional == 0 {
                feature.condition = Some(condition("abroad"));
            } else if conditional == 1 && input == 0 {
                feature.condition = Some(condition("amount > 3.0"));
            }
            if input == 1 && value == Some(ABROAD) {
                feature.value = Some(FRAUD);
            }
            if aggregation.is_decayed() {
                feature.window = None;
            } else if !aggregation.allows_no_window() {
                feature.window = feature.window.or(Some(70));
            }
            feature
        },
    )
}

fn spec() -> impl Strategy<Value = EntitySpec> {
    let settings = (0i64..60, prop_oneof![Just(0i64), 1i64..80], 0i64..200, any::<bool>());
    (prop::collection::vec(feature(), 1..10), settings).prop_map(|(features, (lateness, dedupe, keep, cached))| {
        let mut spec = common::spec(features);
        spec.lateness = lateness;
        spec.dedupe = dedupe;
        spec.keep = keep;
        spec.cache_bytes = if cached { 1 << 20 } else { 0 };
        spec
    })
}

fn event() -> impl Strategy<Value = Event> {
    let late = prop_oneof![8 => Just(0i64), 2 => 0i64..20, 1 => 0i64..150];
    let step = prop_oneof![12 => 0i64..4, 1 => 0i64..300];
    let key = prop_oneof![6 => Just(0usize), 1 => 0usize..3];
    event_of(key, step, late)
}

/// Many events of one entity, many of them late by many others.
fn crowded_event() -> impl Strategy<Value = Event> {
    let late = prop_oneof![6 => Just(0i64), 2 => 0i64..50, 1 => 0i64..600, 1 => 300i64..310];
    event_of(Just(0usize), 0i64..2, late)
}

/// Events of one entity with a long log, and of many others.
fn scattered_event() -> impl Strategy<Value = Event> {
    let late = prop_oneof![8 => Just(0i64), 2 => 0i64..20, 1 => 0i64..150];
    event_of(prop_oneof![1 => Just(0usize), 2 => 0..40usize], 0i64..3, late)
}

fn crowded_spec() -> impl Strategy<Value = EntitySpec> {
    let settings = (prop_oneof![Just(0i64), 100i64..1_000], any::<bool>());
    (prop::collection::vec(feature(), 1..4), settings).prop_map(|(features, (dedupe, cached))| {
        let mut spec = common::spec(features);
        spec.lateness = 500;
        spec.dedupe = dedupe;
        spec.cache_bytes = if cached { 1 << 20 } else { 0 };
        spec
    })
}

fn event_of(
    key: impl Strategy<Value = usize>,
    step: impl Strategy<Value = i64>,
    late: impl Strategy<Value = i64>,
) -> impl Strategy<Value = Event> {
    let values = (
        prop::option::weighted(0.9, prop_oneof![30 => -2_000_000..20_000_000i32, 1 => Just(INFINITE)]),
        prop::option::weighted(0.9, -3..4i8),
        prop::option::weighted(0.9, 0..6u8),
    );
    let input = prop_oneof![3 => Just(0u8), 1 => Just(1u8)];
    (key, input, step, late, 0..400u16, values, any::<bool>()).prop_map(
        |(key, input, step, late, id, (amount, items, shop), truth)| Event {
            key,
            input,
            step,
            late,
            id,
            amount,
            items,
            shop,
            truth,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => Just(Step::Nothing),
        4 => Just(Step::Collect),
        4 => Just(Step::Write),
        1 => Just(Step::Discard),
    ]
}

impl Event {
    fn row(&self, time: i64, features: usize) -> Row {
        let mut row = row(time - self.late, &format!("id-{}", self.id), features);
        row[AMOUNT] = match self.amount {
            None => Value::Null,
            Some(INFINITE) => Value::Float(f64::INFINITY),
            Some(amount) => Value::Float(f64::from(amount) / 1e4),
        };
        row[ITEMS] = self.items.map_or(Value::Null, |items| Value::Int(items.into()));
        row[SHOP] = self.shop.map_or(Value::Null, |shop| {
            let name = ["", "corner", "a name that does not fit twenty-four bytes"];
            Value::Text(format!("{}{}", name[usize::from(shop % 3)], shop / 3).into())
        });
        row[ABROAD] = Value::Bool(self.truth);
        row[FRAUD] = Value::Bool(self.truth);
        row
    }
}

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

/// What an audit computes anew from an entity's events is what the state gave, to the last bit.
fn audit(spec: &EntitySpec, events: &[Event]) -> Result<(), TestCaseError> {
    let types = types(spec.features.len());
    let features = Arc::new(EntityFeatures::compile(spec, &types).expect("the spec is valid"));
    let mut states = EntityStates::new(Arc::clone(&features));
    let store = MemoryState::default();
    let mut histories = KEYS.map(|_| EntityHistory::new(&features));
    let (mut time, mut stream) = (1_000, i64::MIN);
    for (number, event) in events.iter().enumerate() {
        time += event.step;
        let mut row = event.row(time, spec.features.len());
        if event.input == 0 {
            stream = stream.max(time - event.late);
        }
        let key = event.key % KEYS.len();
        let applied = states
            .apply(&store, stream, KEYS[key], event.input, &mut row)
            .expect("applied");
        let (history, id) = (&mut histories[key], format!("id-{}", event.id));
        if applied.inserted {
            history.add(event.input, &id, &row);
        }
        if event.input != 0 {
            continue;
        }
        let windows = history.windows(&id, &row, &applied, stream);
        let mut found = 0;
        for window in &windows {
            let is_ordered = window.events.windows(2).all(|two| two[0].time <= two[1].time);
            prop_assert!(is_ordered || window.is_cut || applied.late_by > 0);
            for feature in &window.features {
                let spec = &spec.features[feature.feature];
                let value = &row[spec.output];
                prop_assert!(
                    value == &feature.value,
                    "event {number}: {:?} instead of {value:?} for {spec:?} over {window:?}",
                    feature.value
                );
                prop_assert_eq!(feature.entered.len(), window.events.len());
                if spec.aggregation == Aggregation::Count && spec.empty.is_none() {
                    let counted = feature.entered.iter().flatten().count();
                    prop_assert_eq!(&feature.value, &Value::Int(counted as i64));
                }
                found += 1;
            }
        }
        prop_assert_eq!(found, spec.features.len());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn an_audit_computes_anew_what_the_state_gave(spec in spec(), events in prop::collection::vec(event(), 1..300)) {
        audit(&spec, &events)?;
    }

    #[test]
    fn so_it_does_where_many_events_are_late(
        spec in crowded_spec(),
        events in prop::collection::vec(crowded_event(), 300..600),
    ) {
        audit(&spec, &events)?;
    }
}
