//! One event between its decoding and its decision.

use crate::plan::{EVENT_ID, EVENT_TIME, TRANSACTIONS};
use riskstream_events::{Flags, Row, Value};

/// A transaction, a label or another event on its way through the stages.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Index of the input it came from: [`crate::plan::TRANSACTIONS`] or another one.
    pub input: u8,
    /// The watermark of its source when it was read, in microseconds since the epoch: the largest event time read so far,
    /// its own included. Sources are merged in the order of their watermarks.
    pub watermark: i64,
    /// What happened to it so far.
    pub flags: Flags,
    /// Its values.
    pub row: Row,
}

impl Event {
    /// Event time in microseconds since the epoch. [`crate::Engine::admit`] has set it.
    #[inline]
    pub fn event_time(&self) -> i64 {
        match self.row[EVENT_TIME] {
            Value::Timestamp(time) => time,
            _ => unreachable!("an admitted event has an event time"),
        }
    }

    /// The event's id. [`crate::Engine::admit`] has set it.
    #[inline]
    pub fn id(&self) -> &str {
        match &self.row[EVENT_ID] {
            Value::Text(id) => id,
            _ => unreachable!("an admitted event has an id"),
        }
    }

    /// By how much its event time is behind its source's watermark, in microseconds.
    #[inline]
    pub fn late_by(&self) -> i64 {
        self.watermark.saturating_sub(self.event_time())
    }

    /// Whether it gets no decision that could say so, and came later than the lateness of the entity whose stage has applied
    /// it last: no feature of that entity counts it.
    #[inline]
    pub fn is_missed(&self) -> bool {
        self.input != TRANSACTIONS && self.flags.contains(Flags::TOO_LATE)
    }
}
