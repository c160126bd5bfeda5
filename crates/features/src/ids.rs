//! An index of a log's ids with the newest event time of each, for logs that are too long for a linear search.

use hashbrown::HashMap;

/// The least number of ids at which old ones are removed.
const LEAST: usize = 128;

#[derive(Debug)]
pub(crate) struct IdIndex {
    times: HashMap<u64, i64>,
    /// Ids last seen at or before this event time may be missing.
    after: i64,
    /// The number of ids at which old ones are removed.
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

    /// Whether it has all ids of entries after an event time. After an abort stream time decreases, and ids that were
    /// removed are needed again.
    #[inline]
    pub(crate) fn reaches(&self, after: i64) -> bool {
        self.after <= after
    }

    /// Adds an id. Ids last seen at or before `forget` may be removed.
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
