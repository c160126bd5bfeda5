//! `riskstream models verify`: whether models give the scores that their cards or a file say.

use super::load::{card_score, load, whole_message};
use super::score_file::{self, ScoreFile};
use crate::commands::error::CommandError;
use anyhow::anyhow;
use riskstream_definition::cards::{Card, verify};
use riskstream_models::Model;
use riskstream_offline::read::Source;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The ONNX files; the card of `fraud.onnx` is `fraud.card.yaml` in the same directory
    #[arg(required = true, value_name = "MODEL")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    scores: ScoreFile,
}

/// Verifies every model, also after one was refused.
pub(super) fn execute(args: &Args) -> Result<(), CommandError> {
    let mut refused = Vec::new();
    for file in &args.files {
        match verify_one(file, args) {
            Ok(report) => println!("{}: ok, {report}", file.display()),
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

/// What was verified.
fn verify_one(file: &Path, args: &Args) -> Result<String, CommandError> {
    let (model, card) = load_with_card(file)?;
    let card = card.ok_or_else(|| without_card(file))?;
    if let Some(report) = args.scores.verify(&model, &card)? {
        return Ok(report);
    }
    verify_golden(&model, &card).map(|verified| verified.text)
}

/// A model, and its card if it has one. The model is loaded with the card's score output.
///
/// # Errors
/// One of them cannot be read or used.
pub fn load_with_card(file: &Path) -> Result<(Model, Option<Card>), CommandError> {
    let card = Card::of(file).map_err(|error| CommandError::Failed(whole_message(error)))?;
    let model = load(file, card_score(card.as_ref())?)?;
    Ok((model, card))
}

/// A model has to be verified, or explained, that has no card.
pub fn without_card(file: &Path) -> CommandError {
    let path = Card::path(file);
    CommandError::Failed(anyhow!(
        "there is no card: write {}, or have `riskstream models card` write it",
        path.display()
    ))
}

/// What was verified.
pub struct VerifiedModel {
    /// The number of rows.
    pub rows: usize,
    /// The largest difference between a score and the one expected.
    pub largest_difference: f64,
    /// In words.
    pub text: String,
}

/// Verifies a model by the golden rows of its card.
///
/// # Errors
/// It does not match its card.
pub fn verify_golden(model: &Model, card: &Card) -> Result<VerifiedModel, CommandError> {
    let verified = verify(model, card).map_err(|error| CommandError::Failed(whole_message(error)))?;
    Ok(VerifiedModel {
        text: format!(
            "{} golden rows, at most {:.1e} from the card",
            verified.rows, verified.largest_difference
        ),
        rows: verified.rows,
        largest_difference: verified.largest_difference,
    })
}

/// Verifies a model by the scores in a column of `rows`.
///
/// # Errors
/// The rows cannot be read, or one has another score.
pub fn verify_scores(
    model: &Model,
    card: &Card,
    rows: &Source,
    score_column: &str,
) -> Result<VerifiedModel, CommandError> {
    let verified = score_file::verify_rows(model, card, rows, score_column)?;
    Ok(VerifiedModel {
        text: score_file::report(&verified, rows),
        rows: verified.rows,
        largest_difference: verified.largest_difference,
    })
}
