//! Worked examples of windows' edges, with made-up rows.

mod common;

use common::{ABROAD, AMOUNT, FRAUD, ITEMS, OUTPUT, SHOP, condition, feature, row, types};
use riskstream_events::{Slot, Value};
use riskstream_features::state::MemoryState;
use riskstream_features::{Aggregation, Applied, EntityFeatures, EntitySpec, EntityStates, FeatureSpec};
use std::collections::BTreeSet;
use std::sync::Arc;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// Some Monday.
const START: i64 = 1_700_000_000 * SECOND;

/// One entity, fed by hand.
struct Entity {
    states: EntityStates,
    store: MemoryState,
    stream: i64,
    features: usize,
}

impl Entity {
    fn new(spec: EntitySpec) -> Self {
        let features = spec.features.len();
        let compiled = EntityFeatures::compile(&spec, &types(features)).expect("the spec is valid");
        let states = EntityStates::new(Arc::new(compiled));
        Entity {
            states,
            store: MemoryState::default(),
            stream: i64::MIN,
            features,
        }
    }

    fn apply(&mut self, input: u8, time: i64, id: &str, fields: &[(Slot, Value)]) -> (Applied, Vec<Value>) {
        let mut row = row(START + time, id, self.features);
        for (slot, value) in fields {
            row[*slot] = value.clone();
        }
        self.stream = self.stream.max(START + time);
        let applied = self
            .states
            .apply(&self.store, self.stream, "4645", input, &mut row)
            .expect("applied");
        (applied, row.split_off(OUTPUT))
    }

    fn pay(&mut self, time: i64, amount: f64) -> Vec<Value> {
        let id = format!("{time}-{amount}");
        self.apply(0, time, &id, &[(AMOUNT, Value::Float(amount))]).1
    }

    fn label(&mut self, time: i64, fraud: bool) {
        let id = format!("label-{time}");
        self.apply(1, time, &id, &[(FRAUD, Value::Bool(fraud))]);
    }
}

fn float(value: &Value) -> f64 {
    match value {
        Value::Float(number) => *number,
        other => panic!("{other:?} is no float"),
    }
}

fn of_labels(aggregation: Aggregation, value: Option<Slot>, window: i64) -> FeatureSpec {
    FeatureSpec {
        input: 1,
        ..feature(aggregation, value, Some(window))
    }
}

fn delayed(aggregation: Aggregation, window: i64, delay: i64) -> FeatureSpec {
    FeatureSpec {
        delay,
        ..feature(aggregation, None, Some(window))
    }
}

#[test]
fn an_entry_exactly_as_old_as_the_window_is_out_and_the_event_itself_is_in() {
    let mut card = Entity::new(common::spec(vec![
        feature(Aggregation::Count, None, Some(DAY)),
        feature(Aggregation::Mean, Some(AMOUNT), Some(DAY)),
    ]));
    card.pay(0, 1_000.0);
    card.pay(1, 100.0);
    card.pay(HOUR, 150.5);
    // The first is exactly 24 hours old; the second a microsecond less.
    let features = card.pay(DAY, 44.29);
    assert_eq!(features[0], Value::Int(3));
    assert_eq!(features[1], Value::Float(294_790_000.0 / 3_000_000.0));
}

#[test]
fn of_payments_in_the_same_second_those_earlier_in_the_log_count() {
    let mut card = Entity::new(common::spec(vec![feature(Aggregation::Sum, Some(AMOUNT), Some(DAY))]));
    assert_eq!(card.pay(0, 1.0)[0], Value::Float(1.0));
    assert_eq!(card.pay(0, 2.0)[0], Value::Float(3.0));
    assert_eq!(card.pay(0, 4.0)[0], Value::Float(7.0));
}

#[test]
fn a_delayed_window_is_open_on_the_left_and_closed_on_the_right() {
    let cases = [
        // age of the other payment, and whether it counts with a delay of 7 days and a width of 1 day
        (7 * DAY - 1, 0),
        (7 * DAY, 1),
        (7 * DAY + 1, 1),
        (8 * DAY - 1, 1),
        (8 * DAY, 0),
        (8 * DAY + 1, 0),
    ];
    for (age, expected) in cases {
        let mut terminal = Entity::new(common::spec(vec![delayed(Aggregation::Count, DAY, 7 * DAY)]));
        terminal.pay(0, 1.0);
        assert_eq!(terminal.pay(age, 1.0)[0], Value::Int(expected), "age {age}");
    }
}

