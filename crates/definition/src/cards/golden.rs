//! Compares a model's scores with those that it had when it was exported: of a card's golden rows, or of a file.

use super::card::Card;
use super::error::CardError;
use super::row::{InputValue, RowError, encode_row};
use riskstream_models::{Model, ModelError, Scorer};

/// The result of scoring rows with known scores.
#[derive(Debug)]
pub struct Verified {
    /// The number of rows.
    pub rows: usize,
    /// How many of them have another score.
    pub differing: usize,
    /// The largest difference between a score and the one expected.
    pub largest_difference: f64,
    /// The first row that has another score.
    pub first: Option<RowMismatch>,
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
    /// A golden row does not have its score.
    #[error("golden {0}")]
    Row(RowMismatch),
}

/// Why a row does not have its score.
#[derive(Debug, thiserror::Error)]
pub enum RowMismatch {
    /// The row does not fit the model.
    #[error("row {row} {error}")]
    Form {
        /// The row, counted from 1.
        row: usize,
        /// Why it does not fit.
        error: RowError,
    },
    /// The model fails on the row.
    #[error("row {row}: {error}")]
    Model {
        /// The row, counted from 1.
        row: usize,
        /// The model's error.
        error: ModelError,
    },
    /// The score differs from the one expected.
    #[error("row {row} scores {found}, {origin} says {expected}: {difference:.1e} apart, {tolerance:e} is allowed")]
    Score {
        /// The row, counted from 1.
        row: usize,
        /// The model's score.
        found: f64,
        /// The score expected.
        expected: f64,
        /// Their difference.
        difference: f64,
        /// The largest difference allowed.
        tolerance: f64,
        /// What says so.
        origin: &'static str,
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
    let verifier = || Verifier::new(model, &card.inputs, card.tolerance, "its card");
    let (mut alone, mut together) = (verifier(), verifier());
    for golden in &card.golden_rows {
        alone.push(&golden.inputs, golden.score).map_err(Mismatch::Row)?;
        alone.score_batch();
        together.push(&golden.inputs, golden.score).map_err(Mismatch::Row)?;
    }
    together.score_batch();
    let (alone, together) = (alone.finish(), together.finish());
    match alone.first.or(together.first) {
        Some(first) => Err(Mismatch::Row(first)),
        None => Ok(Verified {
            largest_difference: alone.largest_difference.max(together.largest_difference),
            first: None,
            ..together
        }),
    }
}

/// Compares the scores of rows with those expected, a batch at a time.
pub struct Verifier<'a> {
    model: &'a Model,
    inputs: &'a [String],
    tolerance: f64,
    origin: &'static str,
    scorer: Scorer,
    /// The result of finished batches.
    verified: Verified,
    /// The rows of the batch, and the scores expected.
    encoded: Vec<f64>,
    expected: Vec<f64>,
    scores: Vec<Option<f32>>,
}

impl<'a> Verifier<'a> {
    /// `inputs` names the model's columns. `origin` names what the expected scores come from.
    pub fn new(model: &'a Model, inputs: &'a [String], tolerance: f64, origin: &'static str) -> Verifier<'a> {
        Verifier {
            model,
            inputs,
            tolerance,
            origin,
            scorer: model.scorer(),
            verified: Verified {
                rows: 0,
                differing: 0,
                largest_difference: 0.0,
                first: None,
            },
            encoded: Vec::new(),
            expected: Vec::new(),
            scores: Vec::new(),
        }
    }

    /// Adds a row to the batch. A NaN is expected of a row that has no score.
    ///
    /// # Errors
    /// [`RowMismatch::Form`].
    pub fn push(&mut self, row: &[Option<InputValue>], expected: f64) -> Result<(), RowMismatch> {
        let number = self.verified.rows + self.expected.len() + 1;
        encode_row(self.model, self.inputs, row, &mut self.encoded)
            .map_err(|error| RowMismatch::Form { row: number, error })?;
        self.expected.push(expected);
        Ok(())
    }

    /// The number of rows of the batch.
    pub fn batch(&self) -> usize {
        self.expected.len()
    }

    /// Scores the batch and empties it.
    pub fn score_batch(&mut self) {
        // The rows fit the model, so each has a score or the model fails on it.
        let _ = self.scorer.score_each(&self.encoded, &mut self.scores);
        for place in 0..self.expected.len() {
            self.verified.rows += 1;
            if let Err(mismatch) = self.compare(place) {
                self.verified.differing += 1;
                self.verified.first.get_or_insert(mismatch);
            }
        }
        self.encoded.clear();
        self.expected.clear();
    }

    /// Compares the score at `place` in the batch with the one expected.
    fn compare(&mut self, place: usize) -> Result<(), RowMismatch> {
        let (row, expected) = (self.verified.rows, self.expected[place]);
        let Some(&Some(found)) = self.scores.get(place) else {
            let width = self.model.input_width();
            let scored = self
                .scorer
                .score(&self.encoded[place * width..][..width], &mut Vec::new());
            let error = scored
                .err()
                .unwrap_or_else(|| ModelError::Run("it has no score".to_owned()));
            return Err(RowMismatch::Model { row, error });
        };
        let found = f64::from(found);
        let difference = (found - expected).abs();
        self.verified.largest_difference = self.verified.largest_difference.max(difference);
        if difference <= self.tolerance || found.is_nan() && expected.is_nan() {
            return Ok(());
        }
        Err(RowMismatch::Score {
            row,
            found,
            expected,
            difference,
            tolerance: self.tolerance,
            origin: self.origin,
        })
    }

    /// The result for all batches.
    pub fn finish(self) -> Verified {
        self.verified
    }
}
