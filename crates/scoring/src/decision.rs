//! The decision on one event, before it is written as a decision record.

use crate::explanation::Contribution;
use riskstream_engine::{Answer, ModelFailure};
use riskstream_policy::PolicyResult;

/// The decision on one transaction, with its reasons. Models are named by their index in the line-up in force.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// What the models answered.
    pub answer: Answer,
    /// The outcome, and the rules and thresholds that fired.
    pub policy: PolicyResult,
    /// The inputs that moved the score most, if the decision is explained.
    pub contributions: Vec<Contribution>,
    /// What each shadow answered: the model, and its score or why it gave none.
    pub shadows: Vec<(usize, Result<f64, ModelFailure>)>,
}
