//! Accumulators of exact integers: adding an entry and taking it out again are exact inverses.

use crate::accumulator::SumsRead;
use crate::encode::{Malformed, Reader, put_signed, put_signed_wide, put_words};
use crate::entry::Entry;
use crate::layout::{Linear, LinearKind, WindowLayout};
use crate::logarithms;
use crate::precision::Precision;
use crate::wide::{Wide, pair};
use std::ops::Range;

/// Adds an entry to all of a window's linear accumulators.
#[inline]
pub(crate) fn add(accumulators: &[Linear], words: &mut [i64], entry: Entry<'_>) {
    change(accumulators, words, entry, 1);
}

/// Takes an entry out again.
#[inline]
pub(crate) fn remove(accumulators: &[Linear], words: &mut [i64], entry: Entry<'_>) {
    change(accumulators, words, entry, -1);
}

#[inline]
fn change(accumulators: &[Linear], words: &mut [i64], entry: Entry<'_>, times: i64) {
    for accumulator in accumulators {
        if entry.meets(accumulator.mask) {
            let words = &mut words[accumulator.at..][..accumulator.kind.words()];
            words[0] = words[0].wrapping_add(times);
            match accumulator.kind {
                LinearKind::Count => {}
                LinearKind::PowerSums { word, highest } => change_sums(words, highest, entry.words[word], times),
                LinearKind::Logarithms { word, form } => {
                    logarithms::change(words, form.number_of_word(entry.words[word]), times);
                }
            }
        }
    }
}

/// The square of a value fits two words, the cube three, the fourth power four. A sum of them takes one word more: then
/// no number of entries overflows it.
#[inline]
fn change_sums(words: &mut [i64], highest: u8, value: i64, times: i64) {
    let (value, times) = (i128::from(value), i128::from(times));
    let sum = &mut words[power(1)];
    let changed = pair(sum).wrapping_add(value * times);
    (sum[0], sum[1]) = (changed as i64, (changed >> 64) as i64);
    if highest >= 2 {
        add_wide::<3>(&mut words[power(2)], Wide::from(value * value * times));
    }
    if highest >= 3 {
        add_wide::<4>(
            &mut words[power(3)],
            Wide::from(value * value) * Wide::from(value * times),
        );
    }
    if highest >= 4 {
        add_wide::<5>(
            &mut words[power(4)],
            Wide::from(value * value) * Wide::from(value * value * times),
        );
    }
}

#[inline]
fn add_wide<const N: usize>(sum: &mut [i64], term: Wide<N>) {
    (Wide::from_words(sum) + term).write(sum);
}

/// The words of the sum of values to the power `of`, behind the count.
#[inline]
const fn power(of: usize) -> Range<usize> {
    let start = of * (of + 1) / 2;
    start..start + of + 1
}

/// Number of entries that count.
#[inline]
pub(crate) fn count(words: &[i64], at: usize) -> i64 {
    words[at]
}

/// What a feature reads off the sums at `at`, in units of `precision`. `None` if too few entries count.
#[inline]
pub(crate) fn read_sums(words: &[i64], at: usize, precision: Precision, read: SumsRead) -> Option<f64> {
    let words = &words[at..];
    let count = words[0];
    match read {
        SumsRead::Sum => (count > 0).then(|| precision.numbers(sum(words))),
        SumsRead::Mean => (count > 0).then(|| precision.mean(sum(words), count)),
        SumsRead::Variance => variance(words, precision),
        SumsRead::StandardDeviation => variance(words, precision).map(f64::sqrt),
        SumsRead::Skewness => skewness(words),
        SumsRead::Kurtosis => kurtosis(words),
    }
}

#[inline]
fn sum(words: &[i64]) -> f64 {
    pair(&words[power(1)]) as f64
}

/// The sum of values to the power `of`, in integers of N words.
fn power_sum<const N: usize>(words: &[i64], of: usize) -> Wide<N> {
    match of {
        0 => Wide::from(i128::from(words[0])),
        _ => Wide::from_words(&words[power(of)]),
    }
}

/// n · Σ(x − mean)² = n Σx² − (Σx)², exactly.
fn second_moment<const N: usize>(words: &[i64]) -> Wide<N> {
    let [n, sum, squares] = [0, 1, 2].map(|of| power_sum::<N>(words, of));
    n * squares - sum * sum
}

/// Sample variance, or none with fewer than two entries.
fn variance(words: &[i64], precision: Precision) -> Option<f64> {
    let count = words[0];
    (count > 1).then(|| {
        let numerator = second_moment::<4>(words).to_f64();
        precision.squares(numerator / (count as f64 * (count - 1) as f64))
    })
}

