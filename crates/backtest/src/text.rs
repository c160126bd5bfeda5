//! The report as text for a terminal.

use crate::labels::Places;
use crate::report::{
    ByOutcome, Comparison, CostReport, Report, Rules, RulesReport, ScoreReport, Segments, VariantReport,
};
use riskstream_events::display::number;
use std::fmt::Write;

/// Days, rules and pairs of rules that are shown.
const SHOWN: usize = 40;

/// A line. Writing to a string never fails.
macro_rules! line {
    ($out:expr, $($part:tt)*) => { writeln!($out, $($part)*).expect("writing to a string") };
}

/// The report as text.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    head(report, &mut text);
    for variant in &report.variants {
        of_variant(report, variant, &mut text);
    }
    for comparison in &report.comparisons {
        compared(comparison, &mut text);
    }
    text
}

/// The report on rules as text.
pub fn rules_text(report: &RulesReport) -> String {
    let mut out = String::new();
    let (pipeline, payments) = (&report.pipeline, report.payments);
    match &report.period {
        Some((first, last)) => line!(out, "{pipeline}: {payments} payments from {first} to {last}"),
        None => line!(out, "{pipeline}: no decisions"),
    }
    for (count, what) in [
        (
            report.repeated,
            "decisions on a payment that was decided before: not counted",
        ),
        (
            report.unusable,
            "decisions with an outcome that the pipeline file does not have: not counted",
        ),
    ] {
        if count > 0 {
            line!(out, "  {count} {what}");
        }
    }
    line!(
        out,
        "  {} with a label that counts, {} of them fraud",
        report.judged.judged,
        report.judged.frauds
    );
    outcomes(&report.outcomes, report.amount.is_some(), &mut out);
    rules(&report.rules, &mut out);
    for (rule, hits) in &report.other_versions {
        line!(
            out,
            "  {rule}: {hits} hits; the pipeline file has no such rule any more"
        );
    }
    out
}

fn head(report: &Report, out: &mut String) {
    let Report {
        payments,
        judged,
        frauds,
        ..
    } = report;
    line!(
        out,
        "{}: {payments} payments from {} to {}",
        report.pipeline,
        report.first,
        report.last
    );
    if report.outside_period > 0 {
        line!(
            out,
            "  {} decided before or after the period, not counted",
            report.outside_period
        );
    }
    if let Some(as_of) = &report.as_of {
        line!(out, "  as of {as_of}");
    }
    line!(
        out,
        "  {judged} with a label that counts, {frauds} of them fraud{}",
        match &report.amount {
            Some(amount) => format!(" ({amount} {})", money(report.fraud_amount)),
            None => String::new(),
        }
    );
    for (count, what) in [
        (report.too_young, "too young: their labels are not known yet"),
        (report.unlabelled, "without a label: not judged"),
    ] {
        if count > 0 {
            line!(out, "  {count} {what}");
        }
    }
    for (places, what) in [
        (&report.repeated, "payments have the id of one before: not judged"),
        (
            &report.repeated_labels,
            "labels are of a payment that has another label: the last known one counts",
        ),
        (
            &report.incomplete_labels,
            "labels lack the payment's id or whether it is fraud",
        ),
        (&report.labels_without_payment, "labels are of no payment"),
    ] {
        counted(places, what, out);
    }
}

fn counted(places: &Places, what: &str, out: &mut String) {
    if places.count > 0 {
        line!(out, "  {} {what}; the first: {}", places.count, places.first.join(", "));
    }
}

fn of_variant(report: &Report, variant: &VariantReport, out: &mut String) {
    line!(out, "\n{} (version {})", variant.name, variant.version);
    if variant.undecided > 0 {
        line!(
            out,
            "  {} payments were not decided: their records could not be used",
            variant.undecided
        );
    }
    outcomes(&variant.outcomes, report.amount.is_some(), out);
    match (&variant.scores, &variant.no_scores) {
        (Some(scores), _) => of_scores(scores, out),
        (None, Some(why)) => line!(out, "  scores are not judged: {why}"),
        (None, None) => {}
    }
    rules(&variant.rules, out);
    days(variant, out);
    variant.segments.iter().for_each(|segments| of_segments(segments, out));
}