#[test]
fn a_label_counts_from_the_moment_it_is_known() {
    let cases = [
        // the label's time, the payment's, and the share of fraud in the day before
        (0, -1, 0.0),
        (0, 0, 1.0),
        (0, DAY - 1, 1.0),
        (0, DAY, 0.0),
    ];
    for (known, time, expected) in cases {
        let risk = FeatureSpec {
            empty: Some(Value::Int(0)),
            ..of_labels(Aggregation::Mean, Some(FRAUD), DAY)
        };
        let mut terminal = Entity::new(common::spec(vec![risk]));
        terminal.label(known, true);
        assert_eq!(terminal.pay(time, 1.0)[0], Value::Float(expected), "paid at {time}");
    }
}

#[test]
fn windows_empty_as_stated() {
    use Aggregation::*;
    let half_life = DAY;
    let cases = [
        (Count, None, Value::Int(0)),
        (Distinct, Some(SHOP), Value::Int(0)),
        (Sum, Some(AMOUNT), Value::Float(0.0)),
        (DecayedCount { half_life }, None, Value::Float(0.0)),
        (DecayedSum { half_life }, Some(AMOUNT), Value::Float(0.0)),
        (Mean, Some(AMOUNT), Value::Null),
        (GeometricMean, Some(AMOUNT), Value::Null),
        (Min, Some(AMOUNT), Value::Null),
        (Max, Some(AMOUNT), Value::Null),
        (Variance, Some(AMOUNT), Value::Null),
        (StandardDeviation, Some(AMOUNT), Value::Null),
        (Skewness, Some(AMOUNT), Value::Null),
        (Kurtosis, Some(AMOUNT), Value::Null),
        (First, Some(SHOP), Value::Null),
        (FirstK(3), Some(SHOP), Value::Null),
        (Last, Some(SHOP), Value::Null),
        (LastK(3), Some(AMOUNT), Value::Null),
        (Mode, Some(SHOP), Value::Null),
        (TopK(3), Some(SHOP), Value::Null),
        (BottomK(3), Some(SHOP), Value::Null),
        (Histogram(3), Some(SHOP), Value::Null),
        (TimeSinceLast, None, Value::Null),
        (Quantile(0.5), Some(AMOUNT), Value::Null),
    ];
    let names: BTreeSet<&str> = cases.iter().map(|(aggregation, ..)| aggregation.name()).collect();
    let all: BTreeSet<&str> = Aggregation::TABLE.iter().map(|definition| definition.name).collect();
    assert_eq!(names, all);
    for (aggregation, value, expected) in cases {
        let window = (!aggregation.is_decayed()).then_some(DAY);
        let plain = FeatureSpec {
            include_current: false,
            ..feature(aggregation, value, window)
        };
        let mut card = Entity::new(common::spec(vec![plain]));
        assert_eq!(card.pay(0, 1.0)[0], expected, "{}", aggregation.name());
    }
}

#[test]
fn each_aggregation_of_a_few_payments() {
    use Aggregation::*;
    let list = |values: &[f64]| Value::List(values.iter().map(|&value| Value::Float(value)).collect());
    let cases = [
        (Count, None, Value::Int(4)),
        (Sum, Some(AMOUNT), Value::Float(20.5)),
        (Mean, Some(AMOUNT), Value::Float(5.125)),
        (GeometricMean, Some(AMOUNT), Value::Null),
        (Min, Some(AMOUNT), Value::Float(-2.0)),
        (Max, Some(AMOUNT), Value::Float(10.25)),
        (Distinct, Some(AMOUNT), Value::Int(3)),
        (First, Some(AMOUNT), Value::Float(10.25)),
        (FirstK(3), Some(AMOUNT), list(&[10.25, -2.0, 10.25])),
        (Last, Some(AMOUNT), Value::Float(2.0)),
        (LastK(3), Some(AMOUNT), list(&[2.0, 10.25, -2.0])),
        (Mode, Some(AMOUNT), Value::Float(10.25)),
        (
            Histogram(2),
            Some(AMOUNT),
            Value::List([Value::Int(2), Value::Int(1)].into()),
        ),
        (BottomK(2), Some(AMOUNT), list(&[-2.0, 2.0])),
        (TopK(2), Some(AMOUNT), list(&[10.25, -2.0])),
        (TimeSinceLast, None, Value::Float(60.0)),
        (Quantile(0.5), Some(AMOUNT), Value::Float(6.125)),
        (Quantile(1.0), Some(AMOUNT), Value::Float(10.25)),
        // (5.125², 7.125², 5.125², 3.125²) / 3
        (Variance, Some(AMOUNT), Value::Float(113.0625 / 3.0)),
        (Skewness, Some(AMOUNT), Value::Float(-0.3544197036936925)),
        (Kurtosis, Some(AMOUNT), Value::Float(-3.9899287421378458)),
    ];
    for (aggregation, value, expected) in cases {
        let mut card = Entity::new(common::spec(vec![feature(aggregation, value, Some(DAY))]));
        let mut given = Value::Null;
        for (minute, amount) in [10.25, -2.0, 10.25, 2.0].into_iter().enumerate() {
            given = card.pay(minute as i64 * 60 * SECOND, amount).swap_remove(0);
        }
        match (&given, &expected) {
            (Value::Float(a), Value::Float(b)) => assert!((a - b).abs() < 1e-12, "{aggregation:?}: {a} {b}"),
            _ => assert_eq!(given, expected, "{aggregation:?}"),
        }
    }
}

