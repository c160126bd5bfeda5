//! One event between its bytes and its decision.

use crate::plan::{EVENT_ID, EVENT_TIME};
use riskstream_events::{Row, Value};

/// What is known about how an event was processed; carried along the stages and listed in the decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// It arrived after events with a later event time.
    pub const LATE: Flags = Flags(1);
    /// It arrived too late to be remembered: scored, but no later event will count it.
    pub const TOO_LATE: Flags = Flags(2);
    /// Its id was seen before: nothing changed, the decision is the first one's again.
    pub const DUPLICATE: Flags = Flags(4);
    /// A window reaches back to before the first event that this task ever saw.
    pub const BOOTSTRAPPING: Flags = Flags(8);
    /// The model gave no score; rules and the fallback decided.
    pub const DEGRADED: Flags = Flags(16);

    /// Every flag with the word that decisions use, in order.
    pub const NAMES: [(Flags, &'static str); 5] = [
        (Flags::LATE, "late"),
        (Flags::TOO_LATE, "too_late"),
        (Flags::DUPLICATE, "duplicate"),
        (Flags::BOOTSTRAPPING, "bootstrapping"),
        (Flags::DEGRADED, "degraded"),
    ];

    /// Adds `other`.
    #[inline]
    pub fn set(&mut self, other: Flags) {
        self.0 |= other.0;
    }

    /// Whether all of `other` are set.
    #[inline]
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The words of the set flags.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }
}

/// A transaction or a label on its way through the stages.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Index of the input it came from; [`crate::plan::TRANSACTIONS`] or a label input.
    pub input: u8,
    /// The largest event time that its source had seen when it was read, its own included; microseconds.
    /// Sources are merged in the order of their clocks.
    pub clock: i64,
    /// What happened to it so far.
    pub flags: Flags,
    /// Its values.
    pub row: Row,
}

impl Event {
    /// Event time in microseconds since the epoch. Set by [`crate::Engine::admit`].
    #[inline]
    pub fn event_time(&self) -> i64 {
        match self.row[EVENT_TIME] {
            Value::Timestamp(time) => time,
            _ => unreachable!("an admitted event has an event time"),
        }
    }

    /// The event's id. Set by [`crate::Engine::admit`].
    #[inline]
    pub fn id(&self) -> &str {
        match &self.row[EVENT_ID] {
            Value::Text(id) => id,
            _ => unreachable!("an admitted event has an id"),
        }
    }

    /// By how much it was behind its source's clock, in microseconds.
    #[inline]
    pub fn late_by(&self) -> i64 {
        self.clock.saturating_sub(self.event_time())
    }
}
