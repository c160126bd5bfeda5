//! The newest event time of each id of a log, once there are too many entries to look through.

use crate::hash::FixedState;
use hashbrown::HashMap;

/// At how many ids old ones are thrown out at the earliest.
const LEAST: usize = 128;

#[derive(Debug)]
pub(crate) struct IdIndex {
    times: HashMap<u64, i64, FixedState>,
    /// Ids not seen after this event time may be missing.
    after: i64,
    /// At how many ids old ones are thrown out.
    limit: usize,
}

impl IdIndex {
    /// An index for the ids of entries after an event time.
    pub(crate) fn new(after: i64) -> Self {
        IdIndex {
            times: HashMap::default(),
            after,
            limit: LEAST,
        }
    }

    /// Whether it knows all ids of entries after an event time. After an abort stream time falls, and ids
    /// matter again that were left out or thrown out.
    #[inline]
    pub(crate) fn reaches(&self, after: i64) -> bool {
        self.after <= after
    }

    /// Takes note of an id; those not seen after `forget` may be thrown out.
    pub(crate) fn add(&mut self, id: u64, time: i64, forget: i64) {
        if id == 0 {
            return;
        }
        let newest = self.times.entry(id).or_insert(time);
        *newest = time.max(*newest);
        if self.times.len() > self.limit {
            self.times.retain(|_, time| *time > forget);
            self.after = self.after.max(forget);
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
