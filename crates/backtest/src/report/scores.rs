//! Statistics of the scores of a variant.

use super::Facts;
use super::period::{date, day};
use crate::ledger::Decisions;
use riskstream_offline::evaluation::{
    CalibrationBin, CostPoint, Costs, DetectedCards, EvaluationError, ScoreBin, auc_roc, average_precision,
    brier_score, calibration_curve, card_precision_at_k, cheapest, cost_curve, precision_at_k, precision_recall_curve,
    roc_curve, score_distribution,
};
use riskstream_policy::Outcome;
use serde::Serialize;

/// Points of a curve that are shown.
const POINTS: usize = 300;
const DISTRIBUTION_BINS: usize = 40;
const CALIBRATION_BINS: usize = 10;

/// Scores against labels.
#[derive(Clone, Debug, Serialize)]
pub struct ScoreReport {
    /// Payments with a score and a label.
    pub payments: usize,
    /// Judged payments without a score.
    pub without_score: usize,
    /// The area under the receiver operating characteristic.
    pub auc: f64,
    /// Average precision.
    pub average_precision: f64,
    /// The share of frauds among the k payments of each day that score highest.
    pub precision_at_k: TopK,
    /// The share of compromised cards among each day's top k, detected ones removed.
    pub card_precision_at_k: TopK,
    /// The Brier score, if scores lie from 0 to 1.
    pub brier_score: Option<f64>,
    /// Scores by label.
    pub distribution: Vec<ScoreBin>,
    /// Fraud rate by score.
    pub calibration: Vec<CalibrationBin>,
    /// Recall (x) and precision (y).
    pub precision_recall: Vec<CurveSample>,
    /// False positive rate (x) and true positive rate (y).
    pub roc: Vec<CurveSample>,
    /// What thresholds cost, if the costs are known.
    pub costs: Option<CostReport>,
}