/// The numbers are those of pandas 3.1.1 (`Series.skew`) and scipy 1.17.1 (`stats.skew(bias=False)`), which agree to 14
/// digits or more, but for the large numbers with a small spread: those are from rational arithmetic.
#[test]
fn skewness_is_that_of_pandas_and_scipy() {
    let cases: [(&[f64], f64); 5] = [
        (&[1.0, 2.0, 3.0, 4.0, 10.0], 1.697056274847714),
        (&[10.25, -2.0, 10.25, 2.0], -0.3544197036936925),
        (&[0.01, 0.02, 0.5, 100.0, 99.99, 1234.56, 7.77], 2.5897940241264816),
        (
            &[2.5, 3.7, 6.6, 9.1, 9.5, 10.7, 11.9, 21.5, 22.6, 25.2],
            0.57511106493699,
        ),
        (&[1e9, 1e9 + 1.0, 1e9 + 2.0, 1e9 + 5.0, 1e9 + 9.0], 1.0638300169445647),
    ];
    for (amounts, expected) in cases {
        agrees_with(Aggregation::Skewness, amounts, expected);
    }
}

/// As above, with `Series.kurt` and `stats.kurtosis(bias=False)`.
#[test]
fn kurtosis_is_that_of_pandas_and_scipy() {
    let cases: [(&[f64], f64); 5] = [
        (&[1.0, 2.0, 3.0, 4.0, 10.0], 3.152),
        (&[10.25, -2.0, 10.25, 2.0], -3.9899287421378458),
        (&[0.01, 0.02, 0.5, 100.0, 99.99, 1234.56, 7.77], 6.767975435028397),
        (
            &[2.5, 3.7, 6.6, 9.1, 9.5, 10.7, 11.9, 21.5, 22.6, 25.2],
            -1.097679379561256,
        ),
        (&[1e9, 1e9 + 1.0, 1e9 + 2.0, 1e9 + 5.0, 1e9 + 9.0], 0.20182034032449545),
    ];
    for (amounts, expected) in cases {
        agrees_with(Aggregation::Kurtosis, amounts, expected);
    }
}

/// The numbers are the nearest floats to the products' roots, from Python's `decimal` with 60 digits. `statistics` gives the
/// same but for its last digits.
#[test]
fn the_geometric_mean_is_the_nth_root_of_the_product() {
    let cases: [(&[f64], f64); 7] = [
        (&[10.25, 2.0, 10.25, 3.5], 5.20758590312364),
        (&[1.0, 2.0, 3.0, 4.0, 10.0], 2.9925557394776896),
        (&[0.01, 0.02, 0.5, 100.0, 99.99, 1234.56, 7.77], 3.705453762419804),
        (&[54.0, 24.0, 36.0], 36.0),
        (&[1e9, 1e9 + 1.0, 1e9 + 2.0, 1e9 + 5.0, 1e9 + 9.0], 1000000003.4),
        (&[1e-300, 1e300, 1e-5, 3.0], 0.07400828044922853),
        (&[1.7e308, 1.6e308], 1.6492422502470641e308),
    ];
    for (amounts, expected) in cases {
        let given = float(&paid(Aggregation::GeometricMean, amounts));
        let error = (given / expected - 1.0).abs();
        assert!(error < 1e-15, "{given} instead of {expected} for {amounts:?}");
    }
}

#[test]
fn the_geometric_mean_with_a_zero_is_zero_and_with_a_negative_value_null() {
    let cases: [(&[f64], Value); 4] = [
        (&[0.0], Value::Float(0.0)),
        (&[4.0, -0.0, 9.0], Value::Float(0.0)),
        (&[4.0, -1.0, 9.0], Value::Null),
        (&[0.0, -1.0], Value::Null),
    ];
    for (amounts, expected) in cases {
        assert_eq!(paid(Aggregation::GeometricMean, amounts), expected, "{amounts:?}");
    }
}

