//! The report as one HTML file that needs nothing else: no script, no font, no network.

mod charts;
mod svg;
mod table;

use crate::labels::{Places, Truth};
use crate::report::{Comparison, Outcomes, Report, Rules, Segments, Side, VariantReport};
use crate::text::{measure, money, percent, signed};
use riskstream_policy::Outcome;
use table::Table;

/// Rules in the overlap matrix.
const IN_MATRIX: usize = 20;

/// The report as a page.
pub fn html(report: &Report) -> String {
    let name = escape(&report.pipeline);
    let sections = [
        facts(report),
        format!("<h2>Variants</h2>{}", summary(report)),
        format!("<div class=\"charts\">{}</div>", charts::of_all(report)),
        report.comparisons.iter().map(compared).collect(),
        report
            .variants
            .iter()
            .map(|variant| of_variant(report, variant))
            .collect(),
    ];
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Backtest of {name}</title><style>{}</style></head><body>{}\
         <p class=\"soft\">riskstream {}</p></body></html>\n",
        include_str!("style.css"),
        sections.concat(),
        escape(report.riskstream),
    )
}

/// A text as it stands in HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn facts(report: &Report) -> String {
    let money = match &report.amount {
        Some(amount) => format!(" ({} {amount})", money(report.fraud_amount)),
        None => String::new(),
    };
    let mut lines = vec![format!(
        "{} payments from {} to {}; {} with a label that counts, {} of them fraud{money}.",
        report.payments, report.first, report.last, report.judged, report.frauds
    )];
    lines.extend(
        report
            .as_of
            .as_ref()
            .map(|as_of| format!("What was known by {as_of} counts.")),
    );
    let counts = [
        (
            report.outside_period,
            "payments were decided before or after the period and are not counted",
        ),
        (
            report.too_young,
            "payments are too young: their labels are not known yet",
        ),
        (report.unlabelled, "payments have no label and are not judged"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    lines.extend(counts.map(|(count, what)| format!("{count} {what}.")));
    let places: [(&Places, &str); 4] = [
        (
            &report.repeated,
            "payments have the id of one before and are not judged",
        ),
        (
            &report.repeated_labels,
            "labels are of a payment that has another label: the last known one counts",
        ),
        (
            &report.incomplete_labels,
            "labels lack the payment's id or whether it is fraud",
        ),
        (&report.labels_without_payment, "labels are of no payment in the period"),
    ];
    let places = places.iter().filter(|(places, _)| places.count > 0);
    lines.extend(
        places.map(|(places, what)| format!("{} {what}; the first: {}.", places.count, places.first.join(", "))),
    );
    let lines = lines.iter().map(|line| format!("<p>{}</p>", escape(line)));
    format!(
        "<h1>Backtest of {}</h1>{}",
        escape(&report.pipeline),
        lines.collect::<String>()
    )
}

fn optional(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.4}"))
}

fn summary(report: &Report) -> String {
    let row = |variant: &VariantReport| {
        let Outcomes {
            approve,
            review,
            decline,
        } = &variant.outcomes;
        let scores = variant.scores.as_ref();
        let costs = scores.and_then(|scores| scores.costs.as_ref());
        let caught = review.fraud_amount + decline.fraud_amount;
        let all = caught + approve.fraud_amount;
        let cheapest = costs.map_or("–".to_owned(), |costs| {
            let at = costs.cheapest.threshold.map_or("no alerts".to_owned(), |at| {
                format!("from {}", riskstream_events::display::number(at))
            });
            format!("{} ({at})", money(costs.cheapest.cost))
        });
        vec![
            variant.name.clone(),
            money(approve.payments as f64),
            money(review.payments as f64),
            money(decline.payments as f64),
            percent(variant.outcomes.recall()),
            percent((all > 0.0).then(|| caught / all)),
            optional(scores.map(|scores| scores.auc)),
            optional(scores.map(|scores| scores.average_precision)),
            optional(scores.map(|scores| scores.precision_at_k.mean)),
            optional(scores.map(|scores| scores.card_precision_at_k.mean)),
            optional(scores.and_then(|scores| scores.brier_score)),
            costs.map_or("–".to_owned(), |costs| money(costs.policy.cost)),
            cheapest,
        ]
    };
    let k = report
        .variants
        .iter()
        .find_map(|variant| Some(variant.scores.as_ref()?.card_precision_at_k.k));
    let [at_k, cards_at_k] = ["precision", "card prec."].map(|what| format!("{what}@{}", k.unwrap_or(0)));
    let columns = [
        "variant",
        "approved",
        "reviewed",
        "declined",
        "frauds caught",
        "fraud money caught",
        "AUC",
        "avg. precision",
        &at_k,
        &cards_at_k,
        "Brier",
        "cost",
        "cheapest threshold",
    ];
    let table = Table {
        texts: 1,
        columns: &columns,
        rows: report.variants.iter().map(row).collect(),
    };
    table.html() + "<p class=\"soft\">Caught: reviewed or declined, of the frauds whose labels count.</p>"
}

