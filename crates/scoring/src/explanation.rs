//! Explanations of a model's scores: how much each input moved a score, and the card's reasons for it.

use crate::reason_text::InputReason;
use riskstream_events::{Outcome, Slot};
use riskstream_models::Attribution;

/// The explanation of a model's scores: how contributions are computed, and their reasons.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Attributes scores to the model's columns.
    pub attribution: Attribution,
    /// The reason that the model's card gives for each input, in the model's order; empty if it gives none.
    pub reasons: Vec<Option<InputReason>>,
}

/// The contribution of an input to a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contribution {
    /// Its index among the model's listed inputs.
    pub input: usize,
    /// By how much, in the [`Space`](riskstream_models::Space) of the model's attribution.
    pub value: f64,
}

impl Explanation {
    /// The slots whose values appear in the card's texts.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.reasons.iter().flatten().flat_map(InputReason::slots)
    }

    /// The card's reason for an input that raised the score; `None` for one that lowered it.
    pub fn reason(&self, contribution: &Contribution) -> Option<&InputReason> {
        let reason = self.reasons.get(contribution.input)?;
        reason.as_ref().filter(|_| contribution.raises())
    }
}

impl Contribution {
    /// Whether it raised the score.
    pub fn raises(&self) -> bool {
        self.value > 0.0
    }
}

/// Selects the `top` inputs that moved the score most, out of what each input of the model moved it by. The largest come
/// first, of equals the first input. If the outcome is not the mildest, inputs that raised the score come before all others.
/// Left out are inputs that moved nothing, and those whose contribution is no number because the model gave none for a mixture
/// of rows.
pub(crate) fn select_largest(of_inputs: &[f64], outcome: Outcome, top: usize, selected: &mut Vec<Contribution>) {
    selected.clear();
    let moving = of_inputs
        .iter()
        .enumerate()
        .filter(|(_, value)| **value != 0.0 && value.is_finite());
    selected.extend(moving.map(|(input, &value)| Contribution { input, value }));
    let comes_later = |contribution: &Contribution| outcome != Outcome::MILDEST && !contribution.raises();
    selected.sort_by(|a, b| {
        let by_size = || b.value.abs().total_cmp(&a.value.abs());
        let by_side = comes_later(a).cmp(&comes_later(b));
        by_side.then_with(by_size).then(a.input.cmp(&b.input))
    });
    selected.truncate(top);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first_and_the_first_of_equals() {
        let pairs = |outcome, top| {
            let mut found = Vec::new();
            select_largest(&[0.5, -2.0, 0.0, 2.0, -0.5, f64::NAN], outcome, top, &mut found);
            found.iter().map(|found| (found.input, found.value)).collect::<Vec<_>>()
        };
        assert_eq!(pairs(Outcome::APPROVE, 3), [(1, -2.0), (3, 2.0), (0, 0.5)]);
        assert_eq!(pairs(Outcome::REVIEW, 3), [(3, 2.0), (0, 0.5), (1, -2.0)]);
        assert_eq!(pairs(Outcome::DECLINE, 9), [(3, 2.0), (0, 0.5), (1, -2.0), (4, -0.5)]);
    }
}
