//! The tasks' state stores: a RocksDB each, in `<state directory>/<pipeline>/<entity>-<partition>`.

use super::checkpoints::{Checkpoints, Restorations, TaskId, TaskLock};
use super::private_files;
use crate::open_state;
use riskstream_features::state::{StateError, StateStore, StateWrites, Visit};
use riskstream_pipeline::stop_reason::{StopCode, StopReason};
use riskstream_pipeline::{Continuation, Opening, StatePosition, Stores};
use riskstream_store::{CheckpointSource, OpenError, RocksStore, SharedMemory, StoreOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long to wait for a store that another process has open: after a partition has moved, its previous owner is
/// about to close the store. If this is not enough, the worker goes on with other partitions and tries again later.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const LOCK_INTERVAL: Duration = Duration::from_millis(5);

/// Why a partition waits.
const RESTORING: &str = "its state is being restored from a checkpoint";

/// How long a worker that wants a state keeps the standby from it, if it does not get to open it. It tries again within this time.
const CLAIM: Duration = Duration::from_secs(10);

/// The states that the workers of this process have. Cheap to clone.
#[derive(Clone, Default)]
pub struct OpenStates(Arc<Mutex<BTreeMap<TaskId, Use>>>);

/// How a worker uses a state.
enum Use {
    /// It is about to open it. The standby that had it open leaves it here.
    Claimed {
        at: Instant,
        left: Option<RocksStore>,
    },
    Open(CheckpointSource),
}

impl OpenStates {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, Use>> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.retain(|_, used| match used {
            Use::Claimed { at, .. } => at.elapsed() < CLAIM,
            Use::Open(source) => source.is_open(),
        });
        states
    }

    fn claim(&self, task: &TaskId) {
        let at = Instant::now();
        self.lock().insert(task.clone(), Use::Claimed { at, left: None });
    }

    /// Leaves an open state to the worker that has claimed it; closes it if there is none.
    fn leave(&self, task: &TaskId, store: RocksStore) {
        if let Some(Use::Claimed { left, .. }) = self.lock().get_mut(task) {
            *left = Some(store);
        }
    }

    /// The open state that was left to a worker.
    fn take_left(&self, task: &TaskId) -> Option<RocksStore> {
        match self.lock().get_mut(task) {
            Some(Use::Claimed { left, .. }) => left.take(),
            _ => None,
        }
    }

    fn add(&self, task: TaskId, source: CheckpointSource) {
        self.lock().insert(task, Use::Open(source));
    }

    /// Those that are open, for checkpoints.
    pub fn open(&self) -> BTreeMap<TaskId, CheckpointSource> {
        let states = self.lock();
        let open = states.iter().filter_map(|(task, used)| match used {
            Use::Claimed { .. } => None,
            Use::Open(source) => Some((task.clone(), source.clone())),
        });
        open.collect()
    }

    /// Those that are open or about to be.
    pub(super) fn used(&self) -> BTreeSet<TaskId> {
        self.lock().keys().cloned().collect()
    }
}

/// The file in a pipeline's directory of state that says that a state is a standby copy.
pub fn standby_mark(directory: &Path, task: &TaskId) -> PathBuf {
    directory.join(format!("{task}.standby"))
}

/// How states are restored.
#[derive(Clone)]
struct WithCheckpoints {
    checkpoints: Arc<Checkpoints>,
    restorations: Restorations,
    /// The restorations that have ended as of the last look.
    seen: u64,
}

/// Opens the stores of one pipeline. All stores of the process share their memory.
#[derive(Clone)]
pub struct RocksStores {
    directory: PathBuf,
    memory: SharedMemory,
    states: OpenStates,
    checkpoints: Option<WithCheckpoints>,
}

impl RocksStores {
    /// Stores in `directory`. Those that workers have are in `states`.
    pub fn new(directory: PathBuf, states: OpenStates) -> RocksStores {
        RocksStores {
            directory,
            memory: SharedMemory::default(),
            states,
            checkpoints: None,
        }
    }

    /// The same stores: where a state is of no use, it is restored from a checkpoint.
    pub fn with_checkpoints(self, checkpoints: Arc<Checkpoints>) -> RocksStores {
        let with = WithCheckpoints {
            restorations: Restorations::new(Arc::clone(&checkpoints)),
            checkpoints,
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
            if let Some(store) = self.states.take_left(task) {
                return Ok(store);
            }
            match RocksStore::open(&path, &options) {
                Err(OpenError::Locked { .. }) if Instant::now() < deadline => std::thread::sleep(LOCK_INTERVAL),
                opened => return opened,
            }
        }
    }

    /// Opens a state with which its task can go on; none while it is being restored.
    fn open_of_use(
        &self,
        task: &TaskId,
        fingerprint: &str,
        continuation: &Continuation,
    ) -> Result<Option<RocksStore>, StopReason> {
        match &self.checkpoints {
            Some(with) => self.open_or_restore(with, task, fingerprint, continuation),
            None => Ok(Some(
                self.open_store(task, fingerprint).map_err(open_state::stop_reason)?,
            )),
        }
    }

