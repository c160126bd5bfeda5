//! The distribution of scores.

use super::{EvaluationError, check};

/// Scores from `low` to below `high`; the last bin has `high` as well.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct ScoreBin {
    /// Where it begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
    /// How many genuine transactions score so.
    pub genuine: usize,
    /// How many frauds do.
    pub frauds: usize,
}

/// Bins of equal width from 0 to 1 if all scores lie there, else from the lowest score to the highest.
///
/// # Errors
/// When the slices differ in length or are empty, or a score is NaN.
pub fn score_distribution(scores: &[f64], labels: &[bool], bins: usize) -> Result<Vec<ScoreBin>, EvaluationError> {
    check(scores, "labels", labels.len())?;
    let lowest = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = match (lowest, highest) {
        _ if scores.is_empty() => return Err(EvaluationError::NoTransactions),
        (0.0.., ..=1.0) => (0.0, 1.0),
        (low, high) if low == high => (low - 0.5, high + 0.5),
        range => range,
    };
    let bins = bins.max(1);
    let edge = |bin: usize| low + (high - low) * bin as f64 / bins as f64;
    let mut counts: Vec<ScoreBin> = (0..bins)
        .map(|bin| ScoreBin {
            low: edge(bin),
            high: edge(bin + 1),
            genuine: 0,
            frauds: 0,
        })
        .collect();
    for (&score, &fraud) in scores.iter().zip(labels) {
        let bin = counts.partition_point(|bin| bin.high <= score).min(bins - 1);
        match fraud {
            true => counts[bin].frauds += 1,
            false => counts[bin].genuine += 1,
        }
    }
    Ok(counts)
}
