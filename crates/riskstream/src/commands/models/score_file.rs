//! The scores of a file, in place of the golden rows of a card.

use super::load::whole_message;
use super::rows::RowFile;
use crate::commands::error::CommandError;
use anyhow::anyhow;
use riskstream_definition::cards::{Card, Verified, Verifier};
use riskstream_models::Model;
use riskstream_offline::read::{ENDINGS, Source};
use std::path::PathBuf;

/// Rows that are scored at a time.
const BATCH: usize = 1024;

#[derive(clap::Args)]
pub(super) struct ScoreFile {
    #[arg(long, value_name = "FILE", help = format!(
        "Compare with the scores in this file instead of the golden rows: it has a column for each input of the card \
         and one for the score. Its name ends in {ENDINGS}"
    ))]
    rows: Option<PathBuf>,
    /// The column of FILE that holds the scores of the exporting library
    #[arg(long, value_name = "NAME", default_value = "score", requires = "rows")]
    score_column: String,
}

impl ScoreFile {
    /// Compares the scores of all rows of the file, if one was given, and returns what was found.
    pub fn verify(&self, model: &Model, card: &Card) -> Result<Option<String>, CommandError> {
        match &self.rows {
            None => Ok(None),
            Some(rows) => {
                let rows = Source::File(rows.clone());
                let verified = verify_rows(model, card, &rows, &self.score_column)?;
                Ok(Some(report(&verified, &rows)))
            }
        }
    }
}

/// Compares the scores of all rows with those in a column beside them.
///
/// # Errors
/// The rows cannot be read, or one has another score.
pub(super) fn verify_rows(
    model: &Model,
    card: &Card,
    rows: &Source,
    score_column: &str,
) -> Result<Verified, CommandError> {
    card.check(model)
        .map_err(|error| CommandError::Failed(whole_message(error)))?;
    if !card.sequences.is_empty() {
        return Err(CommandError::Failed(anyhow!(
            "a file cannot hold the sequences of this model: list rows under `golden_rows` of its card"
        )));
    }
    let table = RowFile {
        source: rows,
        inputs: &card.inputs,
        kinds: model.columns(),
        score: Some(score_column),
    };
    let mut verifier = Verifier::new(model, &card.inputs, card.tolerance, "the file");
    table.read(&mut |row, score| {
        verifier
            .push(&row, score)
            .map_err(|mismatch| CommandError::Failed(anyhow!("{rows}: {mismatch}")))?;
        if verifier.batch() == BATCH {
            verifier.score_batch();
        }
        Ok(())
    })?;
    verifier.score_batch();
    let verified = verifier.finish();
    match &verified.first {
        None => Ok(verified),
        Some(first) => Err(CommandError::Failed(anyhow!(
            "{} of {} rows of {rows} have another score, {:e} is allowed, at most {:.1e} apart; the first: {first}",
            verified.differing,
            verified.rows,
            card.tolerance,
            verified.largest_difference
        ))),
    }
}

/// What was verified, in words.
pub(super) fn report(verified: &Verified, rows: &Source) -> String {
    format!(
        "{} rows of {rows}, at most {:.1e} from its scores",
        verified.rows, verified.largest_difference
    )
}
