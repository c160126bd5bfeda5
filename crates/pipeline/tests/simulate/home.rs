//! A disk: the states that outlive the workers of a process, and its faults. A state may be restored from a checkpoint.

use crate::random::Random;
use riskstream_features::state::{MemoryState, StateError, StateStore, StateWrites, Visit};
use riskstream_pipeline::stop_reason::StopReason;
use riskstream_pipeline::{Continuation, Opening, StatePosition, Stores};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A task: its entity and its partition.
pub type TaskId = (String, i32);

pub type States = BTreeMap<TaskId, MemoryState>;

/// Checkpoints, the newest last, and whether each can be used.
pub type Checkpoints = Arc<Mutex<BTreeMap<TaskId, Vec<(MemoryState, bool)>>>>;

/// See the module.
#[derive(Clone)]
pub struct Home(Arc<Mutex<Disk>>);

struct Disk {
    states: States,
    random: Random,
    /// Writes that fail, writes that fail though all was written, and reads that fail, in thousandths.
    faults: [u16; 3],
    checkpoints: Checkpoints,
    /// States that are being restored, and how often it is still asked in vain.
    restoring: BTreeMap<TaskId, u8>,
}

impl Home {
    pub fn new(seed: u64, faults: [u16; 3], checkpoints: Checkpoints) -> Home {
        Home(Arc::new(Mutex::new(Disk {
            states: States::new(),
            random: Random::new(seed),
            faults,
            checkpoints,
            restoring: BTreeMap::new(),
        })))
    }

    pub fn end_faults(&self) {
        self.lock().faults = [0; 3];
    }

    pub fn states(&self) -> States {
        self.lock().states.clone()
    }

    pub fn set_states(&self, states: States) {
        self.lock().states = states;
    }

    pub fn lose_one(&self, which: usize) {
        let mut disk = self.lock();
        let count = disk.states.len().max(1);
        let task = disk.states.keys().nth(which % count).cloned();
        task.and_then(|task| disk.states.remove(&task));
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self, task: TaskId) -> Box<dyn StateStore> {
        self.lock().states.entry(task.clone()).or_default();
        Box::new(State {
            home: self.clone(),
            task,
        })
    }
}

impl Disk {
    fn fails(&mut self, kind: usize) -> bool {
        self.random.below(1000) < usize::from(self.faults[kind])
    }
}

impl Stores for Home {
    fn open(&mut self, stage: &str, partition: i32, _: &str) -> Result<Box<dyn StateStore>, StopReason> {
        Ok(self.state((stage.to_owned(), partition)))
    }

    fn open_to_continue(
        &mut self,
        stage: &str,
        partition: i32,
        _: &str,
        continuation: &Continuation,
    ) -> Result<Opening, StopReason> {
        let task = (stage.to_owned(), partition);
        let state = self.lock().states.get(&task).cloned().unwrap_or_default();
        let mut disk = self.lock();
        if let Some(left) = disk.restoring.get_mut(&task).filter(|left| **left > 0) {
            *left -= 1;
            return Ok(Opening::Restoring("a checkpoint".to_owned()));
        }
        if continuation.needs_restoration(&StatePosition::of(&state)?) {
            let usable = |(checkpoint, is_whole): &&(MemoryState, bool)| {
                let position = StatePosition::of(checkpoint);
                *is_whole && position.is_ok_and(|position| continuation.start(&position).is_ok())
            };
            let checkpoints = Arc::clone(&disk.checkpoints);
            let checkpoints = checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = checkpoints.get(&task).into_iter().flatten();
            if let Some((checkpoint, _)) = kept.rev().find(usable) {
                disk.states.insert(task.clone(), checkpoint.clone());
                let waits = disk.random.below(3) as u8;
                if waits > 0 {
                    disk.restoring.insert(task, waits - 1);
                    return Ok(Opening::Restoring("a checkpoint".to_owned()));
                }
            }
        }
        drop(disk);
        Ok(Opening::Opened(self.state(task)))
    }

    fn has_restored(&mut self) -> bool {
        !self.lock().restoring.is_empty()
    }
}

/// The state of one task.
struct State {
    home: Home,
    task: TaskId,
}

impl State {
    fn read<T>(&self, read: impl FnOnce(&MemoryState) -> Result<T, StateError>) -> Result<T, StateError> {
        let mut disk = self.home.lock();
        if disk.fails(2) {
            return Err(StateError::Store("simulated: it cannot be read".to_owned()));
        }
        // The directory of a task may be taken away below it.
        read(disk.states.entry(self.task.clone()).or_default())
    }
}

impl StateStore for State {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.read(|state| state.get(key))
    }

    fn visit(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), StateError> {
        // Whoever visits may read what it finds.
        let state = self.read(|state| Ok(state.clone()))?;
        state.visit(prefix, visit)
    }

    fn position(&self) -> Result<Option<i64>, StateError> {
        self.read(StateStore::position)
    }

    fn write(&mut self, writes: &StateWrites, position: i64) -> Result<(), StateError> {
        let mut disk = self.home.lock();
        let failed = || Err(StateError::Store("simulated: it cannot be written".to_owned()));
        if disk.fails(0) {
            return failed();
        }
        disk.states
            .entry(self.task.clone())
            .or_default()
            .write(writes, position)?;
        match disk.fails(1) {
            true => failed(),
            false => Ok(()),
        }
    }

    fn size(&self) -> u64 {
        self.home.lock().states.get(&self.task).map_or(0, StateStore::size)
    }
}
