//! The newest event time of each id of a log, once there are too many entries to look through.

use crate::hash::FixedState;
use hashbrown::HashMap;

/// At how many ids old ones are thrown out at the earliest.
const LEAST: usize = 128;

#[derive(Debug)]
pub(crate) struct IdIndex {
    times: HashMap<u64, i64, FixedState>,
    /// At how many ids old ones are thrown out.
    limit: usize,
}

impl Default for IdIndex {
    fn default() -> Self {
        IdIndex {
            times: HashMap::default(),
            limit: LEAST,
        }
    }
}

impl IdIndex {
    /// Takes note of an id; those not seen after `forget` may be thrown out.
    pub(crate) fn add(&mut self, id: u64, time: i64, forget: i64) {
        if id == 0 {
            return;
        }
        let newest = self.times.entry(id).or_insert(time);
        *newest = time.max(*newest);
        if self.times.len() > self.limit {
            self.times.retain(|_, time| *time > forget);
            self.limit = (2 * self.times.len()).max(LEAST);
        }
    }

    pub(crate) fn newest(&self, id: u64) -> Option<i64> {
        self.times.get(&id).copied()
    }

    pub(crate) fn memory(&self) -> usize {
        self.times.capacity() * (size_of::<(u64, i64)>() + 1)
    }
}
