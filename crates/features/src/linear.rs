//! Accumulators of integers: adding an entry and taking it out again are exact inverses.

use crate::accumulator::SumsRead;
use crate::entry::Entry;
use crate::layout::{Linear, LinearKind};
use crate::number::variance_numerator;

/// Adds an entry to all of a window's linear accumulators.
#[inline]
pub(crate) fn add(accumulators: &[Linear], words: &mut [i64], entry: Entry<'_>) {
    for accumulator in accumulators {
        if entry.meets(accumulator.mask) {
            let words = &mut words[accumulator.at..][..accumulator.kind.words()];
            words[0] += 1;
            match accumulator.kind {
                LinearKind::Count => {}
                LinearKind::Sum(word) => change_sum(words, i128::from(entry.words[word])),
                LinearKind::Moments(word) => {
                    let value = entry.words[word];
                    change_sum(words, i128::from(value));
                    let (high, low) = square(value);
                    write(words, 3, read(words, 3).wrapping_add(high));
                    write(words, 5, read(words, 5).wrapping_add(low));
                }
            }
        }
    }
}

/// Takes an entry out again.
#[inline]
pub(crate) fn remove(accumulators: &[Linear], words: &mut [i64], entry: Entry<'_>) {
    for accumulator in accumulators {
        if entry.meets(accumulator.mask) {
            let words = &mut words[accumulator.at..][..accumulator.kind.words()];
            words[0] -= 1;
            match accumulator.kind {
                LinearKind::Count => {}
                LinearKind::Sum(word) => change_sum(words, -i128::from(entry.words[word])),
                LinearKind::Moments(word) => {
                    let value = entry.words[word];
                    change_sum(words, -i128::from(value));
                    let (high, low) = square(value);
                    write(words, 3, read(words, 3).wrapping_sub(high));
                    write(words, 5, read(words, 5).wrapping_sub(low));
                }
            }
        }
    }
}

#[inline]
fn change_sum(words: &mut [i64], change: i128) {
    write(words, 1, read(words, 1).wrapping_add(change as u128));
}

/// High and low 64 bits of the square. They are added up apart: no number of entries overflows them.
#[inline]
fn square(value: i64) -> (u128, u128) {
    let square = u128::from(value.unsigned_abs()).pow(2);
    (square >> 64, square & u128::from(u64::MAX))
}

/// The number in two words, low one first.
#[inline]
pub(crate) fn read(words: &[i64], at: usize) -> u128 {
    u128::from(words[at] as u64) | u128::from(words[at + 1] as u64) << 64
}

#[inline]
pub(crate) fn write(words: &mut [i64], at: usize, number: u128) {
    words[at] = number as i64;
    words[at + 1] = (number >> 64) as i64;
}

/// Number of entries that count.
#[inline]
pub(crate) fn count(words: &[i64], at: usize) -> i64 {
    words[at]
}

/// What a feature reads off the sums at `at`, in units of 1 / `scale`. `None` if too few entries count.
#[inline]
pub(crate) fn read_sums(words: &[i64], at: usize, scale: f64, read: SumsRead) -> Option<f64> {
    let count = words[at];
    match read {
        SumsRead::Sum => (count > 0).then(|| sum(words, at) / scale),
        SumsRead::Mean => (count > 0).then(|| sum(words, at) / (count as f64 * scale)),
        SumsRead::Variance => variance(words, at, scale),
        SumsRead::StandardDeviation => variance(words, at, scale).map(f64::sqrt),
    }
}

#[inline]
fn sum(words: &[i64], at: usize) -> f64 {
    read(words, at + 1) as i128 as f64
}

/// Sample variance, or none with fewer than two entries.
fn variance(words: &[i64], at: usize, scale: f64) -> Option<f64> {
    let count = words[at];
    (count > 1).then(|| {
        let sum = read(words, at + 1) as i128;
        let squares = (read(words, at + 3), read(words, at + 5));
        let numerator = variance_numerator(count as u64, sum, squares);
        numerator / (count as f64 * (count - 1) as f64) / (scale * scale)
    })
}
