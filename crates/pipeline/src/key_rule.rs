//! The rule for the keys of an input's records if the partitions of the topic are those of the first stage's state.

use riskstream_events::record_key::stands_for;
use riskstream_events::{Pseudonymizer, Row, Slot, write_key};

/// The reaction to a record with another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnKeyMismatch {
    /// It is counted, and the first one of a partition is logged.
    Warn,
    /// The partition is not read on.
    Stop,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct KeyRule {
    /// The name of the field whose value is the key.
    pub field: String,
    /// The field's slot.
    pub slot: Slot,
    /// If the field is personal: the slot then holds a pseudonym, and keys are in clear.
    pub pseudonymizer: Option<Pseudonymizer>,
    /// What is done about a record with another key.
    pub on_mismatch: OnKeyMismatch,
}

impl KeyRule {
    /// Whether a record with this key and row is keyed by the field.
    /// `buffer` is for the field's text.
    pub fn holds(&self, key: &[u8], row: &Row, buffer: &mut String) -> bool {
        let Some(value) = write_key(&row[self.slot], buffer) else {
            return true;
        };
        stands_for(key, |text| match &self.pseudonymizer {
            Some(pseudonymizer) => pseudonymizer.pseudonym(text.as_bytes()) == value,
            None => text == value,
        })
    }
}
