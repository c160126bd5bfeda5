//! Numbers as integers: fixed point for sums, an order-preserving form for comparisons.

use crate::spec::ValueReason;

/// 2^63, exact as a float; fixed point lies strictly within ±2^63.
const LIMIT: f64 = 9_223_372_036_854_775_808.0;

/// Rounds to the nearest multiple of 1 / `resolution`, ties to even.
#[inline]
pub(crate) fn to_fixed(value: f64, resolution: f64) -> Result<i64, ValueReason> {
    let scaled = value * resolution;
    if scaled.abs() < LIMIT {
        // NaN compares false, so it does not get here.
        return Ok(round_ties_even(scaled));
    }
    Err(if value.is_finite() {
        ValueReason::OutOfRange
    } else {
        ValueReason::NotFinite
    })
}

#[inline]
fn round_ties_even(value: f64) -> i64 {
    // Adding and taking away 2^52 × 1.5 leaves the nearest integer, ties to even, as long as the sum has no
    // fraction bits: one addition instead of a call where the machine has no rounding instruction.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    if value.abs() < 2_251_799_813_685_248.0 {
        return ((value + SHIFT) - SHIFT) as i64;
    }
    value.round_ties_even() as i64
}

/// Maps finite floats to integers in the same order; -0.0 and 0.0 to the same.
#[inline]
pub(crate) fn to_ordered(value: f64) -> Result<i64, ValueReason> {
    if !value.is_finite() {
        return Err(ValueReason::NotFinite);
    }
    let bits = (value + 0.0).to_bits() as i64;
    Ok(bits ^ ((bits >> 63) & i64::MAX))
}

/// The inverse of [`to_ordered`].
#[inline]
pub(crate) fn from_ordered(ordered: i64) -> f64 {
    f64::from_bits((ordered ^ ((ordered >> 63) & i64::MAX)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fixed_point_rounds_half_to_even_and_refuses_what_does_not_fit() {
        let cases = [
            (57.16, 1e6, Ok(57_160_000)),
            (0.5, 1.0, Ok(0)),
            (1.5, 1.0, Ok(2)),
            (2.5, 1.0, Ok(2)),
            (-0.5, 1.0, Ok(0)),
            (-1.5, 1.0, Ok(-2)),
            (-2.5, 1.0, Ok(-2)),
            (4_503_599_627_370_497.0, 1.0, Ok(4_503_599_627_370_497)),
            (9.2e12, 1e6, Ok(9_200_000_000_000_000_000)),
            (9.3e12, 1e6, Err(ValueReason::OutOfRange)),
            (-9.3e12, 1e6, Err(ValueReason::OutOfRange)),
            (f64::MAX, 1e6, Err(ValueReason::OutOfRange)),
            (f64::NAN, 1e6, Err(ValueReason::NotFinite)),
            (f64::INFINITY, 1e6, Err(ValueReason::NotFinite)),
            (f64::NEG_INFINITY, 1e6, Err(ValueReason::NotFinite)),
        ];
        for (value, resolution, expected) in cases {
            assert_eq!(to_fixed(value, resolution), expected, "{value} x {resolution}");
        }
    }

    proptest! {
        #[test]
        fn rounding_is_that_of_the_standard_library(value in -1e18..1e18f64, small in -1e4..1e4f64) {
            prop_assert_eq!(round_ties_even(value), value.round_ties_even() as i64);
            prop_assert_eq!(round_ties_even(small), small.round_ties_even() as i64);
        }

        #[test]
        fn ordered_floats_keep_order_and_value(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            let (x, y) = (to_ordered(a).unwrap(), to_ordered(b).unwrap());
            prop_assert_eq!(x.cmp(&y), a.partial_cmp(&b).unwrap());
            prop_assert_eq!(from_ordered(x), a);
        }
    }
}
