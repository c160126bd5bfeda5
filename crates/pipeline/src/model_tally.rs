//! Counts of each model's answers, for the metrics.

use riskstream_engine::ModelFailure;
use riskstream_scoring::{Decision, Lineup};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Number of answers by the model's label and its result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelTally(BTreeMap<(Arc<str>, Option<FailureWord>), u64>);

/// The word of a [`ModelFailure`].
type FailureWord = &'static str;

/// The word for an answer that is a score.
pub const SCORED: &str = "scored";

impl ModelTally {
    /// Counts what the models of `lineup` answered for one transaction.
    pub fn count(&mut self, lineup: &Lineup, decision: &Decision) {
        if let (Some(asked), Some(failure)) = (decision.answer.asked, decision.answer.failure) {
            self.add(lineup, asked, Some(failure));
        }
        if let (Some(model), Some(_)) = (decision.answer.model, decision.answer.score) {
            self.add(lineup, model, None);
        }
        for &(shadow, answer) in &decision.shadows {
            self.add(lineup, shadow, answer.err());
        }
    }

    fn add(&mut self, lineup: &Lineup, model: usize, failure: Option<ModelFailure>) {
        let label = Arc::clone(&lineup.models[model].label);
        *self.0.entry((label, failure.map(ModelFailure::as_str))).or_default() += 1;
    }

    /// Each model's label, result ([`SCORED`] or the word of a [`ModelFailure`]) and count.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'static str, u64)> {
        self.0
            .iter()
            .map(|((label, failure), count)| (&**label, failure.unwrap_or(SCORED), *count))
    }
}
