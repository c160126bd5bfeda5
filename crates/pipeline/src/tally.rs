//! Counts of one batch, for metrics.

use crate::model_tally::ModelTally;

/// Counts of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Decisions by outcome: approve, review, decline.
    pub decisions: [u64; 3],
    /// Decisions made without the score of the model that was to decide.
    pub degraded: u64,
    /// What each model did.
    pub models: ModelTally,
    /// Decisions flagged as duplicates.
    pub duplicates: u64,
    /// Decisions flagged as late.
    pub late: u64,
    /// Rows of repartition topics that were dropped because they were read before.
    pub repeated_rows: u64,
    /// Events of which a feature leaves out a number, or rounds it to 0. Labels are among them, which get no decision.
    pub inexact: u64,
    /// Microseconds from the input record's log timestamp to the decision, one for each decision.
    pub latencies: Vec<i64>,
}
