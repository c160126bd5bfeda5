//! The space of contributions.

use std::fmt;

/// What contributions and the baseline add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// The score.
    Score,
    /// The log-odds of the score: the score is their logistic function.
    LogOdds,
    /// A raw value; the score is an increasing function of it.
    Raw,
}

impl fmt::Display for Space {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Space::Score => "score",
            Space::LogOdds => "log-odds",
            Space::Raw => "raw value",
        })
    }
}
