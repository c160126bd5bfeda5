//! The charts of a report.

use super::escape;
use super::svg::{Axis, COLOURS, Scale, bars, lines};
use crate::report::{ByOutcome, CostReport, Judged, Report, ScoreReport, VariantReport};

/// A chart with its title, a sentence on how to read it, and what its colours mean.
fn figure(title: &str, how: &str, names: &[String], svg: &str) -> String {
    let key = names.iter().enumerate();
    let key = key.map(|(number, name)| format!("<span><i class=\"f{}\"></i>{}</span>", number % COLOURS, escape(name)));
    format!(
        "<figure><figcaption>{}</figcaption><p>{}</p>{svg}<div class=\"key\">{}</div></figure>",
        escape(title),
        escape(how),
        key.collect::<String>()
    )
}

/// The charts that compare all variants.
pub(super) fn of_all(report: &Report) -> String {
    let scored: Vec<(&VariantReport, &ScoreReport)> = report
        .variants
        .iter()
        .filter_map(|variant| Some((variant, variant.scores.as_ref()?)))
        .collect();
    if scored.is_empty() {
        return String::new();
    }
    let names: Vec<String> = scored.iter().map(|(variant, _)| variant.name.clone()).collect();
    let curves = |curve: &dyn Fn(&ScoreReport) -> Vec<(f64, f64)>| -> Vec<Vec<(f64, f64)>> {
        scored.iter().map(|(_, scores)| curve(scores)).collect()
    };
    let diagonal = [(0.0, 0.0), (1.0, 1.0)];
    let precision_recall = curves(&|scores| scores.precision_recall.iter().map(|point| (point.x, point.y)).collect());
    let roc = curves(&|scores| {
        let points = scores.roc.iter().map(|point| (point.x, point.y));
        std::iter::once((0.0, 0.0)).chain(points).collect()
    });
    let calibration = curves(&|scores| {
        scores
            .calibration
            .iter()
            .map(|bin| (bin.mean_score, bin.fraud_rate))
            .collect()
    });
    let mut html = figure(
        "Precision and recall",
        "Alerts from some score on: how many frauds they find, and how many of them are right. Up and right is better.",
        &names,
        &lines(Axis::share("recall"), Axis::share("precision"), &[], &precision_recall),
    );
    html += &figure(
        "ROC",
        "Frauds alerted on against genuine payments alerted on. Up and left is better; the dashed line is chance.",
        &names,
        &lines(
            Axis::share("share of genuine payments alerted on"),
            Axis::share("share of frauds alerted on"),
            &diagonal,
            &roc,
        ),
    );
    if scored.iter().all(|(_, scores)| scores.brier_score.is_some()) {
        let places = calibration.iter().flatten().map(|(score, rate)| score.max(*rate));
        let highest = places.fold(0.0, f64::max);
        let axis = |label| Axis::up_to(label, [highest].into_iter(), Scale::Linear);
        html += &figure(
            "Calibration",
            "The share of fraud among payments of similar scores. On the dashed line a score is a probability.",
            &names,
            &lines(
                axis("mean score"),
                axis("share of fraud"),
                &[(0.0, 0.0), (highest, highest)],
                &calibration,
            ),
        );
    }
    html + &costs(&scored) + &daily_top(&scored)
}

fn costs(scored: &[(&VariantReport, &ScoreReport)]) -> String {
    let with_costs = scored
        .iter()
        .filter_map(|(variant, scores)| Some((*variant, scores.costs.as_ref()?)));
    let with_costs: Vec<(&VariantReport, &CostReport)> = with_costs.collect();
    if with_costs.is_empty() {
        return String::new();
    }
    // Alerts on everything would cost so much that the rest could not be told apart.
    let limit = |costs: &CostReport| 1.25 * costs.without_alerts.cost.max(costs.policy.cost);
    let curve = |costs: &CostReport| -> Vec<(f64, f64)> {
        let shown = costs.curve.iter().filter(|point| point.cost <= limit(costs));
        shown.map(|point| (point.alerts as f64, point.cost)).collect()
    };
    let series: Vec<_> = with_costs.iter().map(|(_, costs)| curve(costs)).collect();
    let points = || series.iter().flatten().copied();
    let alerts = Axis::up_to("alerts", points().map(|(alerts, _)| alerts), Scale::Logarithmic);
    let cost = Axis::up_to("cost", points().map(|(_, cost)| cost), Scale::Linear);
    let names: Vec<String> = with_costs.iter().map(|(variant, _)| variant.name.clone()).collect();
    figure(
        "Costs",
        "Missed frauds and alerts, by the number of alerts. The lowest point is the cheapest threshold.",
        &names,
        &lines(alerts, cost, &[], &series),
    )
}

