//! Files as inputs: JSON Lines, CSV and Parquet, decoded into the same rows as records of a topic.

#[cfg(feature = "parquet")]
mod columns;
#[cfg(feature = "parquet")]
mod delimited;
#[cfg(feature = "parquet")]
mod json_lines;
mod objects;
#[cfg(feature = "parquet")]
mod parquet_objects;

pub use objects::json_objects;
use riskstream_events::{Rejection, Row};
use std::path::{Path, PathBuf};

/// The endings of the files that this build reads.
const ENDINGS: &str = if cfg!(feature = "parquet") {
    ".jsonl, .ndjson, .json, .csv or .parquet"
} else {
    ".jsonl, .ndjson, .json or .csv; Parquet needs a build with the feature `parquet`"
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
}

/// What came next in a file.
pub enum Next {
    /// A row was filled.
    Row,
    /// A record that cannot be used: its number in the file, from 1, and why.
    Rejected(u64, Rejection),
    /// Nothing more.
    End,
}

/// The records of a file, in the file's order.
pub trait Rows {
    /// Fills `row` with the next record.
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError>;

    /// Records in the file, if it says so.
    fn len_hint(&self) -> Option<u64> {
        None
    }

    /// Bytes read so far and in all, to show progress by.
    fn progress(&self) -> (u64, u64);
}

/// Opens a file by its ending.
#[cfg(feature = "parquet")]
pub fn open(path: &Path, fields: &riskstream_events::InputFields) -> Result<Box<dyn Rows>, ReadError> {
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    match ending.as_str() {
        "jsonl" | "ndjson" | "json" => Ok(Box::new(json_lines::JsonLines::open(path, fields)?)),
        "csv" => Ok(Box::new(delimited::Delimited::open(path, fields)?)),
        "parquet" => Ok(Box::new(columns::Columns::open(path, fields)?)),
        _ => Err(ReadError::UnknownFormat(path.to_owned())),
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> ReadError + '_ {
    move |error| ReadError::Io {
        path: path.to_owned(),
        error,
    }
}
