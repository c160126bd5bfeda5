//! What each model did, for the metrics.

use riskstream_engine::{Failure, Judgement, Lineup};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Counts by the model's label and its result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelTally(BTreeMap<(Arc<str>, Option<FailureWord>), u64>);

/// The word of a [`Failure`].
type FailureWord = &'static str;

/// The word for an answer that is a score.
pub const SCORED: &str = "scored";

impl ModelTally {
    /// Counts what the models of `lineup` said about one transaction.
    pub fn count(&mut self, lineup: &Lineup, judgement: &Judgement) {
        if let (Some(asked), Some(failure)) = (judgement.asked, judgement.failure) {
            self.add(lineup, asked, Some(failure));
        }
        if let (Some(model), Some(_)) = (judgement.model, judgement.score) {
            self.add(lineup, model, None);
        }
        for &(shadow, answer) in &judgement.shadows {
            self.add(lineup, shadow, answer.err());
        }
    }

    fn add(&mut self, lineup: &Lineup, model: usize, failure: Option<Failure>) {
        let label = Arc::clone(&lineup.models[model].label);
        *self.0.entry((label, failure.map(Failure::as_str))).or_default() += 1;
    }

    /// Model, result ([`SCORED`] or the word of a [`Failure`]) and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'static str, u64)> {
        self.0
            .iter()
            .map(|((label, failure), count)| (&**label, failure.unwrap_or(SCORED), *count))
    }
}
