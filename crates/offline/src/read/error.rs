//! Why a file cannot be read.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// The endings of the files that this build reads, in words.
pub const ENDINGS: &str = if cfg!(feature = "parquet") {
    ".jsonl, .ndjson, .json, .csv or .tsv (also with .gz), .avro or .parquet"
} else {
    ".jsonl, .ndjson, .json, .csv or .tsv (also with .gz), or .avro; Parquet needs a build with the feature `parquet`"
};

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
    /// The ending names no known format.
    #[error("{0}: unknown kind of file: the name must end in {ENDINGS}")]
    UnknownFormat(PathBuf),
    /// The file is not of its format.
    #[error("{path}: {why}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        why: String,
    },
    /// A column that the pipeline requires is not there.
    #[error("{path}: there is no column `{column}`; it has {present}")]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column, nested names joined by dots.
        column: String,
        /// The columns there are.
        present: String,
    },
    /// A column that the pipeline reads is there twice.
    #[error("{0}: the column `{1}` is there twice")]
    AmbiguousColumn(PathBuf, String),
    /// A column's type is not read as that of its field.
    #[error("{path}: the column `{column}` is {found}, which is not read as {expected}: {remedy}")]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column, nested names joined by dots.
        column: String,
        /// Its type.
        found: String,
        /// The field's type.
        expected: &'static str,
        /// What to do instead.
        remedy: String,
    },
}

pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> ReadError + '_ {
    move |error| ReadError::Io {
        path: path.to_owned(),
        error,
    }
}

pub(super) fn malformed(path: &Path, why: impl Display) -> ReadError {
    ReadError::Malformed {
        path: path.to_owned(),
        why: why.to_string(),
    }
}
