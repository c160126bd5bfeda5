//! Why a checkpoint was not written, read or restored.

use crate::object_store::StoreError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a checkpoint was not written, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The store cannot be reached, or refuses.
    #[error("the store of checkpoints: {0}")]
    Store(StoreError),
    /// What the store has is not what was written.
    #[error("{name} is damaged: {why}")]
    Damaged {
        /// The object.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file on this machine cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file has changed while it was copied.
    #[error("{} has changed while it was copied", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// It is no longer needed.
    #[error("it was abandoned, as it is no longer needed")]
    Abandoned,
}

impl CheckpointError {
    pub(crate) fn damaged(name: &str, why: impl Into<String>) -> CheckpointError {
        CheckpointError::Damaged {
            name: name.to_owned(),
            why: why.into(),
        }
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
        let path = path.to_owned();
        move |error| CheckpointError::File { path, error }
    }

    /// Whether a later attempt may succeed with the same checkpoint.
    pub fn may_pass(&self) -> bool {
        matches!(self, CheckpointError::Store(StoreError::Unavailable { .. }))
    }
}

/// An object that a manifest names and that is missing makes the checkpoint a damaged one.
impl From<StoreError> for CheckpointError {
    fn from(error: StoreError) -> CheckpointError {
        match error {
            StoreError::NotFound(name) => CheckpointError::damaged(&name, "it is missing"),
            error @ StoreError::Unavailable { .. } => CheckpointError::Store(error),
        }
    }
}
