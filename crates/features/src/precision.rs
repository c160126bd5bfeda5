//! The unit in which floats are summed.

use crate::number::Stored;
use std::fmt;

/// 2^63, exact as a float; fixed point lies strictly within ±2^63.
const LIMIT: f64 = 9_223_372_036_854_775_808.0;
/// The finest precision is the reciprocal of this.
const MOST_UNITS_PER_ONE: f64 = 1e12;
/// The coarsest precision: ether in wei.
const LARGEST_UNIT: f64 = 1e18;

/// The unit in which floats are summed: n or 1/n for a whole number n. Values are rounded to multiples of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Precision {
    /// One of the two is 1.
    numerator: i64,
    denominator: i64,
}

impl Precision {
    /// A millionth.
    pub const MILLIONTH: Precision = Precision {
        numerator: 1,
        denominator: 1_000_000,
    };
    /// The unit of whole numbers.
    pub(crate) const ONE: Precision = Precision {
        numerator: 1,
        denominator: 1,
    };

    /// The precision with this unit. `None` unless it is a whole number up to 1e18, or 1/n for one up to 1e12.
    pub fn new(unit: f64) -> Option<Precision> {
        let per_one = (1.0 / unit).round();
        if (1.0..=MOST_UNITS_PER_ONE).contains(&per_one) && (per_one * unit - 1.0).abs() < 1e-9 {
            return Some(Precision {
                numerator: 1,
                denominator: per_one as i64,
            });
        }
        ((1.0..=LARGEST_UNIT).contains(&unit) && unit.fract() == 0.0).then_some(Precision {
            numerator: unit as i64,
            denominator: 1,
        })
    }

    /// The unit.
    pub fn unit(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// What a value must be smaller than, regardless of its sign, to be summed: 2^63 units.
    pub fn limit(self) -> f64 {
        self.numbers(LIMIT)
    }

    /// The nearest multiple of the unit, ties to even.
    #[inline]
    pub(crate) fn fixed(self, value: f64) -> Stored {
        let units = value * self.denominator as f64 / self.numerator as f64;
        // NaN compares false.
        if units.abs() < LIMIT {
            let word = round_ties_even(units);
            return Stored {
                word: Some(word),
                is_inexact: word == 0 && value != 0.0,
            };
        }
        Stored::LEFT_OUT
    }

    /// A number of units, or of the squares of units' sum, as a number.
    #[inline]
    pub(crate) fn numbers(self, units: f64) -> f64 {
        units * self.numerator as f64 / self.denominator as f64
    }

    /// A number of squares of units as a number.
    #[inline]
    pub(crate) fn squares(self, units: f64) -> f64 {
        let (numerator, denominator) = (self.numerator as f64, self.denominator as f64);
        units * (numerator * numerator) / (denominator * denominator)
    }

    /// The mean of `count` values whose sum is `units`.
    #[inline]
    pub(crate) fn mean(self, units: f64, count: i64) -> f64 {
        units * self.numerator as f64 / (count as f64 * self.denominator as f64)
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unit().fmt(f)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn precision(unit: f64) -> Precision {
        Precision::new(unit).expect("a valid precision")
    }

    #[test]
    fn fixed_point_rounds_half_to_even_and_leaves_out_what_does_not_fit() {
        let cases = [
            (57.16, 1e-6, Some(57_160_000)),
            (0.5, 1.0, Some(0)),
            (1.5, 1.0, Some(2)),
            (2.5, 1.0, Some(2)),
            (-0.5, 1.0, Some(0)),
            (-1.5, 1.0, Some(-2)),
            (-2.5, 1.0, Some(-2)),
            (4_503_599_627_370_497.0, 1.0, Some(4_503_599_627_370_497)),
            (9.2e12, 1e-6, Some(9_200_000_000_000_000_000)),
            (9.3e12, 1e-6, None),
            (-9.3e12, 1e-6, None),
            (1e18, 1e-6, None),
            (1e18, 1e9, Some(1_000_000_000)),
            (2.5e9, 1e9, Some(2)),
            (-1.5e18, 1e18, Some(-2)),
            (f64::MAX, 1e-6, None),
            (f64::NAN, 1e-6, None),
            (f64::INFINITY, 1e-6, None),
            (f64::NEG_INFINITY, 1e18, None),
        ];
        for (value, unit, expected) in cases {
            let stored = precision(unit).fixed(value);
            assert_eq!(stored.word, expected, "{value} in units of {unit}");
            let vanishes = expected == Some(0) && value != 0.0;
            assert_eq!(
                stored.is_inexact,
                expected.is_none() || vanishes,
                "{value} in units of {unit}"
            );
        }
        assert!(precision(1e-6).fixed(5e-8).is_inexact);
        assert!(!precision(1e-6).fixed(0.0).is_inexact);
        assert!(!precision(1e-6).fixed(5e-7 * 1.1).is_inexact);
    }

    #[test]
    fn a_unit_is_a_whole_number_or_the_reciprocal_of_one() {
        for unit in [1.0, 0.5, 0.01, 0.05, 1.0 / 3.0, 1e-6, 1e-12, 2.0, 100.0, 1e9, 1e18] {
            assert_eq!(precision(unit).unit(), unit);
        }
        for unit in [0.0, -0.01, 0.3, 1.5, 1e-13, 2e18, f64::NAN, f64::INFINITY] {
            assert_eq!(Precision::new(unit), None, "{unit}");
        }
        assert_eq!(Precision::MILLIONTH, precision(1e-6));
        assert_eq!(Precision::MILLIONTH.to_string(), "0.000001");
        assert_eq!(precision(1e9).to_string(), "1000000000");
    }

    proptest! {
        #[test]
        fn rounding_is_that_of_the_standard_library(value in -1e18..1e18f64, small in -1e4..1e4f64) {
            prop_assert_eq!(round_ties_even(value), value.round_ties_even() as i64);
            prop_assert_eq!(round_ties_even(small), small.round_ties_even() as i64);
        }
    }
}