/// A measure of each day's top k.
#[derive(Clone, Debug, Serialize)]
pub struct TopK {
    /// k.
    pub k: usize,
    /// The mean over days.
    pub mean: f64,
    /// By day.
    pub daily: Vec<(String, f64)>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CurveSample {
    /// The threshold.
    pub threshold: f64,
    /// Across.
    pub x: f64,
    /// Up.
    pub y: f64,
}

/// Costs by threshold.
#[derive(Clone, Debug, Serialize)]
pub struct CostReport {
    /// What alerts cost.
    pub costs: Costs,
    /// Without alerts.
    pub without_alerts: CostPoint,
    /// What the variant's outcomes cost, if review and decline are alerts.
    pub policy: CostPoint,
    /// The cheapest threshold of the score alone.
    pub cheapest: CostPoint,
    /// Some points of the curve.
    pub curve: Vec<CostPoint>,
}

/// Judged payments with a score, in columns.
#[derive(Default)]
pub(super) struct Scored {
    pub scores: Vec<f64>,
    pub labels: Vec<bool>,
    pub cards: Vec<u32>,
    days: Vec<i64>,
    losses: Vec<f64>,
    without_score: usize,
}

pub(super) fn scored(facts: Facts<'_>, decisions: &Decisions) -> Scored {
    let mut scored = Scored::default();
    for (number, payment) in facts.ledger.payments.iter().enumerate() {
        let (Some(logged), Some(fraud)) = (decisions.get(number), facts.truths[number].fraud()) else {
            continue;
        };
        let Some(score) = logged.score() else {
            scored.without_score += 1;
            continue;
        };
        scored.scores.push(score);
        scored.labels.push(fraud);
        scored.cards.push(payment.card);
        scored.days.push(day(payment.time));
        scored.losses.push(facts.loss(number));
    }
    scored
}

/// Why there is no report, in words, if there is none.
pub(super) fn scores(facts: Facts<'_>, decisions: &Decisions) -> Result<ScoreReport, String> {
    let scored = scored(facts, decisions);
    if scored.scores.is_empty() {
        return Err(match scored.without_score {
            0 => "no payment has a label that counts".to_owned(),
            _ => "no model gives a score".to_owned(),
        });
    }
    evaluate(facts, decisions, scored).map_err(|error| error.to_string())
}

fn evaluate(facts: Facts<'_>, decisions: &Decisions, scored: Scored) -> Result<ScoreReport, EvaluationError> {
    let Scored {
        scores,
        labels,
        cards,
        days,
        losses,
        without_score,
    } = scored;
    let k = facts.options.k;
    let payments_at_k = precision_at_k(&scores, &labels, &days, k)?;
    let cards_at_k = card_precision_at_k(&scores, &labels, &days, &cards, k, DetectedCards::Remove)?;
    let is_probability = scores.iter().all(|score| (0.0..=1.0).contains(score));
    let precision_recall = precision_recall_curve(&scores, &labels)?;
    let roc = roc_curve(&scores, &labels)?;
    let costs = facts
        .options
        .costs
        .map(|costs| cost_report(facts, decisions, &scores, &labels, &losses, costs));
    Ok(ScoreReport {
        payments: scores.len(),
        without_score,
        auc: auc_roc(&scores, &labels)?,
        average_precision: average_precision(&scores, &labels)?,
        precision_at_k: top_k(k, payments_at_k.mean, payments_at_k.daily),
        card_precision_at_k: top_k(k, cards_at_k.mean, cards_at_k.daily),
        brier_score: is_probability.then(|| brier_score(&scores, &labels)).transpose()?,
        distribution: score_distribution(&scores, &labels, DISTRIBUTION_BINS)?,
        calibration: calibration_curve(&scores, &labels, CALIBRATION_BINS)?,
        precision_recall: thinned(&precision_recall, |point| point.recall)
            .map(|point| CurveSample {
                threshold: point.threshold,
                x: point.recall,
                y: point.precision,
            })
            .collect(),
        roc: thinned(&roc, |point| point.false_positive_rate.max(point.true_positive_rate))
            .map(|point| CurveSample {
                threshold: point.threshold,
                x: point.false_positive_rate,
                y: point.true_positive_rate,
            })
            .collect(),
        costs: costs.transpose()?.flatten(),
    })
}

fn top_k(k: usize, mean: f64, daily: Vec<(i64, f64)>) -> TopK {
    TopK {
        k,
        mean,
        daily: daily.into_iter().map(|(day, share)| (date(day), share)).collect(),
    }
}

/// The points at which `place`, which goes from 0 to 1 or back, has moved far enough to be seen; the first and the last.
fn thinned<T>(points: &[T], place: impl Fn(&T) -> f64) -> impl Iterator<Item = &T> {
    let mut shown = f64::NEG_INFINITY;
    let last = points.len().saturating_sub(1);
    points.iter().enumerate().filter_map(move |(index, point)| {
        let is_shown = index == last || (place(point) - shown).abs() * POINTS as f64 >= 1.0;
        is_shown.then(|| {
            shown = place(point);
            point
        })
    })
}

fn cost_report(
    facts: Facts<'_>,
    decisions: &Decisions,
    scores: &[f64],
    labels: &[bool],
    losses: &[f64],
    costs: Costs,
) -> Result<Option<CostReport>, EvaluationError> {
    let curve = cost_curve(scores, labels, losses, costs)?;
    let (Some(&without_alerts), Some(cheapest)) = (curve.first(), cheapest(&curve)) else {
        return Ok(None);
    };
    let judged = (0..facts.ledger.len()).filter_map(|number| {
        let (logged, fraud) = (decisions.get(number)?, facts.truths[number].fraud()?);
        Some((logged.outcome > Outcome::MILDEST, fraud, facts.loss(number)))
    });
    let most = curve.last().map_or(1.0, |last| last.alerts.max(1) as f64);
    // Equal steps of the logarithm: the few highest scores matter most.
    let place = |point: &CostPoint| (1.0 + point.alerts as f64).ln() / (1.0 + most).ln();
    Ok(Some(CostReport {
        costs,
        without_alerts,
        policy: costs.of(judged),
        cheapest,
        curve: thinned(&curve, place).copied().collect(),
    }))
}
