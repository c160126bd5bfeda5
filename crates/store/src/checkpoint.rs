//! Copies of a state as of one moment, made while it is written.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use riskstream_features::state::StateError;
use rocksdb::DB;
use rocksdb::checkpoint::Checkpoint;

use crate::store::failed;

/// A state of which checkpoints can be made on any thread. It does not keep the state open.
#[derive(Clone)]
pub struct CheckpointSource {
    database: Weak<DB>,
    path: PathBuf,
}

impl CheckpointSource {
    pub(crate) fn new(database: &Arc<DB>, path: PathBuf) -> Self {
        Self {
            database: Arc::downgrade(database),
            path,
        }
    }

    /// The directory of the state.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the state is open.
    pub fn is_open(&self) -> bool {
        self.database.strong_count() > 0
    }

    /// A number that grows with each write of the state; none if it is closed.
    pub fn writes(&self) -> Option<u64> {
        Some(self.database.upgrade()?.latest_sequence_number())
    }

    /// Writes a copy of the current state to `to`, which must not exist; whether there is one, as the state is still open. On the same
    /// file system it consists of hard links, so it is quick and small. What is in buffers is flushed to files first. If the state
    /// is closed meanwhile, it stays locked until the copy is made.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub fn write(&self, to: &Path) -> Result<bool, StateError> {
        let Some(database) = self.database.upgrade() else {
            return Ok(false);
        };
        let checkpoint = Checkpoint::new(&database).map_err(|error| failed(&self.path, &error))?;
        let written = checkpoint.create_checkpoint(to);
        written.map_err(|error| failed(&self.path, &error))?;
        Ok(true)
    }
}

impl fmt::Debug for CheckpointSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckpointSource").field("path", &self.path).finish()
    }
}
