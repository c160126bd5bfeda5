//! Numbers as they are stored: as words, floats for comparisons in an order-preserving form.

/// What the log stores of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// `None` if there is no number, or none that can be aggregated.
    pub(crate) word: Option<i64>,
    /// Whether the number is not finite or out of range, and therefore left out, or smaller than what can be told from 0.
    pub(crate) is_inexact: bool,
}

impl Stored {
    /// There is no number.
    pub(crate) const ABSENT: Stored = Stored {
        word: None,
        is_inexact: false,
    };
    /// The number cannot be aggregated.
    pub(crate) const LEFT_OUT: Stored = Stored {
        word: None,
        is_inexact: true,
    };

    /// A number as it is.
    #[inline]
    pub(crate) fn exact(word: i64) -> Stored {
        Stored {
            word: Some(word),
            is_inexact: false,
        }
    }
}

/// Maps finite floats to integers in the same order; -0.0 and 0.0 to the same.
#[inline]
pub(crate) fn to_ordered(value: f64) -> Stored {
    if !value.is_finite() {
        return Stored::LEFT_OUT;
    }
    let bits = (value + 0.0).to_bits() as i64;
    Stored::exact(bits ^ ((bits >> 63) & i64::MAX))
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
    fn what_is_not_finite_has_no_order() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(to_ordered(value), Stored::LEFT_OUT);
        }
    }

    proptest! {
        #[test]
        fn ordered_floats_keep_order_and_value(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            let (x, y) = (to_ordered(a).word.unwrap(), to_ordered(b).word.unwrap());
            prop_assert_eq!(x.cmp(&y), a.partial_cmp(&b).unwrap());
            prop_assert_eq!(from_ordered(x), a);
        }
    }
}
