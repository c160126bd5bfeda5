//! State on disk for the time of one run.

use crate::open_state;
use anyhow::Context;
use riskstream_features::state::StateStore;
use riskstream_pipeline::Stores;
use riskstream_pipeline::stop_reason::StopReason;
use riskstream_store::{RocksStore, SharedMemory, StoreOptions};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// One RocksDB for each task, in a temporary directory that is removed when this is dropped.
pub struct TemporaryStores {
    directory: TempDir,
    memory: SharedMemory,
}

impl TemporaryStores {
    /// Stores in a new directory beside `output`: its file system holds the results, whereas
    /// `/tmp` may be in memory.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn beside(output: &Path) -> anyhow::Result<TemporaryStores> {
        TemporaryStores::within(match output.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        })
    }

    /// Stores in a new directory within `parent`.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn within(parent: &Path) -> anyhow::Result<TemporaryStores> {
        let directory = tempfile::Builder::new().prefix(".riskstream-").tempdir_in(parent);
        let directory =
            directory.with_context(|| format!("cannot make a directory for state in {}", parent.display()))?;
        Ok(TemporaryStores {
            directory,
            memory: SharedMemory::default(),
        })
    }
}

impl TemporaryStores {
    /// The directory, which is removed with all that is in it.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The directory of a task's state.
    pub(super) fn path(&self, stage: &str, partition: i32) -> PathBuf {
        self.directory.path().join(format!("{stage}-{partition}"))
    }
}

impl Stores for TemporaryStores {
    fn open(&mut self, stage: &str, partition: i32, fingerprint: &str) -> Result<Box<dyn StateStore>, StopReason> {
        let path = self.path(stage, partition);
        let options = StoreOptions {
            memory: self.memory.clone(),
            fingerprint: fingerprint.to_owned(),
        };
        let store = RocksStore::open(&path, &options).map_err(open_state::stop_reason)?;
        Ok(Box::new(store.without_log()))
    }
}