fn compared(comparison: &Comparison) -> String {
    let changed = &comparison.changed;
    let mut html = format!(
        "<h2>{} in place of {}</h2><p>{} payments get another outcome ({}), {} of them frauds ({}).</p>",
        escape(&comparison.variant),
        escape(&comparison.base),
        changed.payments,
        money(changed.amount),
        changed.frauds,
        money(changed.fraud_amount),
    );
    let differences = comparison.differences.iter().map(|row| {
        let interval = row.interval;
        let interval = interval.map_or("–".to_owned(), |found| {
            format!("{} to {}", signed(found.low), signed(found.high))
        });
        vec![
            row.measure.to_owned(),
            measure(row.base),
            measure(row.variant),
            signed(row.difference),
            interval,
        ]
    });
    html += &Table {
        texts: 1,
        columns: &["measure", "before", "after", "difference", "95 % interval over cards"],
        rows: differences.collect(),
    }
    .html();
    let changes = comparison.changes.iter().map(|change| {
        let payments = &change.payments;
        vec![
            change.from.as_str().to_owned(),
            change.to.as_str().to_owned(),
            payments.payments.to_string(),
            money(payments.amount),
            payments.frauds.to_string(),
            money(payments.fraud_amount),
        ]
    });
    html += "<h3>Other outcomes</h3>";
    html += &Table {
        texts: 2,
        columns: &["before", "after", "payments", "money", "frauds", "fraud money"],
        rows: changes.collect(),
    }
    .html();
    let moved = comparison.moved.iter().map(|moved| {
        let truth = match moved.truth {
            Truth::Fraud => "fraud",
            Truth::Genuine => "genuine",
            _ => "not known",
        };
        vec![
            moved.time.clone(),
            moved.id.clone(),
            side(&moved.base),
            side(&moved.variant),
            truth.to_owned(),
            money(moved.amount),
        ]
    });
    html += "<h3>The payments that move most</h3>";
    html + &Table {
        texts: 5,
        columns: &["time", "payment", "before", "after", "truth", "money"],
        rows: moved.collect(),
    }
    .html()
}

fn side(side: &Side) -> String {
    let score = side.score.map_or(String::new(), |score| format!(" {score:.3}"));
    let reasons = match side.reasons.is_empty() {
        true => String::new(),
        false => format!(" ({})", side.reasons.join(", ")),
    };
    format!("{}{score}{reasons}", side.outcome.as_str())
}

fn of_variant(report: &Report, variant: &VariantReport) -> String {
    let mut html = format!(
        "<h2>{}</h2><p class=\"soft\">Pipeline version {}</p>",
        escape(&variant.name),
        escape(&variant.version)
    );
    if let Some(why) = &variant.no_scores {
        html += &format!("<p>Scores are not judged: {}.</p>", escape(why));
    }
    if variant.undecided > 0 {
        html += &format!(
            "<p>{} payments were not decided: their records could not be used.</p>",
            variant.undecided
        );
    }
    html += &outcomes(&variant.outcomes);
    html += &format!(
        "<div class=\"charts\">{}</div>",
        charts::of_variant(variant, report.amount.is_some())
    );
    html += &rules(&variant.rules);
    html + &variant.segments.iter().map(segments).collect::<String>()
}