fn outcomes(outcomes: &ByOutcome, has_amounts: bool, out: &mut String) {
    line!(
        out,
        "  {:<10} {:>10} {:>15} {:>9} {:>15} {:>10}",
        "outcome",
        "payments",
        "money",
        "frauds",
        "fraud money",
        "precision"
    );
    for (word, judged) in outcomes.iter() {
        let in_money = |amount: f64| if has_amounts { money(amount) } else { "-".to_owned() };
        line!(
            out,
            "  {:<10} {:>10} {:>15} {:>9} {:>15} {:>10}",
            word,
            judged.payments,
            in_money(judged.amount),
            judged.frauds,
            in_money(judged.fraud_amount),
            percent(judged.precision()),
        );
    }
    line!(out, "  frauds in alerts: {}", percent(outcomes.recall()));
}

fn of_scores(scores: &ScoreReport, out: &mut String) {
    line!(
        out,
        "  AUC {:.4}   average precision {:.4}   over {} payments",
        scores.auc,
        scores.average_precision,
        scores.payments
    );
    for (what, top) in [
        ("precision", &scores.precision_at_k),
        ("card precision", &scores.card_precision_at_k),
    ] {
        line!(
            out,
            "  {what}@{}: {:.4}, mean of {} days",
            top.k,
            top.mean,
            top.daily.len()
        );
    }
    if scores.without_score > 0 {
        line!(out, "  {} judged payments have no score", scores.without_score);
    }
    if let Some(brier) = scores.brier_score {
        line!(out, "  Brier score {brier:.5}");
    }
    let bins = scores.calibration.iter();
    let bins = bins.map(|bin| format!("{}:{}", number(bin.mean_score), percent(Some(bin.fraud_rate))));
    line!(
        out,
        "  calibration (mean score: share of fraud): {}",
        bins.collect::<Vec<_>>().join("  ")
    );
    if let Some(costs) = &scores.costs {
        of_costs(costs, out);
    }
}

fn of_costs(costs: &CostReport, out: &mut String) {
    let threshold = costs
        .cheapest
        .threshold
        .map_or("no alerts at all".to_owned(), |at| format!("alerts from {at} on"));
    line!(
        out,
        "  costs: {} as decided ({} alerts), {} without alerts; cheapest: {threshold}, {} ({} alerts)",
        money(costs.policy.cost),
        costs.policy.alerts,
        money(costs.without_alerts.cost),
        money(costs.cheapest.cost),
        costs.cheapest.alerts,
    );
}

fn rules(rules: &Rules, out: &mut String) {
    if !rules.fired.is_empty() {
        line!(
            out,
            "  {:<32} {:<8} {:>9} {:>9} {:>8} {:>10} {:>8} {:>14}",
            "rule",
            "outcome",
            "hits",
            "alone",
            "frauds",
            "precision",
            "recall",
            "fraud money"
        );
    }
    for rule in rules.fired.iter().take(SHOWN) {
        let name = match rule.mode {
            "shadow" => format!("{} (shadow)", rule.name),
            _ => rule.name.clone(),
        };
        line!(
            out,
            "  {name:<32} {:<8} {:>9} {:>9} {:>8} {:>10} {:>8} {:>14}",
            rule.outcome,
            rule.hits.payments,
            rule.unique_hits.payments,
            rule.hits.frauds,
            percent(rule.precision),
            percent(rule.recall),
            money(rule.hits.fraud_amount),
        );
    }
    further(rules.fired.len(), "rules", out);
    if !rules.never_fired.is_empty() {
        line!(out, "  never fired: {}", rules.never_fired.join(", "));
    }
    let mut overlaps: Vec<_> = rules.overlaps.iter().collect();
    overlaps.sort_by_key(|overlap| std::cmp::Reverse(overlap.payments));
    for overlap in overlaps.iter().take(10) {
        line!(out, "  both {} and {}: {}", overlap.a, overlap.b, overlap.payments);
    }
}

/// The columns of outcomes: their words, or the numbers of their payments.
fn columns<'c>(cells: impl Iterator<Item = (&'c str, String)>) -> String {
    cells
        .map(|(word, cell)| format!(" {cell:>width$}", width = word.chars().count().max(8)))
        .collect()
}

fn words(outcomes: &ByOutcome) -> String {
    columns(outcomes.iter().map(|(word, _)| (word, word.to_owned())))
}

fn payments(outcomes: &ByOutcome) -> String {
    columns(
        outcomes
            .iter()
            .map(|(word, judged)| (word, judged.payments.to_string())),
    )
}

