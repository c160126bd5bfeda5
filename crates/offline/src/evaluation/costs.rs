//! Costs of alerts and missed frauds by threshold: the score from which on there is an alert.

use super::{EvaluationError, check};

/// What an alert costs, in the currency of the losses.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Costs {
    /// The work on an alert, whether it is right or not.
    pub alert: f64,
    /// What comes on top if the payment is genuine: the customer is disturbed.
    pub false_alarm: f64,
}

/// The costs with alerts from some score on.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct CostPoint {
    /// Transactions that score at least this are alerted on; none: there are no alerts.
    pub threshold: Option<f64>,
    /// How many alerts there are.
    pub alerts: usize,
    /// How many of them are frauds.
    pub frauds: usize,
    /// The losses by frauds without an alert.
    pub losses: f64,
    /// The sum of losses and costs of alerts.
    pub cost: f64,
}

impl Costs {
    /// The costs of alerts on transactions, each with its label and its loss if it is a fraud, and of those without an alert.
    pub fn of(&self, alerted: impl Iterator<Item = (bool, bool, f64)>) -> CostPoint {
        let mut point = CostPoint {
            threshold: None,
            alerts: 0,
            frauds: 0,
            losses: 0.0,
            cost: 0.0,
        };
        for (is_alert, fraud, loss) in alerted {
            point.alerts += usize::from(is_alert);
            point.frauds += usize::from(is_alert && fraud);
            if fraud && !is_alert {
                point.losses += loss;
            }
        }
        point.cost = point.losses + self.of_alerts(point.alerts, point.frauds);
        point
    }

    fn of_alerts(&self, alerts: usize, frauds: usize) -> f64 {
        self.alert * alerts as f64 + self.false_alarm * (alerts - frauds) as f64
    }
}

/// The costs at each distinct score from the highest down; the first point is without alerts. `losses` says what each
/// transaction costs if it is a fraud and there is no alert.
///
/// # Errors
/// When the slices differ in length, or a score is NaN.
pub fn cost_curve(
    scores: &[f64],
    labels: &[bool],
    losses: &[f64],
    costs: Costs,
) -> Result<Vec<CostPoint>, EvaluationError> {
    check(scores, "labels", labels.len())?;
    check(scores, "losses", losses.len())?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let at_stake = |index: usize| if labels[index] { losses[index] } else { 0.0 };
    let total: f64 = order.iter().map(|index| at_stake(*index)).sum();
    let (mut alerts, mut frauds, mut saved) = (0, 0, 0.0);
    let mut curve = vec![CostPoint {
        threshold: None,
        alerts,
        frauds,
        losses: total,
        cost: total,
    }];
    for index in order {
        alerts += 1;
        frauds += usize::from(labels[index]);
        saved += at_stake(index);
        let losses = total - saved;
        let point = CostPoint {
            threshold: Some(scores[index]),
            alerts,
            frauds,
            losses,
            cost: losses + costs.of_alerts(alerts, frauds),
        };
        match curve.last_mut() {
            Some(last) if last.threshold == point.threshold => *last = point,
            _ => curve.push(point),
        }
    }
    Ok(curve)
}

/// The cheapest point of a curve; of equal ones the first, which has fewer alerts.
pub fn cheapest(curve: &[CostPoint]) -> Option<CostPoint> {
    let cheaper = |a: CostPoint, b: &CostPoint| if b.cost < a.cost { *b } else { a };
    let (first, rest) = curve.split_first()?;
    Some(rest.iter().fold(*first, cheaper))
}
