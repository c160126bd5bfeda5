//! Why a recording cannot be written or read.

use std::io;
use std::path::{Path, PathBuf};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is none of a recording, or is damaged.
    #[error("{path}: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// There is no recording in the directory.
    #[error("{0}: there is no recording here (no manifest.json)")]
    None(PathBuf),
    /// The records cannot be added to the recording that exists.
    #[error("{0}")]
    Other(String),
}

impl RecordingError {
    pub(super) fn file(path: &Path) -> impl Fn(io::Error) -> RecordingError {
        let path = path.to_owned();
        move |error| RecordingError::File {
            path: path.clone(),
            error,
        }
    }

    pub(super) fn damaged(path: &Path, why: impl ToString) -> RecordingError {
        RecordingError::Damaged {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}
