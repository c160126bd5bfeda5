//! Numbers that do not fit what is aggregated: too large for sums, not finite, or rounded to 0.

mod common;

use common::{AMOUNT, OUTPUT, feature, row, states};
use riskstream_events::Value;
use riskstream_features::state::MemoryState;
use riskstream_features::{Aggregation, Constructor, FeatureSpec, Operand, Precision};

const DAY: i64 = 86_400_000_000;

/// Every entry of the table, with some parameter.
fn all_aggregations() -> impl Iterator<Item = Aggregation> {
    Aggregation::TABLE
        .iter()
        .map(|definition| match definition.constructor {
            Constructor::Plain(aggregation) => aggregation,
            Constructor::K(of) => of(3),
            Constructor::Q(of) => of(0.5),
            Constructor::HalfLife(of) => of(DAY),
        })
}

/// What the feature of a first payment of `amount` is, and whether that is inexact.
fn of_one_payment(feature: FeatureSpec, amount: Value) -> (Value, bool) {
    let mut states = states(&common::spec(vec![feature]));
    let mut row = row(0, "a", 1);
    row[AMOUNT] = amount;
    let applied = states.apply(&MemoryState::default(), 0, "card", 0, &mut row);
    (row[OUTPUT].clone(), applied.expect("applied").inexact)
}

/// Only sums bound the size of a float. A quantile, an extreme or a list takes it as it is, however large.
#[test]
fn a_float_beyond_fixed_point_is_left_out_of_sums_alone() {
    for aggregation in all_aggregations() {
        let window = (!aggregation.is_decayed()).then_some(DAY);
        let feature = feature(aggregation, Some(AMOUNT), window);
        let (value, is_inexact) = of_one_payment(feature.clone(), Value::Float(1e13));
        let name = aggregation.name();
        assert_eq!(is_inexact, aggregation.is_fixed_point(), "{name}");
        if is_inexact {
            assert_eq!(
                value,
                of_one_payment(feature, Value::Null).0,
                "{name}: as without the payment"
            );
        }
        if let Aggregation::Quantile(_) = aggregation {
            assert_eq!(value, Value::Float(1e13));
        }
    }
}

#[test]
fn a_number_that_is_not_finite_is_left_out_as_null_is_and_the_event_is_inexact() {
    for aggregation in all_aggregations() {
        let window = (!aggregation.is_decayed()).then_some(DAY);
        let feature = feature(aggregation, Some(AMOUNT), window);
        let absent = of_one_payment(feature.clone(), Value::Null);
        assert!(!absent.1, "{}", aggregation.name());
        for amount in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let (value, is_inexact) = of_one_payment(feature.clone(), Value::Float(amount));
            assert_eq!(value, absent.0, "{} of {amount}", aggregation.name());
            let counts_events = aggregation.definition().operand == Operand::Events;
            assert_eq!(is_inexact, !counts_events, "{} of {amount}", aggregation.name());
        }
    }
}

#[test]
fn each_feature_has_its_own_precision() {
    let summed_in = |unit: f64, amount: f64| {
        let mut feature = feature(Aggregation::Sum, Some(AMOUNT), Some(DAY));
        feature.precision = Precision::new(unit).expect("a valid precision");
        of_one_payment(feature, Value::Float(amount))
    };
    // A payment of one ether, in wei.
    assert_eq!(summed_in(1e-6, 1e18), (Value::Float(0.0), true));
    assert_eq!(summed_in(1e9, 1e18), (Value::Float(1e18), false));
    assert_eq!(summed_in(1e-6, 5e-8), (Value::Float(0.0), true));
    assert_eq!(summed_in(1e-9, 5e-8), (Value::Float(5e-8), false));
    assert_eq!(summed_in(0.01, 1.234), (Value::Float(1.23), false));

    let mut fine = feature(Aggregation::Mean, Some(AMOUNT), Some(DAY));
    fine.precision = Precision::new(0.001).expect("a valid precision");
    let mut coarse = feature(Aggregation::Variance, Some(AMOUNT), Some(DAY));
    coarse.precision = Precision::new(10.0).expect("a valid precision");
    let mut states = states(&common::spec(vec![fine, coarse]));
    let mut features = Vec::new();
    for (id, amount) in [("a", 1.0004), ("b", 26.0), ("c", 14.999)] {
        let mut row = row(0, id, 2);
        row[AMOUNT] = Value::Float(amount);
        states
            .apply(&MemoryState::default(), 0, "card", 0, &mut row)
            .expect("applied");
        features = row.split_off(OUTPUT);
    }
    // The mean of 1.000, 26.000 and 14.999; the variance of 0, 30 and 10 by numpy (ddof=1).
    assert_eq!(features[0], Value::Float(41_999.0 / 3_000.0));
    let Value::Float(variance) = features[1] else {
        panic!("{features:?}")
    };
    assert!((variance - 233.333_333_333_333_34).abs() < 1e-9, "{variance}");
}
