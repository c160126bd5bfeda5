//! Numbers as integers: fixed point for sums, an order-preserving form for comparisons, and the exact
//! variance of integers.

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

/// An unsigned integer of 256 bits: high and low half.
type Wide = (u128, u128);

fn multiply(a: u128, b: u128) -> Wide {
    const HALF: u128 = u64::MAX as u128;
    let (a_high, a_low) = (a >> 64, a & HALF);
    let (b_high, b_low) = (b >> 64, b & HALF);
    let low = a_low * b_low;
    let (middle, carried) = (a_high * b_low).overflowing_add(a_low * b_high);
    let carry = u128::from(carried) << 64;
    let (low, overflow) = low.overflowing_add(middle << 64);
    (a_high * b_high + (middle >> 64) + carry + u128::from(overflow), low)
}

fn subtract(a: Wide, b: Wide) -> Wide {
    let (low, borrow) = a.1.overflowing_sub(b.1);
    (a.0.wrapping_sub(b.0).wrapping_sub(u128::from(borrow)), low)
}

/// n · Σx² − (Σx)² as the nearest float, exact as long as it fits 128 bits. The sum of squares is
/// `squares.0` · 2^64 + `squares.1`.
pub(crate) fn variance_numerator(count: u64, sum: i128, squares: (u128, u128)) -> f64 {
    let (low, carry) = squares.1.overflowing_add(squares.0 << 64);
    let high = (squares.0 >> 64).wrapping_add(u128::from(carry));
    let product = multiply(low, u128::from(count));
    // Σx² < 2^190 and n < 2^63, so nothing is lost.
    let product = (product.0.wrapping_add(high.wrapping_mul(u128::from(count))), product.1);
    let difference = subtract(product, multiply(sum.unsigned_abs(), sum.unsigned_abs()));
    const TWO_TO_128: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;
    if difference.0 == 0 {
        difference.1 as f64
    } else {
        difference.0 as f64 * TWO_TO_128 + difference.1 as f64
    }
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

    #[test]
    fn the_variance_of_extremes_is_exact() {
        // n = 2, x = ±(2^63 − 1): n Σx² − 0 = 4 (2^63 − 1)².
        let x = i128::from(i64::MAX);
        let square = (x * x) as u128;
        let squares = (2 * (square >> 64), 2 * (square & u128::from(u64::MAX)));
        assert_eq!(variance_numerator(2, 0, squares), 4.0 * (x as f64) * (x as f64));
        assert_eq!(variance_numerator(2, 2 * x, squares), 0.0);
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

        #[test]
        fn wide_products_are_right(a in any::<u64>(), b in any::<u128>()) {
            let a = u128::from(a);
            let (high, low) = multiply(a, b);
            prop_assert_eq!(low, a.wrapping_mul(b));
            let carried = (a * (b & u128::from(u64::MAX))) >> 64;
            prop_assert_eq!(high, (a * (b >> 64) + carried) >> 64);
        }

        #[test]
        fn variances_of_small_numbers_match(values in prop::collection::vec(-1_000_000i64..1_000_000, 2..50)) {
            let sum: i128 = values.iter().map(|&x| i128::from(x)).sum();
            let squares: u128 = values.iter().map(|&x| (i128::from(x) * i128::from(x)) as u128).sum();
            let expected = values.len() as i128 * squares as i128 - sum * sum;
            prop_assert_eq!(variance_numerator(values.len() as u64, sum, (0, squares)), expected as f64);
        }
    }
}
