//! Errors of loading and running a model.

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
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The bytes are not an ONNX model, or the model is inconsistent, tract cannot load it, or it fails on every row.
    #[error("not a usable ONNX model: {0}")]
    Invalid(String),
    /// The model exceeds a limit of [`Limits`](crate::Limits).
    #[error("the model exceeds a limit: {0}")]
    Limit(String),
    /// The model uses an operator that is not supported.
    #[error("node {node:?} uses the operator {operator}, which is not supported: {advice}")]
    Unsupported {
        /// The operator with its domain, such as `ai.onnx.ml.SVMClassifier`.
        operator: String,
        /// The node's name, or the name of its first output.
        node: String,
        /// How the author of the model can avoid the operator.
        advice: String,
    },
    /// An input cannot be fed from rows of numbers and texts.
    #[error("unusable input {input:?}: {reason}")]
    Input {
        /// The graph input.
        input: String,
        /// Why it cannot be fed, and how to change the export.
        reason: String,
    },
    /// The score output does not exist or is not determined.
    #[error("{0}")]
    Score(String),
    /// The number of values is not a multiple of the values in a row.
    #[error("the model takes rows of {expected} values, but {given} values are not a whole number of rows")]
    Rows {
        /// Number of values in a row.
        expected: usize,
        /// Number of values given.
        given: usize,
    },
    /// A value is a number in a column of texts, or a text in a column of numbers.
    #[error("column {column} of a row takes {expected}s")]
    Cell {
        /// The column, counted from 0.
        column: usize,
        /// The kind of the column.
        expected: ColumnKind,
    },
    /// The background rows cannot be used for attribution.
    #[error("unusable background rows: {0}")]
    Background(String),
    /// The model failed while running.
    #[error("the model failed while running: {0}")]
    Run(String),
}
