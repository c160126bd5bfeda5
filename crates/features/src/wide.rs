//! Signed integers of several words, for exact sums of powers.

use std::ops::{Add, Mul, Sub};

/// A signed integer of N 64-bit words in two's complement, the least significant word first. Arithmetic wraps around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wide<const N: usize>([u64; N]);

impl<const N: usize> Wide<N> {
    /// The integer in at most N words.
    #[inline]
    pub(crate) fn from_words(words: &[i64]) -> Self {
        let sign = words.last().map_or(0, |&last| last >> 63);
        let mut wide = [sign as u64; N];
        for (to, &from) in wide.iter_mut().zip(words) {
            *to = from as u64;
        }
        Wide(wide)
    }

    /// Sets `words`, of which there are at most N, to the integer's low words.
    #[inline]
    pub(crate) fn write(self, words: &mut [i64]) {
        for (to, from) in words.iter_mut().zip(self.0) {
            *to = from as i64;
        }
    }

    fn is_negative(self) -> bool {
        self.0[N - 1] >> 63 == 1
    }

    /// The nearest float, of two equally near ones the even.
    pub(crate) fn to_f64(self) -> f64 {
        const WORD: f64 = 18_446_744_073_709_551_616.0;
        if self.is_negative() {
            return -(Wide([0; N]) - self).magnitude(WORD);
        }
        self.magnitude(WORD)
    }

    /// As a float, read as unsigned. The two highest words hold at least 65 significant bits; of the rest, it only matters
    /// for rounding whether any bit is set.
    fn magnitude(self, word: f64) -> f64 {
        let highest = self.0.iter().rposition(|&word| word != 0).unwrap_or(0);
        if highest == 0 {
            return self.0[0] as f64;
        }
        let rest = self.0[..highest - 1].iter().any(|&word| word != 0);
        let high = u128::from(self.0[highest]) << 64 | u128::from(self.0[highest - 1]) | u128::from(rest);
        (1..highest).fold(high as f64, |float, _| float * word)
    }
}

impl<const N: usize> From<i128> for Wide<N> {
    #[inline]
    fn from(number: i128) -> Self {
        Wide::from_words(&[number as i64, (number >> 64) as i64])
    }
}

impl<const N: usize> Add for Wide<N> {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        let (mut sum, mut carry) = ([0; N], false);
        for (to, (a, b)) in sum.iter_mut().zip(self.0.into_iter().zip(other.0)) {
            let (partial, first) = a.overflowing_add(b);
            let (total, second) = partial.overflowing_add(u64::from(carry));
            (*to, carry) = (total, first || second);
        }
        Wide(sum)
    }
}

impl<const N: usize> Sub for Wide<N> {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        let (mut difference, mut borrow) = ([0; N], false);
        for (to, (a, b)) in difference.iter_mut().zip(self.0.into_iter().zip(other.0)) {
            let (partial, first) = a.overflowing_sub(b);
            let (total, second) = partial.overflowing_sub(u64::from(borrow));
            (*to, borrow) = (total, first || second);
        }
        Wide(difference)
    }
}

impl<const N: usize> Mul for Wide<N> {
    type Output = Self;

    #[inline]
    fn mul(self, other: Self) -> Self {
        let mut product = [0; N];
        for (shift, a) in self.0.into_iter().enumerate() {
            let mut carry = 0;
            for (to, b) in product[shift..].iter_mut().zip(other.0) {
                let total = u128::from(a) * u128::from(b) + u128::from(*to) + u128::from(carry);
                (*to, carry) = (total as u64, (total >> 64) as u64);
            }
        }
        Wide(product)
    }
}

/// The signed integer in two words, the less significant first.
#[inline]
pub(crate) fn pair(words: &[i64]) -> i128 {
    words[0] as u64 as i128 | i128::from(words[1]) << 64
}

#[cfg(test)]
mod tests {
    use super::Wide;
    use proptest::prelude::*;

    /// Any integer of five words.
    fn wide() -> impl Strategy<Value = Wide<5>> {
        prop::collection::vec(prop_oneof![any::<i64>(), Just(0), Just(-1)], 5)
            .prop_map(|words| Wide::from_words(&words))
    }

    /// 2^(64 · words).
    fn shift(words: usize) -> Wide<5> {
        let mut shifted = [0; 5];
        shifted[words] = 1;
        Wide::from_words(&shifted)
    }

    proptest! {
        #[test]
        fn small_numbers_are_as_those_of_the_standard_library(a in any::<i128>(), b in any::<i64>(), c in any::<i64>()) {
            let (b, c) = (i128::from(b), i128::from(c));
            prop_assert_eq!(Wide::<5>::from(a / 2) + Wide::from(b), Wide::from(a / 2 + b));
            prop_assert_eq!(Wide::<5>::from(a / 2) - Wide::from(b), Wide::from(a / 2 - b));
            prop_assert_eq!(Wide::<5>::from(b) * Wide::from(c), Wide::from(b * c));
            prop_assert_eq!(Wide::<5>::from(a).to_f64(), a as f64);
        }

        /// With the products of small numbers right, so are all others.
        #[test]
        fn arithmetic_obeys_the_laws_of_a_ring(a in wide(), b in wide(), c in wide()) {
            prop_assert_eq!(a + b, b + a);
            prop_assert_eq!((a + b) - b, a);
            prop_assert_eq!(a * b, b * a);
            prop_assert_eq!((a * b) * c, a * (b * c));
            prop_assert_eq!(a * (b + c), a * b + a * c);
        }

        #[test]
        fn a_shift_by_words_is_exact(a in any::<i64>(), words in 0..4usize) {
            let shifted = Wide::from(i128::from(a)) * shift(words);
            prop_assert_eq!(shifted.to_f64(), a as f64 * 2f64.powi(64 * words as i32));
        }

        #[test]
        fn words_that_are_written_are_read_again(a in any::<i128>()) {
            let mut words = [7; 3];
            Wide::<3>::from(a).write(&mut words);
            prop_assert_eq!(Wide::<5>::from_words(&words), Wide::from(a));
        }
    }

    #[test]
    fn the_nearest_float_takes_all_words_into_account() {
        // Halfway between two floats, and one bit far below more: only then is it rounded up.
        let half = Wide::<5>::from((1 << 53) + 1) * shift(3);
        assert_eq!(half.to_f64(), 2f64.powi(53) * 2f64.powi(192));
        let more = half + Wide::from(1);
        assert_eq!(more.to_f64(), (2f64.powi(53) + 2.0) * 2f64.powi(192));
        assert_eq!((Wide::from(0) - more).to_f64(), -more.to_f64());
    }
}
