//! Which decisions say what moved their score, and by how much.

use riskstream_events::{DecisionId, Outcome};

/// What calls for an explanation. Any one of the three does.
#[derive(Debug)]
pub struct ExplainPlan {
    /// Decisions of these outcomes are explained.
    pub outcomes: Vec<Outcome>,
    /// Decisions with at least this score are explained.
    pub score: Option<f64>,
    /// This share of all decisions is explained, from 0 to 1: those whose ids begin with the smallest numbers.
    pub sample: f64,
    /// How many inputs an explanation names at most.
    pub top: usize,
}

/// An input that moved a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contribution {
    /// Its place among the model's inputs.
    pub input: usize,
    /// By how much: in the space of scores that the model's attribution names.
    pub value: f64,
}

impl ExplainPlan {
    /// Whether the decision on `event_id` is to be explained.
    pub fn calls_for(&self, outcome: Outcome, score: f64, pipeline: &str, event_id: &str) -> bool {
        self.outcomes.contains(&outcome)
            || self.score.is_some_and(|from| score >= from)
            || (self.sample > 0.0 && is_sampled(&DecisionId::new(pipeline, event_id), self.sample))
    }
}

impl Contribution {
    /// Whether it raised the score.
    pub fn raises(&self) -> bool {
        self.value > 0.0
    }
}

impl ExplainPlan {
    /// The inputs that an explanation of `outcome` names, out of what each input of the model moved the score by: see
    /// [`largest`].
    pub fn select(&self, contributions: &[f64], outcome: Outcome, selected: &mut Vec<Contribution>) {
        largest(contributions, outcome, self.top, selected);
    }
}

/// Whether the first eight digits of the id, as a number, lie in the lowest `share` of such numbers.
fn is_sampled(id: &DecisionId, share: f64) -> bool {
    let first = u32::from_str_radix(&id.as_str()[..8], 16).expect("an id is hexadecimal digits");
    f64::from(first) < share * 2f64.powi(32)
}

/// The `top` inputs that moved the score most, the first of equals first; where the outcome is not to approve, those that
/// raised the score before all others. Without those that moved nothing, or whose part is no number because the model
/// gave none for a mixture of rows.
fn largest(contributions: &[f64], outcome: Outcome, top: usize, largest: &mut Vec<Contribution>) {
    largest.clear();
    let moving = contributions
        .iter()
        .enumerate()
        .filter(|(_, value)| **value != 0.0 && value.is_finite());
    largest.extend(moving.map(|(input, &value)| Contribution { input, value }));
    let comes_later = |contribution: &Contribution| outcome != Outcome::Approve && !contribution.raises();
    largest.sort_by(|a, b| {
        let by_size = || b.value.abs().total_cmp(&a.value.abs());
        let by_side = comes_later(a).cmp(&comes_later(b));
        by_side.then_with(by_size).then(a.input.cmp(&b.input))
    });
    largest.truncate(top);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first_and_the_first_of_equals() {
        let pairs = |outcome, top| {
            let mut found = Vec::new();
            largest(&[0.5, -2.0, 0.0, 2.0, -0.5, f64::NAN], outcome, top, &mut found);
            found.iter().map(|found| (found.input, found.value)).collect::<Vec<_>>()
        };
        assert_eq!(pairs(Outcome::Approve, 3), [(1, -2.0), (3, 2.0), (0, 0.5)]);
        assert_eq!(pairs(Outcome::Review, 3), [(3, 2.0), (0, 0.5), (1, -2.0)]);
        assert_eq!(pairs(Outcome::Decline, 9), [(3, 2.0), (0, 0.5), (1, -2.0), (4, -0.5)]);
    }

    #[test]
    fn samples_hold_their_share_and_grow_with_it() {
        let sampled = |share: f64| -> Vec<usize> {
            let is_sampled = |event: &usize| is_sampled(&DecisionId::new("shop", &event.to_string()), share);
            (0..10_000).filter(is_sampled).collect()
        };
        let (tenth, fifth) = (sampled(0.1), sampled(0.2));
        assert!((900..1100).contains(&tenth.len()), "{}", tenth.len());
        assert!(tenth.iter().all(|event| fifth.contains(event)));
        assert_eq!((sampled(0.0).len(), sampled(1.0).len()), (0, 10_000));
    }
}
