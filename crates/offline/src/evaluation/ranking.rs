//! Measures of ranking: how well scores rank fraud above genuine transactions, independent of a threshold.

use super::{EvaluationError, check};

/// The area under the receiver operating characteristic: the chance that a fraud scores higher than a genuine
/// transaction, an equal score counting half.
///
/// # Errors
/// When the slices differ in length, a score is NaN, or one of the classes is empty.
pub fn auc_roc(scores: &[f64], labels: &[bool]) -> Result<f64, EvaluationError> {
    let steps = cumulate(scores, labels)?;
    let (frauds, genuine) = both_classes(&steps)?;
    // Pairs that are in order, counted twice so that ties stay whole numbers.
    let mut twice_ordered = 0u128;
    let mut before = ThresholdCounts::default();
    for step in steps {
        let new_frauds = (step.frauds - before.frauds) as u128;
        let new_genuine = (step.genuine - before.genuine) as u128;
        let genuine_below = (genuine - step.genuine) as u128;
        twice_ordered += new_frauds * (2 * genuine_below + new_genuine);
        before = step;
    }
    Ok(twice_ordered as f64 / (2.0 * frauds as f64 * genuine as f64))
}

/// Average precision as scikit-learn defines it: over the distinct scores from the highest down, the sum of the
/// precision at each times the recall gained there; no interpolation.
///
/// # Errors
/// When the slices differ in length, a score is NaN, or there is no fraud.
pub fn average_precision(scores: &[f64], labels: &[bool]) -> Result<f64, EvaluationError> {
    let curve = precision_recall_curve(scores, labels)?;
    let mut recall_before = 0.0;
    let mut sum = 0.0;
    for point in curve.iter().rev() {
        sum += (point.recall - recall_before) * point.precision;
        recall_before = point.recall;
    }
    Ok(sum)
}

/// Precision and recall if every transaction from some score on gives an alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// Transactions that score at least this are alerted on.
    pub threshold: f64,
    /// The share of frauds among the alerts.
    pub precision: f64,
    /// The share of alerts among the frauds.
    pub recall: f64,
}

/// Precision and recall at each distinct score, in ascending order of the score. It ends at the highest score: the
/// point (precision 1, recall 0) that scikit-learn appends for drawing is left out.
///
/// # Errors
/// When the slices differ in length, a score is NaN, or there is no fraud.
pub fn precision_recall_curve(scores: &[f64], labels: &[bool]) -> Result<Vec<CurvePoint>, EvaluationError> {
    let steps = cumulate(scores, labels)?;
    let (frauds, _) = totals(&steps);
    if frauds == 0 {
        return Err(EvaluationError::NoFraud);
    }
    let point = |step: &ThresholdCounts| CurvePoint {
        threshold: step.threshold,
        precision: step.frauds as f64 / (step.frauds + step.genuine) as f64,
        recall: step.frauds as f64 / frauds as f64,
    };
    Ok(steps.iter().rev().map(point).collect())
}

/// The shares of frauds and of genuine transactions that are alerted on from some score on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RocPoint {
    /// Transactions that score at least this are alerted on.
    pub threshold: f64,
    /// The share of alerts among the frauds.
    pub true_positive_rate: f64,
    /// The share of alerts among the genuine transactions.
    pub false_positive_rate: f64,
}

/// The receiver operating characteristic at each distinct score, from the highest down, without the point (0, 0).
///
/// # Errors
/// When the slices differ in length, a score is NaN, or one of the classes is empty.
pub fn roc_curve(scores: &[f64], labels: &[bool]) -> Result<Vec<RocPoint>, EvaluationError> {
    let steps = cumulate(scores, labels)?;
    let (frauds, genuine) = both_classes(&steps)?;
    let point = |step: &ThresholdCounts| RocPoint {
        threshold: step.threshold,
        true_positive_rate: step.frauds as f64 / frauds as f64,
        false_positive_rate: step.genuine as f64 / genuine as f64,
    };
    Ok(steps.iter().map(point).collect())
}

/// Transactions ranked once, to be evaluated under many weights of the groups that they belong to.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// From the highest score down: score, group, label.
    ranked: Vec<(f64, u32, bool)>,
}

impl Ranking {
    /// Ranks the transactions; `groups` says to which group each belongs.
    ///
    /// # Errors
    /// When the slices differ in length, or a score is NaN.
    pub fn new(scores: &[f64], labels: &[bool], groups: &[u32]) -> Result<Ranking, EvaluationError> {
        check(scores, "labels", labels.len())?;
        check(scores, "groups", groups.len())?;
        let rows = scores.iter().zip(groups).zip(labels);
        let mut ranked: Vec<_> = rows.map(|((score, group), fraud)| (*score, *group, *fraud)).collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        Ok(Ranking { ranked })
    }

    /// [`auc_roc`] and [`average_precision`] if each transaction is there as often as its group's weight says; none where
    /// they are not defined.
    pub fn weighted(&self, weights: &[u32]) -> (Option<f64>, Option<f64>) {
        let (mut ordered, mut precisions) = (0.0, 0.0);
        let (mut frauds, mut genuine) = (0u64, 0u64);
        for tied in self.ranked.chunk_by(|a, b| a.0 == b.0) {
            let (mut new_frauds, mut new_genuine) = (0u64, 0u64);
            for (_, group, fraud) in tied {
                let weight = u64::from(weights[*group as usize]);
                match fraud {
                    true => new_frauds += weight,
                    false => new_genuine += weight,
                }
            }
            // A genuine transaction is below all frauds so far, and level with those that tie.
            ordered += new_genuine as f64 * (frauds as f64 + new_frauds as f64 / 2.0);
            frauds += new_frauds;
            genuine += new_genuine;
            if new_frauds > 0 {
                precisions += new_frauds as f64 * frauds as f64 / (frauds + genuine) as f64;
            }
        }
        let auc = ordered / (frauds as f64 * genuine as f64);
        let precision = precisions / frauds as f64;
        (
            Some(auc).filter(|auc| auc.is_finite()),
            Some(precision).filter(|found| found.is_finite()),
        )
    }
}

/// How many frauds and genuine transactions score at least the threshold.
#[derive(Clone, Copy, Default)]
struct ThresholdCounts {
    threshold: f64,
    frauds: usize,
    genuine: usize,
}

/// One step for each distinct score, from the highest down.
fn cumulate(scores: &[f64], labels: &[bool]) -> Result<Vec<ThresholdCounts>, EvaluationError> {
    check(scores, "labels", labels.len())?;
    let mut ranked: Vec<(f64, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    ranked.sort_unstable_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut steps: Vec<ThresholdCounts> = Vec::new();
    let mut frauds = 0;
    let mut genuine = 0;
    for (threshold, fraud) in ranked {
        frauds += usize::from(fraud);
        genuine += usize::from(!fraud);
        let step = ThresholdCounts {
            threshold,
            frauds,
            genuine,
        };
        match steps.last_mut() {
            // Compared as numbers: -0 and 0 are one threshold.
            Some(last) if last.threshold == threshold => *last = step,
            _ => steps.push(step),
        }
    }
    Ok(steps)
}

fn totals(steps: &[ThresholdCounts]) -> (usize, usize) {
    steps.last().map_or((0, 0), |last| (last.frauds, last.genuine))
}

/// The number of frauds and of genuine transactions.
fn both_classes(steps: &[ThresholdCounts]) -> Result<(usize, usize), EvaluationError> {
    match totals(steps) {
        (0, _) => Err(EvaluationError::NoFraud),
        (_, 0) => Err(EvaluationError::NoGenuine),
        both => Ok(both),
    }
}
