//! What a model's card says of an input that raised the score, with the event's own values.

use riskstream_events::{Row, Slot, display};

/// The reason of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputReason {
    /// The reason code that decisions carry.
    pub code: String,
    /// What an analyst reads: the parts one after the other; none if the card has no words for it.
    pub text: Vec<TextPart>,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextPart {
    /// As it stands.
    Words(String),
    /// The event's value in this slot, as [`display::value`] writes it.
    Value(Slot),
}

impl InputReason {
    /// The text for an event; `None` if there are no words.
    pub fn text(&self, row: &Row) -> Option<String> {
        let parts = self.text.iter().map(|part| match part {
            TextPart::Words(words) => words.clone(),
            TextPart::Value(slot) => display::value(&row[*slot]),
        });
        (!self.text.is_empty()).then(|| parts.collect())
    }

    /// The slots whose values it tells.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.text.iter().filter_map(|part| match part {
            TextPart::Value(slot) => Some(*slot),
            TextPart::Words(_) => None,
        })
    }
}
