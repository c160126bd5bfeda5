//! Errors of cards.

use super::row::RowError;
use std::path::PathBuf;

/// A card is broken or contradicts its model.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The file could not be read.
    #[error("cannot read the model card {path}: {source}")]
    Read {
        /// The card.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The file does not have the form of a model card.
    #[error("{path} is not a model card: {reason}")]
    Invalid {
        /// The card.
        path: PathBuf,
        /// The reader's error.
        reason: String,
    },
    /// The card belongs to another model file.
    #[error("the model's SHA-256 is {found}, its card says {expected}")]
    Hash {
        /// The model file's hash.
        found: String,
        /// The hash in the card.
        expected: String,
    },
    /// A background row does not fit the model.
    #[error("row {row} of `background` {error}")]
    Background {
        /// The row, counted from 1.
        row: usize,
        /// Why it does not fit.
        error: RowError,
    },
    /// The reason of an input is broken.
    #[error("line {line} of the card, the reason of `{input}`: {problem}")]
    Reason {
        /// The line, counted from 1.
        line: u64,
        /// The name of the input.
        input: String,
        /// What is wrong.
        problem: String,
    },
    /// A sequence is not among the inputs.
    #[error("`sequences` of the card names `{0}`, which is not in `inputs`")]
    Sequence(String),
    /// The card lists another number of inputs than the model has.
    #[error("the model takes {model} inputs, its card lists {card}")]
    Width {
        /// How many columns the model takes.
        model: usize,
        /// How many the card's inputs fill.
        card: usize,
    },
}
