//! The events that a task's source returns.

use crate::rollout::RolloutNotice;
use riskstream_engine::Event;
use riskstream_events::Rejection;
use riskstream_lists::Offsets;

/// An event with its number among the events of its source.
#[derive(Debug)]
pub struct Sequenced {
    /// Grows from event to event, over all partitions that the source writes to. An event that is written twice has the
    /// same number both times.
    pub sequence: i64,
    /// The event.
    pub event: Event,
}

/// The result of taking a record.
pub enum RecordResult<'a> {
    /// It is read. The events that may be applied after it are handed out next; there may be none.
    Rows,
    /// Another decision set decides on the events after it.
    Rollout(RolloutNotice<'a>),
    /// Other versions of lists decide on the events after it.
    Lists(Offsets),
    /// It cannot be used.
    Rejected(Rejection),
    /// It cannot be read yet, for this reason. Nothing was changed; the record has to be read again later.
    NotReady(String),
}
