//! A decision as text: the outcome, the rules that fired, and a table of the inputs that moved the score.

use riskstream_events::{FeatureValue, OwnedDecisionRecord, OwnedReason, display};
use std::fmt::Write;

/// Shown for a value that a decision does not carry.
const NOT_CARRIED: &str = "–";

/// The decision as text.
pub fn explanation(decision: &OwnedDecisionRecord) -> String {
    let mut text = String::new();
    write_explanation(&mut text, decision).expect("writing to a string");
    text
}

fn write_explanation(out: &mut String, decision: &OwnedDecisionRecord) -> std::fmt::Result {
    let score = decision
        .score
        .map_or("no score".to_owned(), |score| format!("score {score:.4}"));
    let model = decision.model.as_ref();
    let model = model.map_or(String::new(), |model| format!(" by {} {}", model.name, model.version));
    writeln!(
        out,
        "{}  {}  {}, {score}{model}",
        decision.event_id, decision.event_time, decision.outcome
    )?;
    let (fired, inputs): (Vec<_>, Vec<_>) = decision
        .reasons
        .iter()
        .partition(|reason| reason.contribution.is_none());
    for reason in fired {
        let description = reason
            .description
            .as_deref()
            .map_or(String::new(), |text| format!(": {text}"));
        writeln!(
            out,
            "  {} {} ({}){description}",
            &reason.outcome, reason.name, reason.code
        )?;
    }
    if inputs.is_empty() {
        return writeln!(out, "  what moved the score is not in this decision");
    }
    let rows: Vec<[String; 4]> = inputs.iter().map(|reason| row(decision, reason)).collect();
    write_table(out, &rows)?;
    match rows.iter().any(|row| row[1] == NOT_CARRIED) {
        true => writeln!(
            out,
            "  {NOT_CARRIED}: a field of the transaction itself; decisions carry features"
        ),
        false => Ok(()),
    }
}

fn row(decision: &OwnedDecisionRecord, reason: &OwnedReason) -> [String; 4] {
    let value = decision.feature(&reason.name).map_or(NOT_CARRIED.to_owned(), value);
    let contribution = reason.contribution.unwrap_or_default();
    let text = match &reason.description {
        Some(text) => format!("{}: {text}", reason.code),
        None => reason.code.clone(),
    };
    [reason.name.clone(), value, format!("{contribution:+.4}"), text]
}

fn value(value: &FeatureValue) -> String {
    match value {
        FeatureValue::Null(()) => display::MISSING.to_owned(),
        FeatureValue::Bool(value) => display::yes_or_no(*value).to_owned(),
        FeatureValue::Int(value) => value.to_string(),
        FeatureValue::Float(value) => display::number(*value),
        FeatureValue::Text(value) => value.clone(),
        FeatureValue::List(values) => display::list(values.len()),
    }
}

/// Aligns names and reasons on the left, numbers on the right.
fn write_table(out: &mut String, rows: &[[String; 4]]) -> std::fmt::Result {
    let heads = ["input", "value", "contribution", "reason"];
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(heads[column].len())
    };
    let [first, second, third] = [width(0), width(1), width(2)];
    let rows = rows.iter().map(|row| row.each_ref().map(String::as_str));
    for [name, value, contribution, reason] in std::iter::once(heads).chain(rows) {
        writeln!(
            out,
            "  {name:first$}  {value:>second$}  {contribution:>third$}  {reason}"
        )?;
    }
    Ok(())
}
