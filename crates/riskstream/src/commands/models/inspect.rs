//! `riskstream models inspect`: what a model file holds, and why it cannot be used.

use super::load::{card_score, whole_message};
use crate::commands::error::CommandError;
use anyhow::anyhow;
use riskstream_definition::cards::Card;
use riskstream_models::{InputDescription, Inspection, LoadOptions, ModelDescription, ModelError, ScoreOutput};
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The ONNX file
    file: PathBuf,
    /// The output that is the score, such as `probabilities[1]`; by default that of the card, or the only one
    #[arg(long, value_name = "OUTPUT")]
    score: Option<ScoreOutput>,
}

pub(super) fn execute(args: &Args) -> Result<(), CommandError> {
    let card = Card::of(&args.file).map_err(|error| CommandError::Configuration(whole_message(error)))?;
    let options = LoadOptions {
        score: args.score.clone().or(card_score(card.as_ref())?),
        ..LoadOptions::default()
    };
    let inspection = Inspection::of_file(&args.file, &options).map_err(|error| inspection_error(&args.file, error))?;
    let report = InspectionReport {
        inspection: &inspection,
        card: card.as_ref(),
        file: &args.file,
    };
    print!("{report}");
    if inspection.problems.is_empty() {
        return Ok(());
    }
    let mut reasons = String::new();
    for problem in &inspection.problems {
        let _ = write!(reasons, "\n  {problem}");
    }
    Err(CommandError::Failed(anyhow!(
        "{} cannot be used:{reasons}",
        args.file.display()
    )))
}

/// A file that cannot be read is a wrong argument. A model that cannot be used is a result of the inspection.
fn inspection_error(file: &Path, error: ModelError) -> CommandError {
    match error {
        ModelError::Read { .. } => CommandError::Configuration(whole_message(error)),
        error => CommandError::Failed(anyhow!("{}: {error}", file.display())),
    }
}

/// An inspection as text: headings on the left, their values on the right.
struct InspectionReport<'a> {
    inspection: &'a Inspection,
    card: Option<&'a Card>,
    file: &'a Path,
}

impl fmt::Display for InspectionReport<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let description = &self.inspection.description;
        let outputs = description.outputs.iter();
        let outputs = outputs.map(|output| format!("{}: {}", output.name, output.elements));
        let operators = description.operators.iter();
        let operators = operators.map(|operator| format!("{} × {}", operator.nodes, operator.operator));
        let sets = description.operator_sets.iter();
        let sets: Vec<String> = sets.map(|(domain, version)| format!("{domain} {version}")).collect();
        writeln!(out, "{}", self.file.display())?;
        write_section(out, "inputs", description.inputs.iter().map(input))?;
        write_section(out, "outputs", outputs)?;
        write_section(out, "score", [description.score.as_deref().unwrap_or("open")])?;
        write_section(out, "operators", operators)?;
        write_section(out, "trees", [trees(description, self.inspection.tree_depth)])?;
        write_section(out, "versions", [sets.join(", ")])?;
        write_section(out, "producer", [&description.producer])?;
        write_section(out, "size", [format!("{} bytes", description.bytes)])?;
        write_section(out, "sha256", [&description.sha256])?;
        write_section(out, "card", [self.card.map_or("none".to_owned(), card_summary)])
    }
}

fn write_section<T: fmt::Display>(
    out: &mut fmt::Formatter<'_>,
    heading: &str,
    values: impl IntoIterator<Item = T>,
) -> fmt::Result {
    let headings = std::iter::once(heading).chain(std::iter::repeat(""));
    let mut lines = headings.zip(values);
    lines.try_for_each(|(heading, value)| writeln!(out, "  {heading:<10} {value}"))
}

fn input(input: &InputDescription) -> String {
    let columns = match input.columns {
        Some(1) => "1 column".to_owned(),
        Some(columns) => format!("{columns} columns"),
        None => "no fixed number of columns".to_owned(),
    };
    let shape: Vec<String> = input.axes.iter().map(usize::to_string).collect();
    let shape = match shape.len() {
        0 | 1 => String::new(),
        _ => format!(" ({})", shape.join(" × ")),
    };
    format!("{}: {}, {columns}{shape}", input.name, input.elements)
}

fn card_summary(card: &Card) -> String {
    format!("{} {}, {} golden rows", card.name, card.version, card.golden_rows.len())
}

fn trees(description: &ModelDescription, depth: Option<usize>) -> String {
    match (description.trees, depth) {
        (0, _) => "none".to_owned(),
        (trees, Some(depth)) => format!("{trees}, of depth {depth} at most, {} nodes", description.tree_nodes),
        (trees, None) => format!("{trees}, {} nodes", description.tree_nodes),
    }
}