/// Card precision by day.
fn daily_top(scored: &[(&VariantReport, &ScoreReport)]) -> String {
    let days = |scores: &ScoreReport| scores.card_precision_at_k.daily.len();
    if scored.iter().all(|(_, scores)| days(scores) < 2) {
        return String::new();
    }
    let names: Vec<String> = scored.iter().map(|(variant, _)| variant.name.clone()).collect();
    let last = scored.iter().map(|(_, scores)| days(scores).saturating_sub(1) as f64);
    let x = Axis::up_to("day", last, Scale::Linear);
    let series: Vec<Vec<(f64, f64)>> = scored
        .iter()
        .map(|(_, scores)| {
            let daily = scores.card_precision_at_k.daily.iter().enumerate();
            daily.map(|(day, (_, share))| (day as f64, *share)).collect()
        })
        .collect();
    let y = Axis::up_to("share", series.iter().flatten().map(|(_, share)| *share), Scale::Linear);
    let k = scored.first().map_or(0, |(_, scores)| scores.card_precision_at_k.k);
    figure(
        &format!("Card precision@{k} by day"),
        "The share of compromised cards among those that score highest on a day; cards found before are left out.",
        &names,
        &lines(x, y, &[], &series),
    )
}

/// The charts of one variant.
pub(super) fn of_variant(variant: &VariantReport, has_amounts: bool) -> String {
    let mut html = String::new();
    if let Some(scores) = &variant.scores {
        // Counts of two kinds on a logarithmic scale cannot stand on each other: they stand side by side.
        let shown = scores.distribution.iter();
        let (labels, counts): (Vec<String>, Vec<Vec<f64>>) = shown
            .flat_map(|bin| {
                let label = riskstream_events::display::number(bin.low);
                [
                    (label.clone(), vec![bin.genuine as f64]),
                    (label, vec![0.0, bin.frauds as f64]),
                ]
            })
            .unzip();
        let highest = counts.iter().flatten().copied();
        let y = Axis::up_to("payments", highest, Scale::Logarithmic);
        html += &figure(
            "Scores",
            "How many genuine payments and frauds score so, on a logarithmic scale.",
            &["genuine".to_owned(), "fraud".to_owned()],
            &bars("score", y, &labels, &counts),
        );
    }
    let days: Vec<String> = variant.days.iter().map(|day| day.day.clone()).collect();
    let alerts: Vec<Vec<f64>> = variant
        .days
        .iter()
        .map(|day| {
            by_severity(&day.outcomes)
                .map(|(_, judged)| judged.payments as f64)
                .collect()
        })
        .collect();
    let sum = |bars: &[Vec<f64>]| bars.iter().map(|parts| parts.iter().sum()).collect::<Vec<f64>>();
    let y = Axis::up_to("payments", sum(&alerts).into_iter(), Scale::Linear);
    html += &figure(
        "Alerts by day",
        "Payments with any outcome but the mildest, UTC.",
        &by_severity(&variant.outcomes)
            .map(|(word, _)| word.to_owned())
            .collect::<Vec<_>>(),
        &bars("day", y, &days, &alerts),
    );
    let of_day = |outcomes: &ByOutcome| {
        let parts = [outcomes.alerts(), outcomes.passed()];
        parts
            .map(|part| {
                if has_amounts {
                    part.fraud_amount
                } else {
                    part.frauds as f64
                }
            })
            .to_vec()
    };
    let frauds: Vec<Vec<f64>> = variant.days.iter().map(|day| of_day(&day.outcomes)).collect();
    let label = if has_amounts { "money" } else { "frauds" };
    let y = Axis::up_to(label, sum(&frauds).into_iter(), Scale::Linear);
    html + &figure(
        "Fraud caught and missed by day",
        "Caught: any outcome but the mildest.",
        &["caught".to_owned(), "missed".to_owned()],
        &bars("day", y, &days, &frauds),
    )
}

/// The outcomes but the mildest, the severest first.
fn by_severity(outcomes: &ByOutcome) -> impl Iterator<Item = (&str, &Judged)> {
    outcomes.iter().skip(1).rev()
}
