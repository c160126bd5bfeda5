//! All names of a pipeline file.

use super::names::Names;
use riskstream_events::Slot;
use std::collections::BTreeMap;

/// The names of fields, lists and features, and the slot of the score.
pub struct Symbols<'s> {
    /// Names, types and slots.
    pub names: Names<'s>,
    /// The slots of the fields that are used, by name. Expressions do not know the one of `event_time`.
    pub fields: BTreeMap<String, Slot>,
    /// The slot of the score, which only rules and thresholds know by name.
    pub score: Slot,
}
