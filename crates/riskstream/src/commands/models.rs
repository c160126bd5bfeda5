//! `riskstream models`: inspects model files, and verifies them against their cards.

use super::error::CommandError;
use anyhow::{Context, anyhow};
use riskstream_definition::cards::{Card, Verified, verify};
use riskstream_models::{InputDescription, Inspection, LoadOptions, Model, ModelDescription, ModelError, ScoreOutput};
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

/// The arguments of `riskstream models`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Print the contents of a model file: inputs, outputs, score, operators, trees, hash
    Inspect(InspectArgs),
    /// Compare model files with their cards: hash, number of inputs, scores of the golden rows
    Verify(VerifyArgs),
}

#[derive(clap::Args)]
struct InspectArgs {
    /// The ONNX file
    file: PathBuf,
    /// The output that is the score, such as `probabilities[1]`; by default that of the card, or the only one
    #[arg(long, value_name = "OUTPUT")]
    score: Option<ScoreOutput>,
}

#[derive(clap::Args)]
struct VerifyArgs {
    /// The ONNX files; the card of `fraud.onnx` is `fraud.card.yaml` in the same directory
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Inspects or verifies.
///
/// # Errors
/// A file cannot be read, a model cannot be used, or a model differs from its card.
pub fn execute(args: Args) -> Result<(), CommandError> {
    match args.action {
        Action::Inspect(args) => inspect(&args),
        Action::Verify(args) => verify_all(&args.files),
    }
}

fn inspect(args: &InspectArgs) -> Result<(), CommandError> {
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

fn card_score(card: Option<&Card>) -> Result<Option<ScoreOutput>, CommandError> {
    let parsed = card.map(|card| card.score.output.parse()).transpose();
    parsed.context("the model's card").map_err(CommandError::Configuration)
}

/// A file that cannot be read is a wrong argument. A model that cannot be used is a result of the inspection.
fn inspection_error(file: &Path, error: ModelError) -> CommandError {
    match error {
        ModelError::Read { .. } => CommandError::Configuration(whole_message(error)),
        error => CommandError::Failed(anyhow!("{}: {error}", file.display())),
    }
}

/// An error without its causes, for types whose message already contains them.
fn whole_message(error: impl fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
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

/// Verifies every file, also after one was refused.
fn verify_all(files: &[PathBuf]) -> Result<(), CommandError> {
    let mut refused = Vec::new();
    for file in files {
        match verify_one(file) {
            Ok(Verified {
                rows,
                largest_difference,
            }) => println!(
                "{}: ok, {rows} golden rows, at most {largest_difference:.1e} from the card",
                file.display()
            ),
            Err(CommandError::Failed(error)) => refused.push(format!("{}: {error:#}", file.display())),
            Err(failure) => return Err(failure),
        }
    }
    match refused.len() {
        0 => Ok(()),
        1 => Err(CommandError::Failed(anyhow!("{}", refused.remove(0)))),
        many => Err(CommandError::Failed(anyhow!(
            "{many} models are refused:\n  {}",
            refused.join("\n  ")
        ))),
    }
}

fn verify_one(file: &Path) -> Result<Verified, CommandError> {
    let card = Card::of(file).map_err(|error| CommandError::Failed(whole_message(error)))?;
    let options = LoadOptions {
        score: card_score(card.as_ref())?,
        ..LoadOptions::default()
    };
    let model = Model::load(file, &options).map_err(|error| match error {
        ModelError::Read { .. } => CommandError::Configuration(whole_message(error)),
        error => CommandError::Failed(whole_message(error)),
    })?;
    let card = card.ok_or_else(|| anyhow!("there is no card: write {}", Card::path(file).display()))?;
    verify(&model, &card).map_err(|error| CommandError::Failed(whole_message(error)))
}
