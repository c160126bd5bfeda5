//! `riskstream explain`: why decisions are what they are, as a table.

use super::Failure;
use anyhow::{Context, anyhow};
use riskstream_events::{FeatureValue, OwnedDecision, OwnedReason};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

/// The arguments of `riskstream explain`.
#[derive(clap::Args)]
pub struct Args {
    /// Decisions as JSON, one a line, as the demo writes them; standard input unless given
    decisions: Option<PathBuf>,
    /// The event or decision to explain; all decisions that carry contributions unless given
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// Prints the explanations.
pub fn execute(args: &Args) -> Result<(), Failure> {
    let (name, lines): (String, Box<dyn BufRead>) = match &args.decisions {
        Some(path) => {
            let file = File::open(path).with_context(|| format!("cannot read {}", path.display()));
            (
                path.display().to_string(),
                Box::new(BufReader::new(file.map_err(Failure::Configuration)?)),
            )
        }
        None => ("standard input".to_owned(), Box::new(io::stdin().lock())),
    };
    let mut out = io::stdout().lock();
    let mut found = false;
    for (line, number) in lines.lines().zip(1..) {
        let line = line.with_context(|| format!("cannot read {name}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let decision = OwnedDecision::from_json(line.as_bytes())
            .with_context(|| format!("{name}, line {number}: this is no decision"))?;
        let is_wanted = match &args.id {
            Some(id) => *id == decision.event_id || *id == decision.decision_id,
            None => decision.reasons.iter().any(|reason| reason.contribution.is_some()),
        };
        if !is_wanted {
            continue;
        }
        let blank = if found { "\n" } else { "" };
        found = true;
        match write!(out, "{blank}{}", explanation(&decision)) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("cannot write to standard output")?,
        }
    }
    match &args.id {
        _ if found => Ok(()),
        Some(id) => Err(Failure::Failed(anyhow!("{name} holds no decision on {id}"))),
        None => Err(Failure::Failed(anyhow!(
            "{name} holds no decision with contributions: `explain:` in the pipeline file says which get them"
        ))),
    }
}

/// What was decided, which rules fired, and what moved the score.
pub fn explanation(decision: &OwnedDecision) -> String {
    let mut text = String::new();
    write_explanation(&mut text, decision).expect("writing to a string");
    text
}

fn write_explanation(out: &mut String, decision: &OwnedDecision) -> std::fmt::Result {
    let score = decision
        .score
        .map_or("no score".to_owned(), |score| format!("score {score:.4}"));
    let model = decision.model.as_ref();
    let model = model.map_or(String::new(), |model| format!(" by {} {}", model.name, model.version));
    writeln!(
        out,
        "{}  {}  {}, {score}{model}",
        decision.event_id,
        decision.event_time,
        decision.outcome.as_str()
    )?;
    let (fired, features): (Vec<_>, Vec<_>) = decision
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
            reason.outcome.as_str(),
            reason.name,
            reason.code
        )?;
    }
    if features.is_empty() {
        return writeln!(out, "  what moved the score is not in this decision");
    }
    let rows = features.iter().map(|reason| row(decision, reason));
    table(
        out,
        &std::iter::once(["feature", "value", "contribution"].map(str::to_owned))
            .chain(rows)
            .collect::<Vec<_>>(),
    )
}

fn row(decision: &OwnedDecision, reason: &OwnedReason) -> [String; 3] {
    let value = decision.feature(&reason.name).map_or("".to_owned(), value);
    let contribution = reason.contribution.unwrap_or_default();
    [reason.name.clone(), value, format!("{contribution:+.4}")]
}

fn value(value: &FeatureValue) -> String {
    match value {
        FeatureValue::Null(()) => "missing".to_owned(),
        FeatureValue::Bool(value) => value.to_string(),
        FeatureValue::Int(value) => value.to_string(),
        FeatureValue::Float(value) => format!("{value:.4}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        FeatureValue::Text(value) => value.clone(),
        FeatureValue::List(values) => format!("{} values", values.len()),
    }
}

/// The first column to the left, the others to the right.
fn table(out: &mut String, rows: &[[String; 3]]) -> std::fmt::Result {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [first, second, third] = [width(0), width(1), width(2)];
    for [name, value, contribution] in rows {
        writeln!(out, "  {name:first$}  {value:>second$}  {contribution:>third$}")?;
    }
    Ok(())
}
