//! Arithmetic that never panics.

use std::cmp::Ordering;

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// The order of an integer and a float as points of the number line, without rounding the integer.
#[inline]
pub(crate) fn compare_int_float(int: i64, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        None
    } else if float >= TWO_TO_63 {
        Some(Ordering::Less)
    } else if float < -TWO_TO_63 {
        Some(Ordering::Greater)
    } else {
        let whole = float.trunc();
        let order = int.cmp(&(whole as i64));
        Some(order.then_with(|| {
            if whole < float {
                Ordering::Less
            } else if whole > float {
                Ordering::Greater
            } else {
                Ordering::Equal
            }
        }))
    }
}

/// Rounds towards zero. `None` outside the 64-bit integers and, as in CEL, for the least of them.
pub(crate) fn float_to_int(float: f64) -> Option<i64> {
    (float > -TWO_TO_63 && float < TWO_TO_63).then_some(float as i64)
}

/// The lesser; NaN when either is NaN.
pub(crate) fn float_min(a: f64, b: f64) -> f64 {
    if a.is_nan() || a <= b { a } else { b }
}

/// The greater; NaN when either is NaN.
pub(crate) fn float_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || a >= b { a } else { b }
}
