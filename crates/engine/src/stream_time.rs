//! Stream time: how far a task's event times reach.

/// What a stage's task knows of time: only event times, never the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamTime {
    /// The largest event time seen, microseconds.
    pub latest: i64,
    /// The smallest event time seen: before it, history is unknown.
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
    /// Takes note of an event time.
    pub fn observe(&mut self, time: i64) {
        self.latest = self.latest.max(time);
        self.earliest = self.earliest.min(time);
    }
}
