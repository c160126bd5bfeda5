//! The reasons of a model's card: a code, and a text with the event's own values, for an input that raised the score.

use riskstream_events::{Row, Slot, display};

/// The card's reason for one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputReason {
    /// The reason code that decision records carry.
    pub code: String,
    /// The parts of the text that an analyst reads, in order; empty if the card has no text for it.
    pub text: Vec<TextPart>,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextPart {
    /// Fixed words.
    Words(String),
    /// The event's value in this slot, as [`display::value`] writes it.
    Value(Slot),
}

impl InputReason {
    /// The text for an event; `None` if the card has none.
    pub fn text(&self, row: &Row) -> Option<String> {
        let parts = self.text.iter().map(|part| match part {
            TextPart::Words(words) => words.clone(),
            TextPart::Value(slot) => display::value(&row[*slot]),
        });
        (!self.text.is_empty()).then(|| parts.collect())
    }

    /// The slots whose values appear in the text.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.text.iter().filter_map(|part| match part {
            TextPart::Value(slot) => Some(*slot),
            TextPart::Words(_) => None,
        })
    }
}
