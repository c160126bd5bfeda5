//! The scores of a file, in place of the golden rows of a card.

use super::load::whole_message;
use super::rows::RowFile;
use crate::commands::error::CommandError;
use anyhow::anyhow;
use riskstream_definition::cards::{Card, Verified, Verifier};
use riskstream_models::Model;
use riskstream_offline::read::ENDINGS;
use std::path::{Path, PathBuf};

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
        let Some(rows) = &self.rows else { return Ok(None) };
        card.check(model)
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
            score: Some(&self.score_column),
        };
        let mut verifier = Verifier::new(model, &card.inputs, card.tolerance, "the file");
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
        report(&verifier.finish(), rows, card.tolerance).map(Some)
    }
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
