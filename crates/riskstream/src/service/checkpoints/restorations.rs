//! Restorations beside the workers: each on a thread of its own, so that a worker goes on with its other tasks and stays a member of
//! the group, however long it takes.

use super::{Checkpoints, TaskId, TaskLock};
use crate::telemetry::metrics;
use riskstream_checkpoints::ManifestName;
use riskstream_pipeline::{Continuation, StatePosition};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Restorations at the same time.
const AT_ONCE: usize = 4;
/// Pauses before further attempts, where the store cannot be reached.
const RETRY_AFTER: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];

/// The restorations of a process. Cheap to clone.
#[derive(Clone)]
pub struct Restorations {
    checkpoints: Arc<Checkpoints>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The tasks, and whether their restoration runs; one that has ended is there until the task is opened again.
    tasks: Mutex<BTreeMap<TaskId, bool>>,
    /// The number that have ended.
    ended: AtomicU64,
    /// The number of restorations that run.
    at_work: Mutex<usize>,
    place: Condvar,
}

impl Shared {
    fn tasks(&self) -> MutexGuard<'_, BTreeMap<TaskId, bool>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` when fewer than [`AT_ONCE`] restorations run.
    fn in_turn<T>(&self, work: impl FnOnce() -> T) -> T {
        let at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.place.wait_while(at_work, |at_work| *at_work >= AT_ONCE);
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        let result = work();
        *self.at_work.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.place.notify_one();
        result
    }
}

impl Restorations {
    /// Restorations from these checkpoints.
    pub fn new(checkpoints: Arc<Checkpoints>) -> Restorations {
        for result in ["restored", "none", "failed"] {
            metrics::RESTORATIONS.counter(&[result]).increment(0);
        }
        Restorations {
            checkpoints,
            shared: Arc::default(),
        }
    }

    /// Whether the state of a task is being restored.
    pub fn is_running(&self, task: &TaskId) -> bool {
        self.shared.tasks().get(task) == Some(&true)
    }

    /// Whether the state of a task was to be restored before, once.
    pub fn take_ended(&self, task: &TaskId) -> bool {
        self.shared.tasks().remove(task).is_some()
    }

    /// How many have ended so far.
    pub fn ended(&self) -> u64 {
        self.shared.ended.load(Ordering::Acquire)
    }

    /// Begins to restore the state of a task, whose directory is locked.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn begin(&self, task: TaskId, lock: TaskLock, continuation: Continuation) -> io::Result<()> {
        let (checkpoints, shared) = (Arc::clone(&self.checkpoints), Arc::clone(&self.shared));
        shared.tasks().insert(task.clone(), true);
        let thread = std::thread::Builder::new().name(format!("restore-{task}"));
        let ending = RestorationGuard { shared, task };
        let body = move || {
            ending
                .shared
                .in_turn(|| run(&checkpoints, &ending.task, &lock, &continuation));
            drop(lock);
        };
        thread.spawn(body).map(drop)
    }
}

/// Notes the end of a restoration, also of one that panics or has no thread. Otherwise a task would wait without end.
struct RestorationGuard {
    shared: Arc<Shared>,
    task: TaskId,
}

impl Drop for RestorationGuard {
    fn drop(&mut self) {
        self.shared.tasks().insert(self.task.clone(), false);
        self.shared.ended.fetch_add(1, Ordering::Release);
    }
}

fn run(checkpoints: &Checkpoints, task: &TaskId, lock: &TaskLock, continuation: &Continuation) {
    let began = Instant::now();
    let judge = |state: &StatePosition| continuation.start(state).map(drop).map_err(|reason| reason.detail);
    let say = |name: &ManifestName, reason: &str| {
        tracing::warn!(target: "riskstream::checkpoints", %task, checkpoint = %name, reason, "a checkpoint is not used");
    };
    let mut restored = checkpoints.restore(task, lock, &judge, &say);
    for pause in RETRY_AFTER {
        let Err(error) = &restored else { break };
        tracing::warn!(target: "riskstream::checkpoints", %task, error = format!("{error:#}"), "a restoration is tried again");
        std::thread::sleep(pause);
        restored = checkpoints.restore(task, lock, &judge, &say);
    }
    let result = match restored {
        Ok(Some(restored)) => {
            let behind = continuation.committed.map(|committed| committed - restored.position);
            tracing::info!(
                target: "riskstream::checkpoints",
                %task,
                position = restored.position,
                behind,
                bytes = restored.bytes,
                milliseconds = began.elapsed().as_millis() as u64,
                "state restored from a checkpoint"
            );
            "restored"
        }
        Ok(None) => {
            tracing::info!(target: "riskstream::checkpoints", %task, "no checkpoint can be used");
            "none"
        }
        Err(error) => {
            let error = format!("{error:#}");
            tracing::error!(target: "riskstream::checkpoints", %task, error, "a state is not restored");
            "failed"
        }
    };
    metrics::RESTORATIONS.counter(&[result]).increment(1);
}
