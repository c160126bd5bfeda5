//! Sums of logarithms, for geometric means. A logarithm enters as an integer, so that adding a value and taking it out again
//! are exact inverses.
//!
//! In words: the number of values, how many of them are zero, how many are negative, and in two words the sum of the
//! logarithms of the others.

use crate::encode::{Malformed, Reader, put_signed, put_signed_wide};
use crate::wide::{Wide, pair};

/// A logarithm to base 2 has this many binary digits behind the point: as many as a float between 1 and 2 has.
const DIGITS: u32 = 52;

/// Adds a value, or takes it out again (`times` is then −1). The number of values is changed by the caller.
#[inline]
pub(crate) fn change(words: &mut [i64], value: f64, times: i64) {
    let [_, zeros, negatives, sum @ ..] = words else { return };
    if value > 0.0 {
        let logarithm = i128::from(logarithm(value)) * i128::from(times);
        let changed = pair(sum).wrapping_add(logarithm);
        (sum[0], sum[1]) = (changed as i64, (changed >> 64) as i64);
    } else if value < 0.0 {
        *negatives = negatives.wrapping_add(times);
    } else {
        *zeros = zeros.wrapping_add(times);
    }
}

/// The logarithm to base 2 of a positive finite number, in units of 2^−52. The error is less than a unit, however large
/// the logarithm is, because the exponent enters exactly. The magnitude is less than 1,075 · 2^52.
fn logarithm(value: f64) -> i64 {
    let (significand, exponent) = libm::frexp(value);
    let unit = (1i64 << DIGITS) as f64;
    (i64::from(exponent) << DIGITS) + libm::rint(libm::log2(significand) * unit) as i64
}

/// The n-th root of the product of n values. 0 if one of them is 0; none if one is negative, or if there are none. The
/// relative error is less than 10^−15, unless the result is subnormal.
pub(crate) fn geometric_mean(words: &[i64]) -> Option<f64> {
    let &[count, zeros, negatives, ref sum @ ..] = words else {
        return None;
    };
    if count <= 0 || negatives != 0 {
        return None;
    }
    if zeros != 0 {
        return Some(0.0);
    }
    let scale = i128::from(count) << DIGITS;
    let sum = pair(sum);
    let (whole, rest) = (sum.div_euclid(scale), sum.rem_euclid(scale));
    let root = libm::exp2(rest as f64 / scale as f64);
    // The logarithm of the largest floats rounds to 1,024.
    Some(libm::ldexp(root, whole.clamp(-2_000, 2_000) as i32).min(f64::MAX))
}

/// Appends the words behind the number of values.
pub(crate) fn encode(words: &[i64], out: &mut Vec<u8>) {
    put_signed(out, words[1]);
    put_signed(out, words[2]);
    put_signed_wide(out, pair(&words[3..]));
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(reader: &mut Reader<'_>, words: &mut [i64]) -> Result<(), Malformed> {
    words[1] = reader.signed()?;
    words[2] = reader.signed()?;
    Wide::<2>::from(reader.signed_wide()?).write(&mut words[3..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(values: &[f64]) -> [i64; 5] {
        let mut words = [0; 5];
        for &value in values {
            words[0] += 1;
            change(&mut words, value, 1);
        }
        words
    }

    #[test]
    fn powers_of_two_are_exact_up_to_the_ends_of_the_range() {
        let cases: [(&[f64], f64); 5] = [
            (&[2.0, 8.0], 4.0),
            (&[0.5, 0.25, 4.0, 2.0], 1.0),
            (&[f64::MAX, f64::MAX], f64::MAX),
            (&[f64::MIN_POSITIVE; 3], f64::MIN_POSITIVE),
            (&[5e-324, 5e-324], 5e-324),
        ];
        for (values, expected) in cases {
            assert_eq!(geometric_mean(&words(values)), Some(expected), "{values:?}");
        }
    }

    proptest! {
        /// Of one value it is the value.
        #[test]
        fn the_relative_error_is_less_than_1e_15(bits in 0x0010_0000_0000_0000..0x7ff0_0000_0000_0000u64, n in 1..5usize) {
            let value = f64::from_bits(bits);
            let mean = geometric_mean(&words(&vec![value; n])).unwrap();
            prop_assert!((mean / value - 1.0).abs() < 1e-15, "{mean} instead of {value}");
        }

        #[test]
        fn what_is_taken_out_leaves_no_trace(values in prop::collection::vec(-1e3..1e6f64, 1..50), other in any::<f64>()) {
            prop_assume!(other.is_finite());
            let before = words(&values);
            let mut changed = before;
            change(&mut changed, other, 1);
            change(&mut changed, other, -1);
            prop_assert_eq!(changed, before);
        }
    }
}
