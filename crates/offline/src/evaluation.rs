//! How well scores tell fraud from genuine transactions.
//!
//! Every function takes parallel slices with one element a transaction, in any order: the score (higher is more
//! suspicious), the label (true is fraud). Equal scores are never told apart by their order in the slices.

use std::collections::{BTreeMap, BTreeSet};
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

/// The area under the receiver operating characteristic: the chance that a fraud scores higher than a genuine
/// transaction, an equal score counting half.
///
/// # Errors
/// When the slices differ in length, a score is NaN, or one of the classes is empty.
pub fn auc_roc(scores: &[f64], labels: &[bool]) -> Result<f64, EvaluationError> {
    let steps = cumulate(scores, labels)?;
    let (frauds, genuine) = totals(&steps);
    if frauds == 0 {
        return Err(EvaluationError::NoFraud);
    }
    if genuine == 0 {
        return Err(EvaluationError::NoGenuine);
    }
    // Pairs that are in order, counted twice so that ties stay whole numbers.
    let mut twice_ordered = 0u128;
    let mut before = Step::default();
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
    let point = |step: &Step| CurvePoint {
        threshold: step.threshold,
        precision: step.frauds as f64 / (step.frauds + step.genuine) as f64,
        recall: step.frauds as f64 / frauds as f64,
    };
    Ok(steps.iter().rev().map(point).collect())
}

/// What becomes of a compromised card that was among a day's top cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetectedCards {
    /// It takes part again on later days.
    Keep,
    /// It is blocked: its transactions on later days are left out. This gives the numbers that the Fraud Detection
    /// Handbook publishes as card precision top-k.
    Remove,
}

/// Card precision at k.
#[derive(Clone, Debug, PartialEq)]
pub struct CardPrecision {
    /// For each day with transactions, in order, the day and the share of compromised cards among its top k.
    pub daily: Vec<(i64, f64)>,
    /// The mean over these days.
    pub mean: f64,
}

/// The share of compromised cards among the k cards that investigators would look at each day: those whose highest
/// score of the day is highest, in case of a tie the smaller key. A card is compromised on a day if any of its
/// transactions that day is a fraud. A day with fewer than k cards is still divided by k.
///
/// `days` numbers the day of each transaction, `cards` says whose it is (the card or the customer).
///
/// # Errors
/// When the slices differ in length or are empty, a score is NaN, or k is 0.
pub fn card_precision_at_k<K: Ord>(
    scores: &[f64],
    labels: &[bool],
    days: &[i64],
    cards: &[K],
    k: usize,
    detected_cards: DetectedCards,
) -> Result<CardPrecision, EvaluationError> {
    check(scores, "labels", labels.len())?;
    check(scores, "days", days.len())?;
    check(scores, "cards", cards.len())?;
    if k == 0 {
        return Err(EvaluationError::NoCards);
    }
    let mut cards_by_day: BTreeMap<i64, BTreeMap<&K, CardDay>> = BTreeMap::new();
    for (((&score, &fraud), &day), card) in scores.iter().zip(labels).zip(days).zip(cards) {
        let entry = cards_by_day.entry(day).or_default().entry(card);
        let card_day = entry.or_insert(CardDay {
            score,
            compromised: false,
        });
        card_day.score = card_day.score.max(score);
        card_day.compromised |= fraud;
    }
    let mut detected: BTreeSet<&K> = BTreeSet::new();
    let mut daily = Vec::with_capacity(cards_by_day.len());
    for (day, cards) in cards_by_day {
        let mut ranked: Vec<(&K, CardDay)> = cards.into_iter().filter(|(card, _)| !detected.contains(card)).collect();
        // The sort is stable and the map's order ascending, so that ties go to the smaller key.
        ranked.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score));
        ranked.truncate(k);
        ranked.retain(|(_, card_day)| card_day.compromised);
        daily.push((day, ranked.len() as f64 / k as f64));
        if detected_cards == DetectedCards::Remove {
            detected.extend(ranked.into_iter().map(|(card, _)| card));
        }
    }
    if daily.is_empty() {
        return Err(EvaluationError::NoTransactions);
    }
    let mean = daily.iter().map(|(_, precision)| precision).sum::<f64>() / daily.len() as f64;
    Ok(CardPrecision { daily, mean })
}

/// One card's transactions of one day.
struct CardDay {
    score: f64,
    compromised: bool,
}

/// How many frauds and genuine transactions score at least the threshold.
#[derive(Clone, Copy, Default)]
struct Step {
    threshold: f64,
    frauds: usize,
    genuine: usize,
}

/// One step for each distinct score, from the highest down.
fn cumulate(scores: &[f64], labels: &[bool]) -> Result<Vec<Step>, EvaluationError> {
    check(scores, "labels", labels.len())?;
    let mut ranked: Vec<(f64, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    ranked.sort_unstable_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut steps: Vec<Step> = Vec::new();
    let mut frauds = 0;
    let mut genuine = 0;
    for (threshold, fraud) in ranked {
        frauds += usize::from(fraud);
        genuine += usize::from(!fraud);
        let step = Step {
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

fn totals(steps: &[Step]) -> (usize, usize) {
    steps.last().map_or((0, 0), |last| (last.frauds, last.genuine))
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
#[path = "evaluation_tests.rs"]
mod tests;
