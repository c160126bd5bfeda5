//! Entities and events for property tests.

use super::{ABROAD, AMOUNT, FRAUD, ITEMS, SHOP, condition, row, types};
use proptest::prelude::*;
use riskstream_events::{Row, Slot, Value};
use riskstream_features::{Aggregation, Constructor, EntitySpec, FeatureSpec, Precision};

#[derive(Clone, Debug)]
pub struct Event {
    pub key: usize,
    pub input: u8,
    /// Added to the running time; the event itself is then `late` behind.
    pub step: i64,
    pub late: i64,
    pub id: u16,
    pub amount: Option<i32>,
    pub items: Option<i8>,
    pub shop: Option<u8>,
    pub truth: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    Nothing,
    Collect,
    Write,
    Discard,
}

/// Stands for an infinite amount.
pub const INFINITE: i32 = i32::MAX;

pub const KEYS: [&str; 3] = ["a", "ab", "c\u{e9}"];

/// Any entry of the table, with a parameter and a value that it accepts.
pub fn aggregation() -> impl Strategy<Value = (Aggregation, Option<Slot>)> {
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

pub fn feature() -> impl Strategy<Value = FeatureSpec> {
    let window = prop_oneof![
        1 => Just(None),
        4 => (1i64..40).prop_map(Some),
        2 => (100i64..900).prop_map(Some),
    ];
    let delay = prop_oneof![3 => Just(0), 1 => 1i64..60];
    let precision = prop_oneof![2 => Just(1e-6), 1 => Just(1e-2)];
    (aggregation(), window, delay, any::<bool>(), 0..2u8, 0..4u8, precision).prop_map(
        |((aggregation, value), window, delay, include_current, input, conditional, precision)| {
            let mut feature = super::feature(aggregation, value, window);
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

pub fn spec() -> impl Strategy<Value = EntitySpec> {
    let settings = (0i64..60, prop_oneof![Just(0i64), 1i64..80], 0i64..200, any::<bool>());
    (prop::collection::vec(feature(), 1..10), settings).prop_map(|(features, (lateness, dedupe, keep, cached))| {
        let mut spec = super::spec(features);
        spec.lateness = lateness;
        spec.dedupe = dedupe;
        spec.keep = keep;
        spec.cache_bytes = if cached { 1 << 20 } else { 0 };
        spec
    })
}

pub fn event() -> impl Strategy<Value = Event> {
    let late = prop_oneof![8 => Just(0i64), 2 => 0i64..20, 1 => 0i64..150];
    let step = prop_oneof![12 => 0i64..4, 1 => 0i64..300];
    let key = prop_oneof![6 => Just(0usize), 1 => 0usize..3];
    event_of(key, step, late)
}

/// Many events of one entity, many of them late by many others.
pub fn crowded_event() -> impl Strategy<Value = Event> {
    let late = prop_oneof![6 => Just(0i64), 2 => 0i64..50, 1 => 0i64..600, 1 => 300i64..310];
    event_of(Just(0usize), 0i64..2, late)
}

/// Events of one entity with a long log, and of many others.
pub fn scattered_event() -> impl Strategy<Value = Event> {
    let late = prop_oneof![8 => Just(0i64), 2 => 0i64..20, 1 => 0i64..150];
    event_of(prop_oneof![1 => Just(0usize), 2 => 0..40usize], 0i64..3, late)
}

pub fn crowded_spec() -> impl Strategy<Value = EntitySpec> {
    let settings = (prop_oneof![Just(0i64), 100i64..1_000], any::<bool>());
    (prop::collection::vec(feature(), 1..4), settings).prop_map(|(features, (dedupe, cached))| {
        let mut spec = super::spec(features);
        spec.lateness = 500;
        spec.dedupe = dedupe;
        spec.cache_bytes = if cached { 1 << 20 } else { 0 };
        spec
    })
}

pub fn event_of(
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

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => Just(Step::Nothing),
        4 => Just(Step::Collect),
        4 => Just(Step::Write),
        1 => Just(Step::Discard),
    ]
}

impl Event {
    pub fn row(&self, time: i64, features: usize) -> Row {
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
