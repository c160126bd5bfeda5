//! Why a store could not be opened.

use std::io;
use std::path::{Path, PathBuf};

use riskstream_features::state::StateError;
use rocksdb::ErrorKind;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or this one, has the state open.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// The state directory.
        path: PathBuf,
    },
    /// The directory or one of its parents cannot be written.
    #[error("{} cannot be written: {why}", path.display())]
    NotWritable {
        /// The state directory.
        path: PathBuf,
        /// The error of the operating system.
        why: String,
    },
    /// The disk or the user's quota is full.
    #[error("{}: no space left on the disk", path.display())]
    NoSpace {
        /// The state directory.
        path: PathBuf,
    },
    /// Files are missing or damaged.
    #[error(
        "{} is damaged: {why}. Move it away to rebuild the state from the log or a checkpoint",
        path.display()
    )]
    Corrupt {
        /// The state directory.
        path: PathBuf,
        /// The error of RocksDB.
        why: String,
    },
    /// The state has another layout: it belongs to other features, entities or windows.
    #[error(
        "{} holds the state of another pipeline layout ({found}, this one is {expected})",
        path.display()
    )]
    OtherLayout {
        /// The state directory.
        path: PathBuf,
        /// The fingerprint of the layout that wrote the state.
        found: String,
        /// The expected fingerprint.
        expected: String,
    },
    /// Anything else.
    #[error("{} cannot be opened: {why}", path.display())]
    Other {
        /// The state directory.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
}

impl OpenError {
    pub(crate) fn of_io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists => Self::NotWritable {
                path,
                why: error.to_string(),
            },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path },
            _ => Self::Other {
                path,
                why: error.to_string(),
            },
        }
    }

    /// Classifies by the text of the error: RocksDB gives errors of the operating system only as text.
    pub(crate) fn of_rocksdb(path: &Path, error: &rocksdb::Error) -> Self {
        let text = error.to_string();
        let path = path.to_owned();
        let says = |part: &str| text.contains(part);
        if says("lock ") || says("LOCK: Resource temporarily unavailable") {
            Self::Locked { path }
        } else if says("No space left on device") || says("Disk quota exceeded") {
            Self::NoSpace { path }
        } else if says("Permission denied") || says("Read-only file system") {
            Self::NotWritable { path, why: text }
        } else if error.kind() == ErrorKind::Corruption || says("No such file or directory") {
            Self::Corrupt { path, why: text }
        } else {
            Self::Other { path, why: text }
        }
    }
}

impl From<OpenError> for StateError {
    fn from(error: OpenError) -> Self {
        Self::Store(error.to_string())
    }
}
