//! What decides: models, and everything else that the pipeline file or a roll-out says about deciding.

use crate::lineup::Lineup;
use riskstream_engine::plan::DecidePlan;
use std::sync::Arc;
use std::time::Duration;

/// What decides, as a roll-out or the pipeline file says. Immutable, shared by all workers.
#[derive(Clone, Debug)]
pub struct DecisionSet {
    /// Later sets have larger numbers; the pipeline file's own is 0.
    pub revision: u64,
    /// The document in the log from which it can be made again; empty for the pipeline file's own.
    pub document: Arc<str>,
    /// The models.
    pub lineup: Lineup,
    /// Expressions, rules, thresholds, explanations and look-ups in lists.
    pub decide: Arc<DecidePlan>,
}

impl DecisionSet {
    /// The pipeline file's own.
    pub fn of_pipeline(lineup: Lineup, decide: Arc<DecidePlan>) -> DecisionSet {
        DecisionSet {
            revision: 0,
            document: "".into(),
            lineup,
            decide,
        }
    }

    /// The same, with models that are waited for: those with a time budget get this one. For decisions that are made again,
    /// where nobody waits.
    pub fn with_time_budgets(&self, within: Duration) -> DecisionSet {
        DecisionSet {
            lineup: self.lineup.with_time_budgets(within),
            ..self.clone()
        }
    }
}
