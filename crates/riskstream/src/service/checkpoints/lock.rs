//! A lock of a task's directory for the time in which it is opened or replaced. While a state is open, RocksDB's own lock keeps
//! others out; where one directory replaces another, that is not enough.

use super::{Checkpoints, TaskId};
use crate::service::private_files;
use std::fs::{File, TryLockError};
use std::io;
use std::time::{Duration, Instant};

/// Held as long as it is not dropped; the system lets go of it when the process ends.
pub struct TaskLock {
    _file: File,
}

/// Why a task's directory is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{0} is being opened or restored by another process")]
    Held(TaskId),
    /// The lock cannot be written.
    #[error("{0} cannot be locked: {1}")]
    File(TaskId, io::Error),
}

/// Pause between two attempts.
const INTERVAL: Duration = Duration::from_millis(5);

impl TaskLock {
    /// Locks the directory of a task once who has it lets go of it, if that is soon.
    ///
    /// # Errors
    /// As [`TaskLock::take`].
    pub fn wait(checkpoints: &Checkpoints, task: &TaskId, timeout: Duration) -> Result<TaskLock, LockError> {
        let deadline = Instant::now() + timeout;
        loop {
            match TaskLock::take(checkpoints, task) {
                Err(LockError::Held(_)) if Instant::now() < deadline => std::thread::sleep(INTERVAL),
                taken => return taken,
            }
        }
    }

    /// Locks the directory of a task.
    ///
    /// # Errors
    /// Another process has it, or the directory of states cannot be written.
    pub fn take(checkpoints: &Checkpoints, task: &TaskId) -> Result<TaskLock, LockError> {
        let opened = private_files::open_lock(&checkpoints.beside(task, "lock"));
        let file = opened.map_err(|error| LockError::File(task.clone(), error))?;
        match file.try_lock() {
            Ok(()) => Ok(TaskLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held(task.clone())),
            Err(TryLockError::Error(error)) => Err(LockError::File(task.clone(), error)),
        }
    }
}
