//! Stream time: the event times of transactions that a task has seen.

/// The largest and the smallest event time of a transaction that a stage's task has seen. Labels and the wall clock are not
/// part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamTime {
    /// The largest event time, in microseconds since the epoch; `i64::MIN` before the first transaction.
    pub latest: i64,
    /// The smallest event time, in microseconds since the epoch; `i64::MAX` before the first transaction. State knows nothing from
    /// before it.
    pub earliest: i64,
}

impl Default for StreamTime {
    fn default() -> Self {
        StreamTime {
            latest: i64::MIN,
            earliest: i64::MAX,
        }
    }
}

impl StreamTime {
    /// Adds an event time.
    pub fn observe(&mut self, time: i64) {
        self.latest = self.latest.max(time);
        self.earliest = self.earliest.min(time);
    }
}
