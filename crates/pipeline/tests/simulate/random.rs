//! What is drawn of a seed.

use crate::split_mix::SplitMix;

/// Draws.
#[derive(Clone, Debug)]
pub struct Random(SplitMix);

impl Random {
    pub fn new(seed: u64) -> Random {
        // Seeds that follow each other give sequences that have nothing in common.
        let first = SplitMix(seed).next();
        Random(SplitMix(first))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// A number from 0 to `limit`, without `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// A number from `from` to `to`, with both.
    pub fn within(&mut self, from: i64, to: i64) -> i64 {
        from + (self.next() % (to - from + 1) as u64) as i64
    }

    /// True so many times out of a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
