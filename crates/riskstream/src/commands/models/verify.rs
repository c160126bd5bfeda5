//! `riskstream models verify`: whether models give the scores that their cards or a file say.

use super::load::{card_score, load, whole_message};
use super::rows::RowFile;
use crate::commands::error::CommandError;
use anyhow::anyhow;
use riskstream_definition::cards::{Card, Verified, Verifier, verify};
use riskstream_models::Model;
use std::path::{Path, PathBuf};

/// Rows that are scored at a time.
const BATCH: usize = 1024;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The ONNX files; the card of `fraud.onnx` is `fraud.card.yaml` in the same directory
    #[arg(required = true, value_name = "MODEL")]
    files: Vec<PathBuf>,
    /// Compare with the scores in this file instead of the golden rows: JSON Lines, CSV or Parquet with a column for
    /// each input of the card and one for the score
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,
    /// The column of FILE that holds the scores of the exporting library
    #[arg(long, value_name = "NAME", default_value = "score", requires = "rows")]
    score_column: String,
}

/// Verifies every model, also after one was refused.
pub(super) fn execute(args: &Args) -> Result<(), CommandError> {
    let mut refused = Vec::new();
    for file in &args.files {
        let verified = match &args.rows {
            None => against_card(file),
            Some(rows) => against_file(file, rows, &args.score_column),
        };
        match verified {
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

fn against_card(file: &Path) -> Result<String, CommandError> {
    let (model, card) = load_with_card(file)?;
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

/// Compares the scores of all rows of a file.
fn against_file(file: &Path, rows: &Path, score_column: &str) -> Result<String, CommandError> {
    let (model, card) = load_with_card(file)?;
    card.check(&model)
        .map_err(|error| CommandError::Failed(whole_message(error)))?;
    if !card.sequences.is_empty() {
        return Err(CommandError::Failed(anyhow!(
            "a file cannot hold the sequences of this model: list rows under `golden_rows` of its card"
        )));
    }
    let table = RowFile {
        path: rows,
        inputs: &card.inputs,
        kinds: model.columns(),
        score: Some(score_column),
    };
    let mut verifier = Verifier::new(&model, &card.inputs, card.tolerance, "the file");
    table.read(&mut |row, score| {
        verifier
            .push(&row, score)
            .map_err(|mismatch| CommandError::Failed(anyhow!("{}: {mismatch}", rows.display())))?;
        if verifier.batch() == BATCH {
            verifier.score_batch();
        }
        Ok(())
    })?;
    verifier.score_batch();
    report(&verifier.finish(), rows, card.tolerance)
}

fn report(verified: &Verified, rows: &Path, tolerance: f64) -> Result<String, CommandError> {
    let Verified {
        rows: count,
        differing,
        largest_difference,
        first,
    } = verified;
    match first {
        None => Ok(format!(
            "{count} rows of {}, at most {largest_difference:.1e} from its scores",
            rows.display()
        )),
        Some(first) => Err(CommandError::Failed(anyhow!(
            "{differing} of {count} rows of {} have another score, {tolerance:e} is allowed, at most \
             {largest_difference:.1e} apart; the first: {first}",
            rows.display()
        ))),
    }
}
