//! Golden rows: does the model still give the scores that it was exported with?

use super::{Card, CardError, GoldenRow, GoldenValue};
use riskstream_models::{Cell, ColumnKind, Model, ModelError};

/// All golden rows came out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verified {
    /// How many there are.
    pub rows: usize,
    /// The largest difference between a score and what the card says.
    pub largest_difference: f64,
}

/// Why a model is not the one that its card describes.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// The card contradicts the file.
    #[error(transparent)]
    Card(#[from] CardError),
    /// There is nothing to compare with.
    #[error("its card has no golden rows: there is nothing to verify; list rows and their scores under `golden_rows`")]
    NoRows,
    /// A row has the wrong number of values.
    #[error("golden row {row} has {found} values, the model takes {expected}")]
    Width {
        /// The row, counted from 1.
        row: usize,
        /// How many it has.
        found: usize,
        /// How many it needs.
        expected: usize,
    },
    /// A row has a text where the model takes a number, or the other way round.
    #[error("golden row {row}: the model takes a {expected} for {input}")]
    Kind {
        /// The row, counted from 1.
        row: usize,
        /// The name of the input; with sequences which value of the row.
        input: String,
        /// What it takes.
        expected: ColumnKind,
    },
    /// The model does not run on a row.
    #[error("golden row {row}: {error}")]
    Model {
        /// The row, counted from 1.
        row: usize,
        /// What it says.
        error: ModelError,
    },
    /// A score came out differently.
    #[error(
        "golden row {row} scores {found}, its card says {expected}: {difference:.1e} apart, {tolerance:e} is allowed"
    )]
    Score {
        /// The row, counted from 1.
        row: usize,
        /// What the model gave.
        found: f64,
        /// What the card says.
        expected: f64,
        /// By how much they differ.
        difference: f64,
        /// What is allowed.
        tolerance: f64,
    },
}

/// Compares the model's hash and width with its card, and scores the card's golden rows, each alone and all at once.
///
/// `model` must have been loaded with the card's score output.
///
/// # Errors
/// The first thing that does not fit.
pub fn verify(model: &Model, card: &Card) -> Result<Verified, Mismatch> {
    card.check(model)?;
    if card.golden_rows.is_empty() {
        return Err(Mismatch::NoRows);
    }
    let mut scorer = model.scorer();
    let (mut rows, mut scores) = (Vec::new(), Vec::new());
    let mut largest = 0f64;
    for (row, golden) in (1..).zip(&card.golden_rows) {
        let first = rows.len();
        encode(model, card, golden, row, &mut rows)?;
        scorer
            .score(&rows[first..], &mut scores)
            .map_err(|error| Mismatch::Model { row, error })?;
        largest = largest.max(compare(card, row, golden, scores[0])?);
    }
    scorer
        .score(&rows, &mut scores)
        .map_err(|error| Mismatch::Model { row: 1, error })?;
    for ((row, golden), &score) in (1..).zip(&card.golden_rows).zip(&scores) {
        largest = largest.max(compare(card, row, golden, score)?);
    }
    Ok(Verified {
        rows: card.golden_rows.len(),
        largest_difference: largest,
    })
}

fn encode(model: &Model, card: &Card, golden: &GoldenRow, row: usize, rows: &mut Vec<f32>) -> Result<(), Mismatch> {
    if golden.inputs.len() != model.input_width() {
        return Err(Mismatch::Width {
            row,
            found: golden.inputs.len(),
            expected: model.input_width(),
        });
    }
    let cells: Vec<Cell<'_>> = golden.inputs.iter().map(|value| cell(value.as_ref())).collect();
    model.encode(&cells, rows).map_err(|error| match error {
        ModelError::Cell { column, expected } => Mismatch::Kind {
            row,
            input: match card.sequences.is_empty() {
                true => format!("`{}`", card.inputs[column]),
                false => format!("value {}", column + 1),
            },
            expected,
        },
        error => Mismatch::Model { row, error },
    })
}

fn cell(value: Option<&GoldenValue>) -> Cell<'_> {
    match value {
        Some(GoldenValue::Number(number)) => Cell::Number(*number as f32),
        Some(GoldenValue::Truth(truth)) => Cell::Number(f32::from(u8::from(*truth))),
        Some(GoldenValue::Text(text)) => Cell::Text(text),
        None => Cell::Missing,
    }
}

/// How far apart score and card are; an error when it is too far, or not a number.
fn compare(card: &Card, row: usize, golden: &GoldenRow, score: f32) -> Result<f64, Mismatch> {
    let difference = (f64::from(score) - golden.score).abs();
    if difference <= card.tolerance {
        return Ok(difference);
    }
    Err(Mismatch::Score {
        row,
        found: f64::from(score),
        expected: golden.score,
        difference,
        tolerance: card.tolerance,
    })
}