#[test]
fn kurtosis_of_three_values_or_of_equal_ones_is_null() {
    for amounts in [&[1.0, 2.0, 4.0][..], &[5.0; 10]] {
        assert_eq!(paid(Aggregation::Kurtosis, amounts), Value::Null);
    }
}

#[test]
fn skewness_of_two_values_or_of_equal_ones_is_null() {
    for amounts in [&[1.0, 2.0][..], &[5.0; 10]] {
        assert_eq!(paid(Aggregation::Skewness, amounts), Value::Null);
    }
}

/// A feature of payments of these amounts.
fn paid(aggregation: Aggregation, amounts: &[f64]) -> Value {
    let mut card = Entity::new(common::spec(vec![feature(aggregation, Some(AMOUNT), Some(DAY))]));
    let features = amounts
        .iter()
        .enumerate()
        .map(|(second, &amount)| card.pay(second as i64 * SECOND, amount));
    features.last().expect("there are amounts").swap_remove(0)
}

fn agrees_with(aggregation: Aggregation, amounts: &[f64], expected: f64) {
    let given = float(&paid(aggregation, amounts));
    assert!(
        (given / expected - 1.0).abs() < 1e-13,
        "{given} instead of {expected} for {amounts:?}"
    );
}

#[test]
fn values_keep_their_type() {
    let cases = [
        (Aggregation::Min, ABROAD, Value::Bool(true), Value::Bool(true)),
        (Aggregation::Max, ITEMS, Value::Int(i64::MAX), Value::Int(i64::MAX)),
        (
            Aggregation::Last,
            SHOP,
            Value::Text("corner".into()),
            Value::Text("corner".into()),
        ),
        (
            Aggregation::Max,
            common::TIME,
            Value::Timestamp(START),
            Value::Timestamp(START),
        ),
        (
            Aggregation::First,
            AMOUNT,
            Value::Float(0.1 + 0.2),
            Value::Float(0.1 + 0.2),
        ),
        (Aggregation::Min, AMOUNT, Value::Float(f64::MIN), Value::Float(f64::MIN)),
        (Aggregation::Sum, ITEMS, Value::Int(7), Value::Float(7.0)),
        (Aggregation::Mean, ABROAD, Value::Bool(true), Value::Float(1.0)),
    ];
    for (aggregation, slot, value, expected) in cases {
        let mut card = Entity::new(common::spec(vec![feature(aggregation, Some(slot), Some(DAY))]));
        assert_eq!(
            card.apply(0, 0, "a", &[(slot, value)]).1[0],
            expected,
            "{aggregation:?} of slot {slot}"
        );
    }
}

#[test]
fn a_decayed_sum_halves_with_every_half_life() {
    let mut card = Entity::new(common::spec(vec![
        feature(Aggregation::DecayedSum { half_life: HOUR }, Some(AMOUNT), None),
        feature(Aggregation::DecayedCount { half_life: HOUR }, None, None),
    ]));
    assert_eq!(card.pay(0, 8.0), [Value::Float(8.0), Value::Float(1.0)]);
    assert_eq!(card.pay(HOUR, 1.0), [Value::Float(5.0), Value::Float(1.5)]);
    assert_eq!(card.pay(3 * HOUR, 0.0), [Value::Float(1.25), Value::Float(1.375)]);
    // Late: as of its own time, without what came after it.
    let late = card.pay(2 * HOUR, 0.5);
    assert!(
        (float(&late[0]) - 3.0).abs() < 1e-12 && (float(&late[1]) - 1.75).abs() < 1e-12,
        "{late:?}"
    );
}

#[test]
fn a_condition_counts_only_events_that_meet_it() {
    let abroad = FeatureSpec {
        condition: Some(condition("amount > 10.0 && abroad")),
        ..feature(Aggregation::Count, None, Some(DAY))
    };
    let mut card = Entity::new(common::spec(vec![abroad, feature(Aggregation::Count, None, Some(DAY))]));
    let mut pay = |time, amount, abroad| {
        let fields = [(AMOUNT, Value::Float(amount)), (ABROAD, abroad)];
        card.apply(0, time, &time.to_string(), &fields).1
    };
    assert_eq!(pay(0, 11.0, Value::Bool(true)), [Value::Int(1), Value::Int(1)]);
    assert_eq!(pay(1, 9.0, Value::Bool(true)), [Value::Int(1), Value::Int(2)]);
    assert_eq!(pay(2, 11.0, Value::Bool(false)), [Value::Int(1), Value::Int(3)]);
    assert_eq!(pay(3, 11.0, Value::Null), [Value::Int(1), Value::Int(4)]);
    assert_eq!(pay(4, 12.0, Value::Bool(true)), [Value::Int(2), Value::Int(5)]);
}

