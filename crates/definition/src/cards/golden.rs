//! Golden rows: whether the model gives the scores that it had when it was exported.

use super::card::{Card, GoldenRow, GoldenValue};
use super::error::CardError;
use riskstream_models::{Cell, ColumnKind, Model, ModelError};

/// The result if all golden rows have their scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verified {
    /// The number of golden rows.
    pub rows: usize,
    /// The largest difference between a score and the card's.
    pub largest_difference: f64,
}

/// Why a model does not match its card.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// The card does not match the model file.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The card has no golden rows.
    #[error("its card has no golden rows to verify; list rows and their scores under `golden_rows`")]
    NoRows,
    /// A row has the wrong number of values.
    #[error("golden row {row} has {found} values, the model takes {expected}")]
    Width {
        /// The row, counted from 1.
        row: usize,
        /// The number of its values.
        found: usize,
        /// The number of the model's columns.
        expected: usize,
    },
    /// A row has a text in a column of numbers, or a number in a column of texts.
    #[error("golden row {row}: the model takes a {expected} for {input}")]
    Kind {
        /// The row, counted from 1.
        row: usize,
        /// The name of the input; of a card with sequences, the number of the value.
        input: String,
        /// What the column takes.
        expected: ColumnKind,
    },
    /// The model fails on a row.
    #[error("golden row {row}: {error}")]
    Model {
        /// The row, counted from 1.
        row: usize,
        /// The model's error.
        error: ModelError,
    },
    /// A score differs from the card's.
    #[error(
        "golden row {row} scores {found}, its card says {expected}: {difference:.1e} apart, {tolerance:e} is allowed"
    )]
    Score {
        /// The row, counted from 1.
        row: usize,
        /// The model's score.
        found: f64,
        /// The card's score.
        expected: f64,
        /// Their difference.
        difference: f64,
        /// The card's tolerance.
        tolerance: f64,
    },
}

/// Checks the card against the model, and scores its golden rows, each alone and all in one batch.
///
/// `model` must have been loaded with the card's score output.
///
/// # Errors
/// The first mismatch.
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

/// The difference between a score and the card's; an error if it exceeds the tolerance or is NaN.
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
