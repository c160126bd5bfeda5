//! Who this copy is: a name for transactions that is unique and stays the same after a restart.
//!
//! A transactional id that stays the same lets a restarted worker end what its predecessor left open, at once; one
//! that two living workers share would make them fence each other for ever. So the state directory gets a random id
//! once, and each worker takes the first slot number in it that nobody has locked. The system lets go of the lock
//! when the process ends, however it ends. Even without this (a lost directory) a worker that was given up cannot
//! write: the group's generation travels with each commit and fences it; only readers wait until its open
//! transaction times out.

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

const ID_FILE: &str = "instance";
/// More copies than this do not share one state directory.
const MOST_SLOTS: usize = 1024;

/// This process's share of a state directory, until dropped.
#[derive(Debug)]
pub struct Instance {
    id: String,
    slots: Vec<(usize, File)>,
}

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the state directory {} cannot be used: {error}; choose another with --state-dir DIR", path.display())]
pub struct InstanceError {
    path: PathBuf,
    error: io::Error,
}

impl Instance {
    /// Takes `workers` slots of `directory`, which is made if it is not there.
    ///
    /// # Errors
    /// The directory cannot be made or written.
    pub fn claim(directory: &Path, workers: usize) -> Result<Instance, InstanceError> {
        claim(directory, workers).map_err(|error| InstanceError {
            path: directory.to_owned(),
            error,
        })
    }

    /// The directory's id, 16 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The slot of a worker of this process.
    pub fn slot(&self, worker: usize) -> usize {
        self.slots[worker].0
    }
}

fn claim(directory: &Path, workers: usize) -> io::Result<Instance> {
    std::fs::create_dir_all(directory)?;
    let id = read_or_make_id(directory)?;
    let mut slots = Vec::with_capacity(workers);
    for number in 0..MOST_SLOTS {
        if slots.len() == workers {
            break;
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join(format!("worker-{number}.lock")))?;
        match file.try_lock() {
            Ok(()) => slots.push((number, file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    if slots.len() < workers {
        return Err(io::Error::other(format!("more than {MOST_SLOTS} workers share it")));
    }
    Ok(Instance { id, slots })
}

/// Under a lock, so that copies that start at the same time agree.
fn read_or_make_id(directory: &Path) -> io::Result<String> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join("instance.lock"))?;
    lock.lock()?;
    let path = directory.join(ID_FILE);
    if let Ok(id) = std::fs::read_to_string(&path) {
        let id = id.trim();
        if id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(id.to_owned());
        }
    }
    let id = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
    let fresh = directory.join("instance.new");
    std::fs::write(&fresh, format!("{id}\n"))?;
    std::fs::rename(fresh, path)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_that_share_a_directory_have_slots_of_their_own() {
        let directory = tempfile::tempdir().unwrap();
        let first = Instance::claim(directory.path(), 2).unwrap();
        let second = Instance::claim(directory.path(), 1).unwrap();
        assert_eq!((first.slot(0), first.slot(1), second.slot(0)), (0, 1, 2));
        assert_eq!(first.id(), second.id());
    }

    #[test]
    fn a_restart_takes_the_same_name() {
        let directory = tempfile::tempdir().unwrap();
        let first = Instance::claim(directory.path(), 1).unwrap();
        let name = (first.id().to_owned(), first.slot(0));
        drop(first);
        let second = Instance::claim(directory.path(), 1).unwrap();
        assert_eq!((second.id().to_owned(), second.slot(0)), name);
    }

    #[test]
    fn directories_have_names_of_their_own() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, other) = (
            Instance::claim(one.path(), 1).unwrap(),
            Instance::claim(other.path(), 1).unwrap(),
        );
        assert_ne!(one.id(), other.id());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_that_names_the_flag() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Instance::claim(&file.path().join("state"), 1).unwrap_err().to_string();
        assert!(
            error.contains("--state-dir DIR") && error.contains("Not a directory"),
            "{error}"
        );
    }
}