#[test]
fn a_late_payment_is_inserted_where_it_belongs() {
    let mut card = Entity::new(common::spec(vec![
        feature(Aggregation::Count, None, Some(2 * HOUR)),
        feature(Aggregation::Last, Some(AMOUNT), Some(DAY)),
    ]));
    card.pay(0, 1.0);
    card.pay(3 * HOUR, 3.0);
    let (applied, features) = card.apply(0, HOUR, "late", &[(AMOUNT, Value::Float(2.0))]);
    assert_eq!(applied.late_by, 2 * HOUR);
    assert!(applied.inserted && applied.overtaken);
    assert_eq!(features, [Value::Int(2), Value::Float(2.0)]);
    // It is exactly two hours older than the payment at three: the next one sees it neither.
    assert_eq!(card.pay(3 * HOUR, 4.0), [Value::Int(2), Value::Float(4.0)]);
}

#[test]
fn a_payment_beyond_lateness_is_evaluated_but_not_inserted() {
    let spec = EntitySpec {
        lateness: HOUR,
        ..common::spec(vec![feature(Aggregation::Count, None, Some(DAY))])
    };
    let cases = [
        // how late, whether it is too late, and what the next payment counts
        (HOUR, false, 3),
        (HOUR + 1, true, 2),
    ];
    for (late, too_late, after) in cases {
        let mut card = Entity::new(spec.clone());
        card.pay(3 * HOUR, 1.0);
        let (applied, features) = card.apply(0, 3 * HOUR - late, "late", &[]);
        assert_eq!((applied.too_late, applied.inserted), (too_late, !too_late), "{late}");
        assert_eq!(features[0], Value::Int(1), "it counts itself");
        assert_eq!(card.pay(3 * HOUR, 2.0)[0], Value::Int(after), "{late}");
    }
}

#[test]
fn the_same_transaction_twice_changes_nothing_and_gives_the_first_features() {
    let spec = EntitySpec {
        dedupe: DAY,
        ..common::spec(vec![
            feature(Aggregation::Count, None, Some(DAY)),
            feature(Aggregation::Sum, Some(AMOUNT), Some(DAY)),
        ])
    };
    let mut card = Entity::new(spec);
    let ten = [(AMOUNT, Value::Float(10.0))];
    card.apply(0, 0, "a", &ten);
    let (first, features) = card.apply(0, HOUR, "b", &ten);
    assert!(first.inserted && !first.duplicate);
    card.apply(0, HOUR, "c", &ten);
    card.apply(0, 2 * HOUR, "d", &ten);
    let (again, same) = card.apply(0, HOUR, "b", &ten);
    assert!(again.duplicate && !again.inserted);
    assert_eq!(features, same);
    assert_eq!(
        card.apply(0, 2 * HOUR, "e", &ten).1,
        [Value::Int(5), Value::Float(50.0)]
    );
    // The horizon is measured from stream time and open: a day later it is a new transaction.
    assert!(card.apply(0, HOUR + DAY - 1, "b", &ten).0.duplicate);
    assert!(card.apply(0, HOUR + DAY, "b", &ten).0.inserted);
}

#[test]
fn ids_are_the_same_as_text_and_as_integer_and_no_id_is_never_seen_twice() {
    let mut card = Entity::new(common::spec(vec![feature(Aggregation::Count, None, Some(DAY))]));
    assert!(card.apply(0, 0, "42", &[]).0.inserted);
    assert!(card.apply(0, 1, "", &[(common::ID, Value::Int(42))]).0.duplicate);
    assert!(card.apply(0, 2, "", &[(common::ID, Value::Null)]).0.inserted);
    assert!(card.apply(0, 3, "", &[(common::ID, Value::Null)]).0.inserted);
}

#[test]
fn many_ids_are_still_recognised() {
    let mut card = Entity::new(common::spec(vec![feature(Aggregation::Count, None, Some(DAY))]));
    for payment in 0..5_000 {
        assert!(
            card.apply(0, payment * SECOND, &format!("id-{payment}"), &[])
                .0
                .inserted
        );
    }
    for payment in (0..5_000).step_by(97) {
        let (applied, features) = card.apply(0, 5_000 * SECOND, &format!("id-{payment}"), &[]);
        assert!(applied.duplicate);
        assert_eq!(features[0], Value::Int(payment + 1));
    }
}
