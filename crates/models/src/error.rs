//! What can go wrong with a model file or a row.

use std::path::PathBuf;

use crate::ColumnKind;

/// Why a model could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file could not be read.
    #[error("cannot read the model file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The bytes are no ONNX model, or one that contradicts itself, that tract cannot load, or that fails on every row.
    #[error("not a usable ONNX model: {0}")]
    Invalid(String),
    /// The model is larger than the limits allow.
    #[error("the model exceeds a limit: {0}")]
    Limit(String),
    /// The model uses an operator that is not supported.
    #[error("node {node:?} uses the operator {operator}, which is not supported: {advice}")]
    Unsupported {
        /// The operator with its domain, such as `ai.onnx.ml.SVMClassifier`.
        operator: String,
        /// The node's name, or the name of its first output.
        node: String,
        /// What the model's author can do.
        advice: String,
    },
    /// The inputs are of a kind that rows of numbers and texts cannot feed.
    #[error("unusable input {input:?}: {reason}")]
    Input {
        /// The graph input.
        input: String,
        /// Why it cannot be fed, and what to do.
        reason: String,
    },
    /// The score output does not exist or is not clear.
    #[error("{0}")]
    Score(String),
    /// The rows handed in do not fit the model.
    #[error("the model takes rows of {expected} values, but {given} values are no whole number of rows")]
    Rows {
        /// Values in a row.
        expected: usize,
        /// Values handed in.
        given: usize,
    },
    /// A value is a number where a text is expected, or the other way round.
    #[error("column {column} of a row takes {expected}s")]
    Cell {
        /// The column, counted from 0.
        column: usize,
        /// What it takes.
        expected: ColumnKind,
    },
    /// Scores cannot be attributed against these background rows.
    #[error("unusable background rows: {0}")]
    Background(String),
    /// The model failed while it ran.
    #[error("the model failed while running: {0}")]
    Run(String),
}
