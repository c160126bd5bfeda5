//! The report as one HTML file that needs nothing else: no script, no font, no network.

mod charts;
mod svg;
mod table;

use crate::labels::{Places, Truth};
use crate::report::{ByOutcome, Comparison, CostReport, Report, Rules, ScoreReport, Segments, Side, VariantReport};
use crate::text::{measure, money, percent, signed};
use riskstream_events::display::number;
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
    let whole = |count: usize| money(count as f64);
    let of_frauds = match &report.amount {
        Some(amount) => format!(" ({amount} {})", money(report.fraud_amount)),
        None => String::new(),
    };
    let mut lines = vec![format!(
        "{} payments from {} to {}; {} with a label that counts, {} of them fraud{of_frauds}.",
        whole(report.payments),
        report.first,
        report.last,
        whole(report.judged),
        whole(report.frauds),
    )];
    let as_of = report.as_of.iter();
    lines.extend(as_of.map(|as_of| format!("What was known by {as_of} counts.")));
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
    lines.extend(counts.map(|(count, what)| format!("{} {what}.", whole(*count))));
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
        (&report.labels_without_payment, "labels are of no payment"),
    ];
    for (places, what) in places.iter().filter(|(places, _)| places.count > 0) {
        lines.push(format!(
            "{} {what}; the first: {}.",
            whole(places.count),
            places.first.join(", ")
        ));
    }
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

/// A row for each measure, a column for each variant.
fn summary(report: &Report) -> String {
    type Measure<'m> = (String, &'m dyn Fn(&VariantReport) -> String);
    let k = report
        .variants
        .iter()
        .find_map(|variant| Some(variant.scores.as_ref()?.card_precision_at_k.k));
    let k = k.unwrap_or_default();
    let cost = |variant: &VariantReport, of: &dyn Fn(&CostReport) -> String| {
        let costs = variant.scores.as_ref().and_then(|scores| scores.costs.as_ref());
        costs.map_or("–".to_owned(), of)
    };
    let score = |variant: &VariantReport, of: &dyn Fn(&ScoreReport) -> Option<f64>| {
        optional(variant.scores.as_ref().and_then(of))
    };
    let measures: [Measure<'_>; 9] = [
        ("frauds caught".to_owned(), &|variant| {
            percent(variant.outcomes.recall())
        }),
        ("fraud money caught".to_owned(), &|variant| {
            percent(variant.outcomes.money_recall())
        }),
        ("AUC".to_owned(), &|variant| score(variant, &|scores| Some(scores.auc))),
        ("average precision".to_owned(), &|variant| {
            score(variant, &|scores| Some(scores.average_precision))
        }),
        (format!("precision@{k}"), &|variant| {
            score(variant, &|scores| Some(scores.precision_at_k.mean))
        }),
        (format!("card precision@{k}"), &|variant| {
            score(variant, &|scores| Some(scores.card_precision_at_k.mean))
        }),
        ("Brier score".to_owned(), &|variant| {
            score(variant, &|scores| scores.brier_score)
        }),
        ("cost as decided".to_owned(), &|variant| {
            cost(variant, &|costs| money(costs.policy.cost))
        }),
        ("cost at the cheapest threshold".to_owned(), &|variant| {
            cost(variant, &cheapest)
        }),
    ];
    let mut words: Vec<&str> = Vec::new();
    for (word, _) in report.variants.iter().flat_map(|variant| variant.outcomes.iter()) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let outcomes = words.iter().map(|word| {
        let payments = |variant: &VariantReport| match variant.outcomes.of(word) {
            Some(judged) => money(judged.payments as f64),
            None => "–".to_owned(),
        };
        let values = report.variants.iter().map(payments);
        std::iter::once((*word).to_owned()).chain(values).collect()
    });
    let measures = measures.iter().map(|(name, measure)| {
        let values = report.variants.iter().map(measure);
        std::iter::once(name.clone()).chain(values).collect()
    });
    let rows = outcomes.chain(measures);
    let names = report.variants.iter().map(|variant| variant.name.as_str());
    let columns: Vec<&str> = std::iter::once("").chain(names).collect();
    let table = Table {
        texts: 1,
        columns: &columns,
        rows: rows.collect(),
    };
    table.html() + "<p class=\"soft\">Caught: any outcome but the mildest, of the frauds whose labels count.</p>"
}

fn cheapest(costs: &CostReport) -> String {
    let from = costs.cheapest.threshold;
    let from = from.map_or("no alerts".to_owned(), |at| format!("score ≥ {}", number(at)));
    format!("{} ({from})", money(costs.cheapest.cost))
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
            change.from.clone(),
            change.to.clone(),
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
    format!("{}{score}{reasons}", side.outcome)
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

fn outcomes(outcomes: &ByOutcome) -> String {
    let rows = outcomes.iter().map(|(word, judged)| {
        vec![
            word.to_owned(),
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
            rule.outcome.clone(),
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
        let all = row.outcomes.all();
        let mut cells = vec![row.segment.clone(), all.payments.to_string()];
        cells.extend(row.outcomes.iter().map(|(_, judged)| judged.payments.to_string()));
        cells.extend([
            all.frauds.to_string(),
            money(all.fraud_amount),
            percent(row.outcomes.recall()),
            optional(row.auc),
            optional(row.average_precision),
        ]);
        cells
    });
    let words = segments.rows.first().into_iter().flat_map(|row| row.outcomes.iter());
    let mut columns = vec!["segment", "payments"];
    columns.extend(words.map(|(word, _)| word));
    columns.extend(["frauds", "fraud money", "frauds caught", "AUC", "avg. precision"]);
    let table = Table {
        texts: 1,
        columns: &columns,
        rows: rows.collect(),
    };
    let further = match segments.further {
        0 => String::new(),
        further => format!("<p class=\"soft\">And {further} smaller segments.</p>"),
    };
    format!("<h3>By {}</h3>{}{further}", escape(&segments.by), table.html())
}
