//! An audit of a decision as text.

use super::table::{Align, write_table};
use indicatif::HumanCount;
use riskstream_definition::{Compiled, duration};
use riskstream_offline::audit::{
    AuditReport, AuditedDecision, AuditedFeature, AuditedRule, AuditedScore, AuditedStage, AuditedWindow,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Events of a window that are shown. The JSON report has all.
const SHOWN: usize = 50;
/// Features beside each other.
const BESIDE: usize = 6;
/// Shown in place of a value that does not count.
const NOT_COUNTED: &str = "·";

/// The report as text for a terminal.
pub(in crate::commands::replay) fn text(report: &AuditReport, compiled: &Compiled) -> String {
    let mut out = String::new();
    for note in &report.notes {
        let _ = writeln!(out, "note: {note}");
    }
    let many = report.decisions.len();
    for (number, decision) in report.decisions.iter().enumerate() {
        if number > 0 || !report.notes.is_empty() {
            out.push('\n');
        }
        if many > 1 {
            let _ = writeln!(out, "{} of {many} decisions on {}", number + 1, report.event_id);
        }
        write_decision(&mut out, report, decision, compiled);
    }
    for recorded in &report.not_made_again {
        let _ = writeln!(
            out,
            "\n{}[{}], offset {}: recorded, and not made again",
            compiled.decisions, recorded.partition, recorded.offset
        );
    }
    let _ = match report.is_confirmed {
        true => writeln!(out, "\nconfirmed"),
        false => writeln!(out, "\nNOT CONFIRMED"),
    };
    out
}

fn write_decision(out: &mut String, report: &AuditReport, audited: &AuditedDecision, compiled: &Compiled) {
    let decision = &audited.decision;
    let _ = writeln!(out, "decision {} on {}", report.decision_id, report.event_id);
    let mut facts: Vec<Vec<String>> = Vec::new();
    let mut fact = |name: &str, text: String| facts.push(vec![name.to_owned(), text]);
    fact("event time", time(&decision.event_time));
    fact("outcome", decision.outcome.clone());
    if let Some(score) = decision.score {
        fact("score", score.to_string());
    }
    if !decision.flags.is_empty() {
        fact("flags", decision.flags.join(", "));
    }
    fact(
        "pipeline",
        format!("{}, version {}", decision.pipeline, decision.pipeline_version),
    );
    fact(
        "roll-out",
        match decision.rollout {
            0 => "none: as the pipeline file says".to_owned(),
            revision => format!("revision {revision}"),
        },
    );
    for list in &audited.lists {
        let offset = list.offset.map_or("not from a topic".to_owned(), |offset| {
            format!("the records of {} before offset {offset}", list.topic)
        });
        fact("list", format!("{}: {offset}", list.list));
    }
    let recorded = match &audited.recorded {
        Some(recorded) => format!(
            "{}[{}], offset {}",
            compiled.decisions, recorded.partition, recorded.offset
        ),
        None => "no".to_owned(),
    };
    fact("recorded", recorded);
    fact(
        "made again",
        match audited.is_identical {
            true => "identical to the last bit, but for latency stamps".to_owned(),
            false => "DIFFERENT".to_owned(),
        },
    );
    write_table(out, &[Align::Left, Align::Left], &facts);
    write_differences(out, audited);
    for stage in &audited.stages {
        write_stage(out, stage);
    }
    write_expressions(out, audited);
    write_rules(out, &audited.rules);
    if let Some(score) = &audited.score {
        write_score(out, score);
    }
}

fn write_differences(out: &mut String, audited: &AuditedDecision) {
    if audited.differences.is_empty() {
        return;
    }
    let mut rows = vec![row(["field", "recorded", "made again"])];
    let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
    let differences = audited.differences.iter();
    rows.extend(differences.map(|difference| {
        vec![
            difference.field.clone(),
            side(&difference.recorded),
            side(&difference.again),
        ]
    }));
    out.push('\n');
    write_table(out, &[Align::Left; 3], &rows);
}

fn write_stage(out: &mut String, stage: &AuditedStage) {
    let key = stage.key.as_deref().unwrap_or("no key");
    let _ = writeln!(out, "\n{} {key}", stage.entity);
    if let Some(why) = &stage.left_out {
        let _ = writeln!(out, "  its windows are not listed: {why}");
    }
    if stage.is_duplicate {
        let _ = writeln!(
            out,
            "  sent before: its features are those of the first transaction with this id"
        );
    }
    if stage.is_too_late {
        let _ = writeln!(out, "  too late to be remembered: later transactions do not count it");
    }
    for window in &stage.windows {
        write_window(out, window);
    }
}

fn write_window(out: &mut String, window: &AuditedWindow) {
    let mut what = window.input.clone();
    let _ = match window.width_seconds {
        Some(width) => write!(what, ", window {}", seconds(width)),
        None => write!(what, ", no window"),
    };
    if window.delay_seconds > 0.0 {
        let _ = write!(what, ", delay {}", seconds(window.delay_seconds));
    }
    let after = window.after.as_deref().map(|after| format!("after {}, ", time(after)));
    let _ = writeln!(
        out,
        "\n  {what}: {}up to {}{}",
        after.unwrap_or_default(),
        time(&window.through),
        match window.holds_itself {
            true => ", this one included",
            false => "",
        }
    );
    if window.is_cut {
        let _ = writeln!(
            out,
            "  it begins or ends later than its width says: the transaction came late, and older events may be gone"
        );
    }
    for feature in &window.features {
        let _ = writeln!(out, "    {} = {}", feature.name, arithmetic(feature));
    }
    for features in window.features.chunks(BESIDE) {
        write_events(out, window, features);
    }
}

fn arithmetic(feature: &AuditedFeature) -> String {
    let mut text = feature.aggregation.to_owned();
    if let Some((name, value)) = feature.parameter {
        let value = match name {
            "half_life_seconds" => seconds(value),
            _ => value.to_string(),
        };
        let _ = write!(
            text,
            " ({} {value})",
            name.trim_end_matches("_seconds").replace('_', " ")
        );
    }
    if let Some(of) = &feature.of {
        let _ = write!(text, " of {of}");
    }
    if let Some(when) = &feature.when {
        let _ = write!(text, ", when {when}");
    }
    text
}

fn write_events(out: &mut String, window: &AuditedWindow, features: &[AuditedFeature]) {
    let mut columns = vec![Align::Left, Align::Left];
    columns.extend(features.iter().map(|_| Align::Right));
    let with = |first: &str, second: &str, cells: &dyn Fn(&AuditedFeature) -> String| {
        let mut row = vec![first.to_owned(), second.to_owned()];
        row.extend(features.iter().map(cells));
        row
    };
    let mut rows = vec![with("event time", "id", &|feature| feature.name.clone())];
    let hidden = window.events.len().saturating_sub(SHOWN);
    if hidden > 0 {
        let earlier = format!("{} earlier ones", HumanCount(hidden as u64));
        rows.push(with(&earlier, "", &|_| "…".to_owned()));
    }
    for (index, event) in window.events.iter().enumerate().skip(hidden) {
        rows.push(with(
            &time(&event.time),
            &event.id,
            &|feature| match &feature.entered[index] {
                Value::Null => NOT_COUNTED.to_owned(),
                value => words(value),
            },
        ));
    }
    rows.push(with("from these events", "", &|feature| words(&feature.from_events)));
    rows.push(with("from the state", "", &|feature| words(&feature.from_state)));
    if features.iter().any(|feature| feature.decided_on != feature.from_state) {
        rows.push(with("decided on", "", &|feature| words(&feature.decided_on)));
    }
    rows.push(with("recorded", "", &|feature| {
        feature.recorded.as_ref().map_or("not in it".to_owned(), words)
    }));
    if features.iter().any(|feature| !feature.is_confirmed) {
        rows.push(with("", "", &|feature| match feature.is_confirmed {
            true => String::new(),
            false => "DIFFERENT".to_owned(),
        }));
    }
    write_table(out, &columns, &rows);
    if hidden > 0 {
        let _ = writeln!(out, "  --json lists all events");
    }
}

fn write_expressions(out: &mut String, audited: &AuditedDecision) {
    if audited.expressions.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nexpressions");
    let mut rows = vec![row(["name", "value", "expression", "what it read"])];
    rows.extend(audited.expressions.iter().map(|expression| {
        vec![
            expression.name.clone(),
            words(&expression.value),
            expression.expression.clone(),
            read(&expression.read),
        ]
    }));
    write_table(out, &[Align::Left; 4], &rows);
}

fn write_rules(out: &mut String, rules: &[AuditedRule]) {
    if rules.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nrules and thresholds");
    let mut table = vec![row(["rule", "outcome", "", "condition", "what it read"])];
    table.extend(rules.iter().map(|rule| {
        let fired = match (rule.fired, rule.holds) {
            (true, _) if rule.mode == "shadow" => "would have fired",
            (true, _) => "fired",
            (false, true) => "holds, did not fire",
            (false, false) => "no",
        };
        vec![
            rule.name.clone(),
            rule.outcome.clone(),
            fired.to_owned(),
            rule.when.clone(),
            read(&rule.read),
        ]
    }));
    write_table(out, &[Align::Left; 5], &table);
}

fn write_score(out: &mut String, score: &AuditedScore) {
    let number = |score: Option<f64>| score.map_or("none".to_owned(), |score| score.to_string());
    let by = score.model.as_deref().or(score.asked.as_deref()).unwrap_or("no model");
    let _ = writeln!(out, "\nscore {} by {by}", number(score.score));
    if let Some(sha256) = &score.sha256 {
        let _ = writeln!(out, "  the model file's SHA-256 is {sha256}");
    }
    if let Some(failure) = score.failure {
        let asked = score.asked.as_deref().unwrap_or_default();
        let _ = writeln!(out, "  {asked} was asked first and gave none: {failure}");
    }
    for (model, shadow) in &score.shadows {
        let _ = writeln!(out, "  shadow {model}: {}", number(*shadow));
    }
    let Some(space) = &score.space else {
        let _ = writeln!(out, "  contributions: the pipeline explains no decisions");
        return;
    };
    let mut rows = vec![row(["input", "value", "contribution"])];
    rows.push(vec![
        "baseline".to_owned(),
        String::new(),
        score
            .baseline
            .map_or(String::new(), |baseline| format!("{baseline:+.6}")),
    ]);
    let mut sum = score.baseline.unwrap_or(0.0);
    for contribution in &score.contributions {
        sum += contribution.contribution;
        rows.push(vec![
            contribution.input.clone(),
            words(&contribution.value),
            format!("{:+.6}", contribution.contribution),
        ]);
    }
    rows.push(vec![format!("sum, as {space}"), String::new(), format!("{sum:+.6}")]);
    write_table(out, &[Align::Left, Align::Right, Align::Right], &rows);
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn read(read: &BTreeMap<String, Value>) -> String {
    let read = read.iter().map(|(name, value)| format!("{name} = {}", words(value)));
    read.collect::<Vec<_>>().join(", ")
}

/// A value as it is, without quotes.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => time(text),
        Value::Array(values) => format!("[{}]", values.iter().map(words).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A time without a fraction of zeros; any other text as it is.
fn time(text: &str) -> String {
    let is_time = riskstream_events::time::parse(text).is_some();
    match text.strip_suffix("Z").and_then(|text| text.split_once('.')) {
        Some((seconds, fraction)) if is_time && fraction.bytes().all(|digit| digit == b'0') => format!("{seconds}Z"),
        _ => text.to_owned(),
    }
}

fn seconds(seconds: f64) -> String {
    duration::text((seconds * 1e6).round() as i64)
}
