//! The tasks' state stores: a RocksDB each, in `<state directory>/<pipeline>/<entity>-<partition>`.

use super::checkpoints::{Checkpoints, Restorations, TaskId, TaskLock};
use riskstream_features::state::{StateError, StateStore};
use riskstream_pipeline::{Continuation, Opening, Standing, Stores};
use riskstream_store::{CheckpointSource, OpenError, RocksStore, SharedMemory, StoreOptions};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long to wait for a store that another process has open: after a partition has moved, its previous owner is
/// about to close the store. If this is not enough, the worker goes on with other partitions and tries again later.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// Why a partition waits.
const RESTORING: &str = "its state is being restored from a checkpoint";

/// The states that are open in this process, for checkpoints. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct OpenStates(Arc<Mutex<BTreeMap<TaskId, CheckpointSource>>>);

impl OpenStates {
    fn add(&self, task: TaskId, source: CheckpointSource) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(task, source);
    }

    /// Those that are open.
    pub fn open(&self) -> BTreeMap<TaskId, CheckpointSource> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.retain(|_, source| source.is_open());
        states.clone()
    }
}

/// How states are restored and offered to checkpoints.
#[derive(Clone)]
struct WithCheckpoints {
    checkpoints: Arc<Checkpoints>,
    restorations: Restorations,
    states: OpenStates,
    /// The restorations that have ended as of the last look.
    seen: u64,
}

/// Opens the stores of one pipeline. All stores of the process share their memory.
#[derive(Clone)]
pub struct RocksStores {
    directory: PathBuf,
    memory: SharedMemory,
    checkpoints: Option<WithCheckpoints>,
}

impl RocksStores {
    /// Stores in `directory`.
    pub fn new(directory: PathBuf) -> RocksStores {
        RocksStores {
            directory,
            memory: SharedMemory::default(),
            checkpoints: None,
        }
    }

    /// The same stores: where a state is of no use, it is restored from a checkpoint. Those that are open are added to `states`.
    pub fn with_checkpoints(self, checkpoints: Arc<Checkpoints>, states: OpenStates) -> RocksStores {
        let with = WithCheckpoints {
            restorations: Restorations::new(Arc::clone(&checkpoints)),
            checkpoints,
            states,
            seen: 0,
        };
        RocksStores {
            checkpoints: Some(with),
            ..self
        }
    }

    fn open_store(&self, task: &TaskId, fingerprint: &str) -> Result<RocksStore, OpenError> {
        let path = self.directory.join(task.to_string());
        let options = StoreOptions {
            memory: self.memory.clone(),
            fingerprint: fingerprint.to_owned(),
        };
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match RocksStore::open(&path, &options) {
                Err(OpenError::Locked { .. }) if Instant::now() < deadline => std::thread::sleep(LOCK_INTERVAL),
                opened => return opened,
            }
        }
    }

    /// Opens a state that is of use; otherwise begins to restore it, once.
    fn open_or_restore(
        &self,
        with: &WithCheckpoints,
        task: TaskId,
        fingerprint: &str,
        continuation: &Continuation,
    ) -> Result<Opening, StateError> {
        if with.restorations.is_running(&task) {
            return Ok(Opening::Restoring(RESTORING.to_owned()));
        }
        let failed = |error: &dyn std::fmt::Display| StateError::Store(error.to_string());
        let lock = TaskLock::take(&with.checkpoints, &task).map_err(|error| failed(&error))?;
        let was_tried = with.restorations.take_ended(&task);
        let opened = self.open_store(&task, fingerprint);
        let is_of_use = match &opened {
            Ok(store) => !continuation.needs_restoration(&Standing::of(store)?),
            Err(OpenError::Corrupt { .. }) => false,
            Err(_) => true,
        };
        if is_of_use || was_tried {
            let store = opened?;
            with.states.add(task, store.checkpoint_source());
            return Ok(Opening::Opened(Box::new(store)));
        }
        if let Err(error) = opened {
            tracing::warn!(target: "riskstream::checkpoints", %task, %error, "a state is damaged");
        }
        let begun = with.restorations.begin(task, lock, continuation.clone());
        begun.map_err(|error| failed(&error))?;
        Ok(Opening::Restoring(RESTORING.to_owned()))
    }
}

impl Stores for RocksStores {
    fn open(&mut self, stage: &str, partition: i32, fingerprint: &str) -> Result<Box<dyn StateStore>, StateError> {
        Ok(Box::new(self.open_store(&TaskId::new(stage, partition), fingerprint)?))
    }

    fn open_to_continue(
        &mut self,
        stage: &str,
        partition: i32,
        fingerprint: &str,
        continuation: &Continuation,
    ) -> Result<Opening, StateError> {
        match &self.checkpoints {
            Some(with) => self.open_or_restore(with, TaskId::new(stage, partition), fingerprint, continuation),
            None => self.open(stage, partition, fingerprint).map(Opening::Opened),
        }
    }

    fn has_restored(&mut self) -> bool {
        let Some(with) = &mut self.checkpoints else {
            return false;
        };
        let ended = with.restorations.ended();
        std::mem::replace(&mut with.seen, ended) != ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use riskstream_features::state::StateWrites;

    #[test]
    fn a_store_is_opened_once_its_previous_owner_has_closed_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut stores = RocksStores::new(directory.path().to_owned());
        let mut first = stores.open("card", 3, "layout").unwrap();
        let mut writes = StateWrites::default();
        writes.put(b"key", |value| value.push(7));
        first.write(&writes, 42).unwrap();
        let mut others = stores.clone();
        let waiting = std::thread::spawn(move || others.open("card", 3, "layout").unwrap().position().unwrap());
        drop(first);
        assert_eq!(waiting.join().unwrap(), Some(42));
        assert!(directory.path().join("card-3").is_dir());
        let error = stores.open("card", 3, "another").err().unwrap().to_string();
        assert!(error.contains("another pipeline layout"), "{error}");
    }
}