/// Sample skewness G1 = √(n (n − 1)) / (n − 2) · m₃ / m₂^1.5, where mₖ is the mean of (x − mean)ᵏ (Joanes and Gill 1998).
/// None with fewer than three entries, or if all are equal.
fn skewness(words: &[i64]) -> Option<f64> {
    let [n, sum, squares, cubes] = [0, 1, 2, 3].map(|of| power_sum::<6>(words, of));
    // n³ m₃ and n² m₂, exactly. The first is less than 2^382.
    let third = n * n * cubes - Wide::from(3) * n * sum * squares + Wide::from(2) * sum * sum * sum;
    let second = second_moment::<6>(words).to_f64();
    let count = words[0] as f64;
    (count > 2.0 && second > 0.0).then(|| {
        let skewness = third.to_f64() / (second * second.sqrt());
        (count * (count - 1.0)).sqrt() / (count - 2.0) * skewness
    })
}

/// Sample excess kurtosis G2 = (n − 1) / ((n − 2) (n − 3)) · ((n + 1) (m₄ / m₂² − 3) + 6), where mₖ is the mean of
/// (x − mean)ᵏ (Joanes and Gill 1998). None with fewer than four entries, or if all are equal.
fn kurtosis(words: &[i64]) -> Option<f64> {
    let [n, sum, squares, cubes, fourths] = [0, 1, 2, 3, 4].map(|of| power_sum::<8>(words, of));
    // n⁴ m₄ and n² m₂, exactly, and n⁴ (m₄ − 3 m₂²), which would cancel out in floats. Each is less than 2^510.
    let fourth = n * n * n * fourths - Wide::from(4) * n * n * sum * cubes + Wide::from(6) * n * sum * sum * squares
        - Wide::from(3) * sum * sum * sum * sum;
    let second = second_moment::<8>(words);
    let excess = fourth - Wide::from(3) * second * second;
    let (count, second) = (words[0] as f64, second.to_f64());
    (count > 3.0 && second > 0.0).then(|| {
        let excess = excess.to_f64() / (second * second);
        (count - 1.0) / ((count - 2.0) * (count - 3.0)) * ((count + 1.0) * excess + 6.0)
    })
}

/// Appends a window's words to a head.
pub(crate) fn encode(window: &WindowLayout, words: &[i64], out: &mut Vec<u8>) {
    for accumulator in &window.linear {
        let words = &words[accumulator.at..];
        put_signed(out, words[0]);
        match accumulator.kind {
            LinearKind::Count => {}
            LinearKind::PowerSums { highest, .. } => {
                put_signed_wide(out, pair(&words[power(1)]));
                for of in 2..=usize::from(highest) {
                    put_words(out, &words[power(of)]);
                }
            }
            LinearKind::Logarithms { .. } => logarithms::encode(words, out),
        }
    }
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(reader: &mut Reader<'_>, window: &WindowLayout, words: &mut [i64]) -> Result<(), Malformed> {
    for accumulator in &window.linear {
        let words = &mut words[accumulator.at..];
        words[0] = reader.signed()?;
        match accumulator.kind {
            LinearKind::Count => {}
            LinearKind::PowerSums { highest, .. } => {
                Wide::<2>::from(reader.signed_wide()?).write(&mut words[power(1)]);
                for of in 2..=usize::from(highest) {
                    reader.words(&mut words[power(of)])?;
                }
            }
            LinearKind::Logarithms { .. } => logarithms::decode(reader, words)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums(values: &[i64], highest: u8) -> Vec<i64> {
        let mut words = vec![0; LinearKind::PowerSums { word: 0, highest }.words()];
        for &value in values {
            words[0] += 1;
            change_sums(&mut words, highest, value, 1);
        }
        words
    }

    #[test]
    fn the_variance_of_extremes_is_exact() {
        let x = i64::MAX;
        // n = 2, x = ±(2^63 − 1): n Σx² − 0 = 4 (2^63 − 1)².
        let apart = second_moment::<4>(&sums(&[x, -x], 2));
        assert_eq!(apart.to_f64(), 4.0 * (x as f64) * (x as f64));
        assert_eq!(second_moment::<4>(&sums(&[x, x], 2)), Wide::from(0));
    }

    proptest! {
        #[test]
        fn variances_of_small_numbers_match(values in prop::collection::vec(-1_000_000i64..1_000_000, 2..50)) {
            let sum: i128 = values.iter().map(|&x| i128::from(x)).sum();
            let squares: i128 = values.iter().map(|&x| i128::from(x) * i128::from(x)).sum();
            let expected = values.len() as i128 * squares - sum * sum;
            prop_assert_eq!(second_moment::<4>(&sums(&values, 2)), Wide::from(expected));
        }

        #[test]
        fn what_is_taken_out_leaves_no_trace(values in prop::collection::vec(any::<i64>(), 1..50), other in any::<i64>()) {
            let before = sums(&values, 4);
            let mut words = before.clone();
            change_sums(&mut words, 4, other, 1);
            change_sums(&mut words, 4, other, -1);
            prop_assert_eq!(words, before);
        }
    }
}
