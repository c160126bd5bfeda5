//! Integer keys with the order of floating-point numbers.
//!
//! IEEE 754 numbers are ordered like sign-magnitude integers. Converted to two's complement they leave the smallest and
//! the largest integer unused. These two stand for a missing value: [`Key::LOWEST`] is below the key of every number,
//! [`Key::HIGHEST`] above. So one integer comparison decides a split, whichever side missing values take. Zeros of both
//! signs have the same key.

use std::fmt::Debug;

/// The number type of a forest's inputs, thresholds and leaf values.
pub(crate) trait Number: Copy + Debug + Send + Sync + PartialOrd + From<f32> + 'static {
    type Key: Key;

    fn from_f64(value: f64) -> Self;
    fn zero() -> Self;
    fn add(self, other: Self) -> Self;
    fn negate(self) -> Self;
    fn divide(self, count: usize) -> Self;
    fn to_f32(self) -> f32;
    /// The key of a number; unspecified for NaN.
    fn key(self) -> Self::Key;
    fn is_nan(self) -> bool;
    /// The bits, as the payload of a leaf. Never [`Key::LOWEST`].
    fn payload(self) -> Self::Key;
    fn from_payload(payload: Self::Key) -> Self;
}

pub(crate) trait Key: Copy + Debug + Ord + Send + Sync + 'static {
    /// Below every number's key.
    const LOWEST: Self;
    /// Above every number's key.
    const HIGHEST: Self;

    /// The next larger key.
    fn next(self) -> Self;
    fn from_index(index: u32) -> Self;
    fn to_index(self) -> u32;
}

macro_rules! number {
    ($float:ty, $integer:ty, $unsigned:ty) => {
        impl Number for $float {
            type Key = $integer;

            fn from_f64(value: f64) -> Self {
                value as $float
            }
            fn zero() -> Self {
                0.0
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self + other
            }
            fn negate(self) -> Self {
                -self
            }
            fn divide(self, count: usize) -> Self {
                self / count as $float
            }
            fn to_f32(self) -> f32 {
                self as f32
            }
            #[inline(always)]
            fn key(self) -> $integer {
                // Adding zero turns a negative zero into a positive one.
                let bits = (self + 0.0).to_bits() as $integer;
                bits ^ (((bits >> (<$integer>::BITS - 1)) as $unsigned) >> 1) as $integer
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                <$float>::is_nan(self)
            }
            fn payload(self) -> $integer {
                (self + 0.0).to_bits() as $integer
            }
            #[inline(always)]
            fn from_payload(payload: $integer) -> Self {
                <$float>::from_bits(payload as $unsigned)
            }
        }

        impl Key for $integer {
            const LOWEST: Self = <$integer>::MIN;
            const HIGHEST: Self = <$integer>::MAX;

            fn next(self) -> Self {
                self.saturating_add(1)
            }
            fn from_index(index: u32) -> Self {
                index as $integer
            }
            #[inline(always)]
            fn to_index(self) -> u32 {
                self as u32
            }
        }
    };
}

number!(f32, i32, u32);
number!(f64, i64, u64);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_order_like_numbers(a in any::<f32>(), b in any::<f32>()) {
            if !a.is_nan() && !b.is_nan() {
                prop_assert_eq!(a.key() < b.key(), a < b);
                prop_assert_eq!(a.key() == b.key(), a == b);
                prop_assert!(a.key() > i32::LOWEST && a.key() < i32::HIGHEST);
            }
        }

        #[test]
        fn the_next_key_is_the_next_number(a in any::<f64>()) {
            if a.is_finite() && a != 0.0 {
                prop_assert!(a.next_up().key() == a.key().next() || a.next_up() == 0.0);
            }
        }
    }

    #[test]
    fn zeros_share_a_key_and_no_payload_is_the_lowest_key() {
        assert_eq!((-0.0f32).key(), 0.0f32.key());
        assert_ne!((-0.0f32).payload(), i32::LOWEST);
        assert_ne!((-0.0f64).payload(), i64::LOWEST);
    }
}
