//! All names of a pipeline file.

use super::names::Names;
use riskstream_events::Slot;
use std::collections::BTreeMap;

/// The names of fields, lists and features, and the slots that only rules and thresholds know by name.
pub struct Symbols<'s> {
    /// Names, types and slots.
    pub names: Names<'s>,
    /// The slots of the fields that are used, by name. Expressions do not know the one of `event_time`.
    pub fields: BTreeMap<String, Slot>,
    /// What only rules and thresholds know by name.
    pub decision: DecisionSlots,
}

/// The slots of what is known when rules and thresholds are applied.
#[derive(Clone, Copy, Debug)]
pub struct DecisionSlots {
    /// `score`
    pub score: Slot,
    /// `late_by`: how far the event time is behind the source's watermark, in seconds.
    pub late_by: Slot,
    /// `flags`: the words of the event's flags.
    pub flags: Slot,
}
