//! Measures of how well scores separate fraud from genuine transactions.
//!
//! Every function takes parallel slices with one element a transaction, in any order: the score (higher is more
//! suspicious), the label (true is fraud). Equal scores are never told apart by their order in the slices.

mod bootstrap;
mod calibration;
mod cards;
mod costs;
mod distribution;
mod ranking;

pub use bootstrap::{Interval, Resampling};
pub use calibration::{CalibrationBin, brier_score, calibration_curve};
pub use cards::{CardPrecision, DailyPrecision, DetectedCards, card_precision_at_k, precision_at_k};
pub use costs::{CostPoint, Costs, cheapest, cost_curve};
pub use distribution::{ScoreBin, score_distribution};
pub use ranking::{CurvePoint, Ranking, RocPoint, auc_roc, average_precision, precision_recall_curve, roc_curve};

use thiserror::Error;

/// Why a metric is not defined for what was given.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The slices do not describe the same transactions.
    #[error("{name} has {found} elements, but scores has {expected}")]
    Length {
        /// Which slice.
        name: &'static str,
        /// Its length.
        found: usize,
        /// The length of the scores.
        expected: usize,
    },
    /// A score that cannot be ranked.
    #[error("the score at index {0} is not a number")]
    NotANumber(usize),
    /// No transaction is fraudulent.
    #[error("there is no fraud among the transactions, so the metric is not defined")]
    NoFraud,
    /// No transaction is genuine.
    #[error("there is no genuine transaction, so the metric is not defined")]
    NoGenuine,
    /// The top zero cards have no precision.
    #[error("k is 0, but at least one card is needed")]
    NoCards,
    /// There is nothing to average over.
    #[error("there are no transactions, so the metric is not defined")]
    NoTransactions,
}

fn check(scores: &[f64], name: &'static str, found: usize) -> Result<(), EvaluationError> {
    if found != scores.len() {
        return Err(EvaluationError::Length {
            name,
            found,
            expected: scores.len(),
        });
    }
    match scores.iter().position(|score| score.is_nan()) {
        Some(index) => Err(EvaluationError::NotANumber(index)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
