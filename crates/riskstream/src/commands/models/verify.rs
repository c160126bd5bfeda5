//! `riskstream models verify`: whether models give the scores that their cards or a file say.

use super::load::{card_score, load, whole_message};
use super::score_file::ScoreFile;
use crate::commands::error::CommandError;
use anyhow::anyhow;
use riskstream_definition::cards::{Card, verify};
use riskstream_models::Model;
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
    if let Some(report) = args.scores.verify(&model, &card)? {
        return Ok(report);
    }
    let verified = verify(&model, &card).map_err(|error| CommandError::Failed(whole_message(error)))?;
    Ok(format!(
        "{} golden rows, at most {:.1e} from the card",
        verified.rows, verified.largest_difference
    ))
}

fn load_with_card(file: &Path) -> Result<(Model, Card), CommandError> {
    let card = Card::of(file).map_err(|error| CommandError::Failed(whole_message(error)))?;
    let model = load(file, card_score(card.as_ref())?)?;
    let card = card.ok_or_else(|| {
        let path = Card::path(file);
        anyhow!(
            "there is no card: write {}, or have `riskstream models card` write it",
            path.display()
        )
    })?;
    Ok((model, card))
}
