//! Calibration: whether a score is a probability. Of payments that score 0.3, three in ten should be fraud.

use super::bootstrap::percentile;
use super::{EvaluationError, check};

/// Payments of similar scores.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct CalibrationBin {
    /// How many there are.
    pub count: usize,
    /// The mean of their scores.
    pub mean_score: f64,
    /// The share of frauds among them.
    pub fraud_rate: f64,
}

/// Bins of about equally many payments in ascending order of the score, as scikit-learn's `calibration_curve` makes them with
/// `strategy="quantile"`: the edges are percentiles of the scores, equal scores share a bin, and empty bins are left out.
///
/// # Errors
/// When the slices differ in length or are empty, or a score is NaN.
pub fn calibration_curve(scores: &[f64], labels: &[bool], bins: usize) -> Result<Vec<CalibrationBin>, EvaluationError> {
    check(scores, "labels", labels.len())?;
    if scores.is_empty() {
        return Err(EvaluationError::NoTransactions);
    }
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let inner = 1..bins.max(1);
    let edges: Vec<f64> = inner
        .map(|edge| percentile(&sorted, edge as f64 / bins as f64))
        .collect();
    let mut sums = vec![(0usize, 0.0, 0usize); bins.max(1)];
    for (&score, &fraud) in scores.iter().zip(labels) {
        let (count, sum, frauds) = &mut sums[edges.partition_point(|edge| *edge < score)];
        *count += 1;
        *sum += score;
        *frauds += usize::from(fraud);
    }
    let filled = sums.into_iter().filter(|(count, ..)| *count > 0);
    Ok(filled
        .map(|(count, sum, frauds)| CalibrationBin {
            count,
            mean_score: sum / count as f64,
            fraud_rate: frauds as f64 / count as f64,
        })
        .collect())
}

/// The mean squared difference of score and label (1 is fraud): 0 for a perfect forecast. Brier, 1950.
///
/// # Errors
/// When the slices differ in length or are empty, or a score is NaN.
pub fn brier_score(scores: &[f64], labels: &[bool]) -> Result<f64, EvaluationError> {
    check(scores, "labels", labels.len())?;
    if scores.is_empty() {
        return Err(EvaluationError::NoTransactions);
    }
    let error = |(score, fraud): (&f64, &bool)| (score - f64::from(u8::from(*fraud))).powi(2);
    Ok(scores.iter().zip(labels).map(error).sum::<f64>() / scores.len() as f64)
}
