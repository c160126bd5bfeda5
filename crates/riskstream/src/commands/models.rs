//! `riskstream models`: looking into model files, and verifying them against their cards.

use super::CommandError;
use anyhow::{Context, anyhow};
use riskstream_definition::card::{Card, Verified, verify};
use riskstream_models::{Inspection, LoadOptions, Model, ModelDescription, ModelError, ScoreOutput};
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
    /// Print what is in a model file: inputs, outputs, operators, trees, hash, what is the score
    Inspect(Inspect),
    /// Compare model files with their cards: hash, number of inputs, the scores of the golden rows
    Verify(Verify),
}

#[derive(clap::Args)]
struct Inspect {
    /// The ONNX file
    file: PathBuf,
    /// Which output is the score, such as `probabilities[1]`; unless given, what the card says, or the only one
    #[arg(long, value_name = "OUTPUT")]
    score: Option<ScoreOutput>,
}

#[derive(clap::Args)]
struct Verify {
    /// The ONNX files, each with its card beside it: `fraud.card.yaml` for `fraud.onnx`
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Inspects or verifies.
///
/// # Errors
/// A file cannot be read; a model cannot be used, or is not what its card says.
pub fn execute(args: &Args) -> Result<(), CommandError> {
    match &args.action {
        Action::Inspect(inspect) => self::inspect(inspect),
        Action::Verify(verify) => verify_all(&verify.files),
    }
}

fn inspect(args: &Inspect) -> Result<(), CommandError> {
    let card = Card::of(&args.file).map_err(|error| CommandError::Configuration(told(error)))?;
    let options = LoadOptions {
        score: args.score.clone().or(card_score(card.as_ref())?),
        ..LoadOptions::default()
    };
    let inspection = Inspection::of_file(&args.file, &options).map_err(|error| failure(&args.file, error))?;
    print!("{}", Shown(&inspection, card.as_ref(), &args.file));
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

/// A file that cannot be read is a wrong argument; one that cannot be used is what we were asked to find out.
fn failure(file: &Path, error: ModelError) -> CommandError {
    match error {
        ModelError::Read { .. } => CommandError::Configuration(told(error)),
        error => CommandError::Failed(anyhow!("{}: {error}", file.display())),
    }
}

/// An error whose message already tells its cause.
fn told(error: impl fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}

/// An inspection as it is printed: a heading a line, what belongs to it below each other.
struct Shown<'a>(&'a Inspection, Option<&'a Card>, &'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown(inspection, card, file) = self;
        let description = &inspection.description;
        writeln!(formatter, "{}", file.display())?;
        let mut line = |heading: &str, text: &str| writeln!(formatter, "  {heading:<10} {text}");
        for (position, input) in description.inputs.iter().enumerate() {
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
            let text = format!("{}: {}, {columns}{shape}", input.name, input.elements);
            line(if position == 0 { "inputs" } else { "" }, &text)?;
        }
        for (position, output) in description.outputs.iter().enumerate() {
            let text = format!("{}: {}", output.name, output.elements);
            line(if position == 0 { "outputs" } else { "" }, &text)?;
        }
        line("score", description.score.as_deref().unwrap_or("open"))?;
        for (position, operator) in description.operators.iter().enumerate() {
            let text = format!("{} × {}", operator.nodes, operator.operator);
            line(if position == 0 { "operators" } else { "" }, &text)?;
        }
        line("trees", &trees(description, inspection.tree_depth))?;
        let sets = description.operator_sets.iter();
        let sets: Vec<String> = sets.map(|(domain, version)| format!("{domain} {version}")).collect();
        line("versions", &sets.join(", "))?;
        line("producer", &description.producer)?;
        line("size", &format!("{} bytes", description.bytes))?;
        line("sha256", &description.sha256)?;
        match card {
            Some(card) => {
                let (name, version, rows) = (&card.name, &card.version, card.golden_rows.len());
                line("card", &format!("{name} {version}, {rows} golden rows"))
            }
            None => line("card", "none"),
        }
    }
}

fn trees(description: &ModelDescription, depth: Option<usize>) -> String {
    match (description.trees, depth) {
        (0, _) => "none".to_owned(),
        (trees, Some(depth)) => format!("{trees}, of depth {depth} at most, {} nodes", description.tree_nodes),
        (trees, None) => format!("{trees}, {} nodes", description.tree_nodes),
    }
}

/// Verifies every file, whatever comes of the others.
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
    let card = Card::of(file).map_err(|error| CommandError::Failed(told(error)))?;
    let options = LoadOptions {
        score: card_score(card.as_ref())?,
        ..LoadOptions::default()
    };
    let model = Model::load(file, &options).map_err(|error| match error {
        ModelError::Read { .. } => CommandError::Configuration(told(error)),
        error => CommandError::Failed(told(error)),
    })?;
    let card = card.ok_or_else(|| anyhow!("there is no card: write {}", Card::path(file).display()))?;
    verify(&model, &card).map_err(|error| CommandError::Failed(told(error)))
}
