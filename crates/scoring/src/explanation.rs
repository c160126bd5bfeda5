//! What explains a model's scores: an attribution to its inputs, and the words of its card.

use crate::reason_text::InputReason;
use riskstream_engine::Contribution;
use riskstream_events::Slot;
use riskstream_models::Attribution;

/// What explains a model's scores.
#[derive(Debug)]
pub struct Explanation {
    /// Attributes them to the model's inputs.
    pub attribution: Attribution,
    /// What the model's card says of each input, in the model's order; empty if it says nothing of any.
    pub reasons: Vec<Option<InputReason>>,
}

impl Explanation {
    /// The slots whose values the card's texts tell.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.reasons.iter().flatten().flat_map(InputReason::slots)
    }

    /// What the card says of an input that raised a score.
    pub fn reason(&self, contribution: &Contribution) -> Option<&InputReason> {
        let reason = self.reasons.get(contribution.input)?;
        reason.as_ref().filter(|_| contribution.raises())
    }
}