    /// Opens a state that is of use; otherwise begins to restore it, once.
    fn open_or_restore(
        &self,
        with: &WithCheckpoints,
        task: &TaskId,
        fingerprint: &str,
        continuation: &Continuation,
    ) -> Result<Option<RocksStore>, StopReason> {
        if with.restorations.is_running(task) {
            return Ok(None);
        }
        let failed = |error: &dyn std::fmt::Display| StopCode::StateNotOpened.because(error);
        let lock = TaskLock::wait(&with.checkpoints, task, LOCK_TIMEOUT).map_err(|error| failed(&error))?;
        let was_tried = with.restorations.take_ended(task);
        let opened = self.open_store(task, fingerprint);
        let is_of_use = match &opened {
            Ok(store) => !continuation.needs_restoration(&StatePosition::of(store)?),
            Err(OpenError::Corrupt { .. }) => false,
            Err(_) => true,
        };
        if is_of_use || was_tried {
            return Ok(Some(opened.map_err(open_state::stop_reason)?));
        }
        match opened {
            // Closed before its directory is replaced: closing writes a file by its path, which would be one of the restored state.
            Ok(store) => drop(store),
            Err(error) => {
                tracing::warn!(target: "riskstream::checkpoints", %task, %error, "a state is damaged");
            }
        }
        let begun = with.restorations.begin(task.clone(), lock, continuation.clone());
        begun.map_err(|error| failed(&error))?;
        Ok(None)
    }
}

impl Stores for RocksStores {
    fn open(&mut self, stage: &str, partition: i32, fingerprint: &str) -> Result<Box<dyn StateStore>, StopReason> {
        let store = self.open_store(&TaskId::new(stage, partition), fingerprint);
        Ok(Box::new(store.map_err(open_state::stop_reason)?))
    }

    fn open_to_continue(
        &mut self,
        stage: &str,
        partition: i32,
        fingerprint: &str,
        continuation: &Continuation,
    ) -> Result<Opening, StopReason> {
        let task = TaskId::new(stage, partition);
        // The standby that may have it closes it.
        self.states.claim(&task);
        let Some(store) = self.open_of_use(&task, fingerprint, continuation)? else {
            return Ok(Opening::Restoring(RESTORING.to_owned()));
        };
        self.states.add(task.clone(), store.checkpoint_source());
        let _ = std::fs::remove_file(standby_mark(&self.directory, &task));
        Ok(Opening::Opened(Box::new(store)))
    }

    fn has_restored(&mut self) -> bool {
        let Some(with) = &mut self.checkpoints else {
            return false;
        };
        let ended = with.restorations.ended();
        std::mem::replace(&mut with.seen, ended) != ended
    }
}

/// The same stores for standby copies. A file beside a state says that it is one.
pub struct StandbyStores(RocksStores);

impl StandbyStores {
    /// For copies in these stores.
    pub fn new(stores: RocksStores) -> StandbyStores {
        StandbyStores(stores)
    }
}

impl Stores for StandbyStores {
    fn open(&mut self, stage: &str, partition: i32, fingerprint: &str) -> Result<Box<dyn StateStore>, StopReason> {
        self.0.open(stage, partition, fingerprint)
    }

    fn open_to_continue(
        &mut self,
        stage: &str,
        partition: i32,
        fingerprint: &str,
        continuation: &Continuation,
    ) -> Result<Opening, StopReason> {
        let task = TaskId::new(stage, partition);
        let Some(store) = self.0.open_of_use(&task, fingerprint, continuation)? else {
            return Ok(Opening::Restoring(RESTORING.to_owned()));
        };
        let _ = private_files::open_lock(&standby_mark(&self.0.directory, &task));
        Ok(Opening::Opened(Box::new(StandbyStore {
            store: Some(store),
            states: self.0.states.clone(),
            task,
        })))
    }

    fn has_restored(&mut self) -> bool {
        self.0.has_restored()
    }
}

/// The state of a standby copy. A worker of this process that takes over gets it as it is, open.
struct StandbyStore {
    store: Option<RocksStore>,
    states: OpenStates,
    task: TaskId,
}

const UNTIL_DROPPED: &str = "it is left to a worker only at the end";

impl StandbyStore {
    fn store(&self) -> &RocksStore {
        self.store.as_ref().expect(UNTIL_DROPPED)
    }
}

impl Drop for StandbyStore {
    fn drop(&mut self) {
        if let Some(store) = self.store.take() {
            self.states.leave(&self.task, store);
        }
    }
}

impl StateStore for StandbyStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.store().get(key)
    }

    fn visit(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), StateError> {
        self.store().visit(prefix, visit)
    }

    fn position(&self) -> Result<Option<i64>, StateError> {
        self.store().position()
    }

    fn write(&mut self, writes: &StateWrites, position: i64) -> Result<(), StateError> {
        self.store.as_mut().expect(UNTIL_DROPPED).write(writes, position)
    }

    fn size(&self) -> u64 {
        self.store().size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_opened_once_its_previous_owner_has_closed_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut stores = RocksStores::new(directory.path().to_owned(), OpenStates::default());
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