fn outcomes(outcomes: &Outcomes) -> String {
    let rows = Outcome::ALL.iter().map(|outcome| {
        let judged = outcomes.of(*outcome);
        vec![
            outcome.as_str().to_owned(),
            judged.payments.to_string(),
            money(judged.amount),
            judged.judged.to_string(),
            judged.frauds.to_string(),
            money(judged.fraud_amount),
            percent(judged.precision()),
        ]
    });
    Table {
        texts: 1,
        columns: &[
            "outcome",
            "payments",
            "money",
            "judged",
            "frauds",
            "fraud money",
            "share of fraud",
        ],
        rows: rows.collect(),
    }
    .html()
}

fn rules(rules: &Rules) -> String {
    let rows = rules.fired.iter().map(|rule| {
        vec![
            rule.name.clone(),
            rule.outcome.to_owned(),
            rule.mode.to_owned(),
            rule.hits.payments.to_string(),
            rule.unique_hits.payments.to_string(),
            money(rule.hits.amount),
            rule.hits.frauds.to_string(),
            money(rule.hits.fraud_amount),
            money(rule.unique_hits.fraud_amount),
            percent(rule.precision),
            percent(rule.recall),
        ]
    });
    let mut html = String::from("<h3>Rules and thresholds</h3>");
    html += &Table {
        texts: 3,
        columns: &[
            "rule",
            "outcome",
            "mode",
            "hits",
            "alone",
            "money",
            "frauds",
            "fraud money",
            "alone",
            "precision",
            "recall",
        ],
        rows: rows.collect(),
    }
    .html();
    if !rules.never_fired.is_empty() {
        html += &format!("<p>Never fired: {}.</p>", escape(&rules.never_fired.join(", ")));
    }
    html + &overlaps(rules)
}

/// The rules with the most hits, and for how many payments two of them fire together.
fn overlaps(rules: &Rules) -> String {
    if rules.overlaps.is_empty() {
        return String::new();
    }
    let mut largest: Vec<_> = rules.fired.iter().collect();
    largest.sort_by_key(|rule| std::cmp::Reverse(rule.hits.payments));
    largest.truncate(IN_MATRIX);
    let together = |a: &str, b: &str| {
        let found = rules
            .overlaps
            .iter()
            .find(|pair| (pair.a == a && pair.b == b) || (pair.a == b && pair.b == a));
        found.map_or("·".to_owned(), |pair| pair.payments.to_string())
    };
    let rows = largest.iter().map(|row| {
        let cells = largest.iter().map(|column| match row.name == column.name {
            true => row.hits.payments.to_string(),
            false => together(&row.name, &column.name),
        });
        std::iter::once(row.name.clone()).chain(cells).collect()
    });
    let columns: Vec<&str> = std::iter::once("both fire")
        .chain(largest.iter().map(|rule| rule.name.as_str()))
        .collect();
    let table = Table {
        texts: 1,
        columns: &columns,
        rows: rows.collect(),
    };
    format!("<h3>Rules that fire together</h3>{}", table.html())
}

fn segments(segments: &Segments) -> String {
    let rows = segments.rows.iter().map(|row| {
        let Outcomes {
            approve,
            review,
            decline,
        } = &row.outcomes;
        vec![
            row.segment.clone(),
            (approve.payments + review.payments + decline.payments).to_string(),
            review.payments.to_string(),
            decline.payments.to_string(),
            row.outcomes.frauds().to_string(),
            money(approve.fraud_amount + review.fraud_amount + decline.fraud_amount),
            percent(row.outcomes.recall()),
            optional(row.auc),
            optional(row.average_precision),
        ]
    });
    let table = Table {
        texts: 1,
        columns: &[
            "segment",
            "payments",
            "reviewed",
            "declined",
            "frauds",
            "fraud money",
            "frauds caught",
            "AUC",
            "avg. precision",
        ],
        rows: rows.collect(),
    };
    let further = match segments.further {
        0 => String::new(),
        further => format!("<p class=\"soft\">And {further} smaller segments.</p>"),
    };
    format!("<h3>By {}</h3>{}{further}", escape(&segments.by), table.html())
}