fn days(variant: &VariantReport, out: &mut String) {
    let words = words(&variant.outcomes);
    line!(
        out,
        "  {:<10}{words} {:>8} {:>14} {:>14}",
        "day",
        "frauds",
        "fraud caught",
        "fraud missed"
    );
    for day in variant.days.iter().take(SHOWN) {
        line!(
            out,
            "  {:<10}{} {:>8} {:>14} {:>14}",
            day.day,
            payments(&day.outcomes),
            day.outcomes.all().frauds,
            money(day.outcomes.alerts().fraud_amount),
            money(day.outcomes.passed().fraud_amount),
        );
    }
    further(variant.days.len(), "days", out);
}

fn of_segments(segments: &Segments, out: &mut String) {
    let words = segments.rows.first().map_or(String::new(), |row| words(&row.outcomes));
    line!(
        out,
        "  {:<28} {:>9}{words} {:>8} {:>8} {:>8} {:>8}",
        format!("by {}", segments.by),
        "payments",
        "frauds",
        "caught",
        "AUC",
        "AP"
    );
    for row in &segments.rows {
        let optional = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
        line!(
            out,
            "  {:<28} {:>9}{} {:>8} {:>8} {:>8} {:>8}",
            row.segment,
            row.outcomes.all().payments,
            payments(&row.outcomes),
            row.outcomes.all().frauds,
            percent(row.outcomes.recall()),
            optional(row.auc),
            optional(row.average_precision),
        );
    }
    if segments.further > 0 {
        line!(out, "  and {} smaller segments", segments.further);
    }
}

fn compared(comparison: &Comparison, out: &mut String) {
    let Comparison {
        base, variant, changed, ..
    } = comparison;
    line!(
        out,
        "\n{variant} in place of {base}: {} payments get another outcome ({}), {} of them frauds",
        changed.payments,
        money(changed.amount),
        changed.frauds
    );
    for change in &comparison.changes {
        let payments = &change.payments;
        line!(
            out,
            "  {:<8} to {:<8} {:>9} payments {:>15}   {:>7} frauds {:>14}",
            change.from,
            change.to,
            payments.payments,
            money(payments.amount),
            payments.frauds,
            money(payments.fraud_amount),
        );
    }
    line!(
        out,
        "  {:<30} {:>12} {:>12} {:>12}   95 % interval over cards",
        "",
        "before",
        "after",
        "difference"
    );
    for row in &comparison.differences {
        let interval = row.interval.map_or("-".to_owned(), |interval| {
            format!("{} to {}", signed(interval.low), signed(interval.high))
        });
        line!(
            out,
            "  {:<30} {:>12} {:>12} {:>12}   {interval}",
            row.measure,
            measure(row.base),
            measure(row.variant),
            signed(row.difference)
        );
    }
    for moved in comparison.moved.iter().take(10) {
        let side = |side: &crate::report::Side| {
            let score = side.score.map_or(String::new(), |score| format!(" {score:.3}"));
            let reasons = if side.reasons.is_empty() {
                String::new()
            } else {
                format!(" ({})", side.reasons.join(", "))
            };
            format!("{}{score}{reasons}", side.outcome)
        };
        line!(
            out,
            "  {} {}  {:>10}  {} → {}",
            moved.time,
            moved.id,
            money(moved.amount),
            side(&moved.base),
            side(&moved.variant)
        );
    }
    let listed = comparison.moved.len();
    if listed > 10 {
        line!(out, "  and {} more in the JSON and the HTML", listed - 10);
    }
}

fn further(count: usize, what: &str, out: &mut String) {
    if count > SHOWN {
        line!(out, "  and {} more {what} in the JSON and the HTML", count - SHOWN);
    }
}

/// An amount without decimals, with thousands set apart.
pub(crate) fn money(amount: f64) -> String {
    let digits = format!("{:.0}", amount.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    match amount < -0.5 {
        true => format!("-{text}"),
        false => text,
    }
}

pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.2} %", 100.0 * share))
}

/// A share with four decimals, a count without.
pub(crate) fn measure(value: f64) -> String {
    match value.abs() {
        0.0..=1.0 => format!("{value:.4}"),
        _ => money(value),
    }
}

pub(crate) fn signed(value: f64) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{}", measure(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        let cases = [
            (0.0, "0"),
            (999.5, "1,000"),
            (-1_234_567.0, "-1,234,567"),
            (-0.3, "0"),
            (12.4, "12"),
        ];
        for (amount, expected) in cases {
            assert_eq!(money(amount), expected);
        }
        assert_eq!(
            [signed(0.01234), signed(-0.5), signed(1_200.0)],
            ["+0.0123", "-0.5000", "+1,200"]
        );
        assert_eq!(percent(Some(0.1234)), "12.34 %");
    }
}
