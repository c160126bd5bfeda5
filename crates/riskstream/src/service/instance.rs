//! The parts of a worker's transactional id that identify it: the id of its state directory and its slot in it.
//!
//! A worker must keep its transactional id over a restart: then it aborts the open transaction of its predecessor at
//! once. Two running workers must not share one: they would fence each other again and again. Therefore the state
//! directory gets a random id when it is created, and each worker locks the first free slot in it. The operating system
//! releases the lock when the process ends, in whatever way.
//!
//! The file of the slot counts its incarnations.
//!
//! If the directory is lost, a worker that was replaced still cannot write: each commit carries the generation of the
//! consumer group, which fences it. Readers of committed data wait until its open transaction times out.

use super::private_files;
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

const ID_FILE: &str = "instance";
/// Limit of workers that share a state directory.
const MAX_SLOTS: usize = 1024;

/// The slots of this process in a state directory. Dropping it releases them.
#[derive(Debug)]
pub struct Instance {
    directory: PathBuf,
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
    /// Locks a slot for each of `workers` workers. The directory is created if it does not exist.
    ///
    /// # Errors
    /// The directory cannot be created or written, or all slots are taken.
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

    /// The slot of worker number `worker` of this process.
    pub fn slot(&self, worker: usize) -> usize {
        self.slots[worker].0
    }

    /// Begins another incarnation of worker number `worker`, and gives its number: larger than all before.
    ///
    /// # Errors
    /// The file of the slot cannot be read or written.
    pub fn begin_incarnation(&self, worker: usize) -> Result<u64, InstanceError> {
        let (number, file) = &self.slots[worker];
        count(file).map_err(|error| InstanceError {
            path: self.directory.join(slot_file(*number)),
            error,
        })
    }
}

fn claim(directory: &Path, workers: usize) -> io::Result<Instance> {
    private_files::create_directory(directory)?;
    let id = read_or_create_id(directory)?;
    let mut slots = Vec::with_capacity(workers);
    for number in 0..MAX_SLOTS {
        if slots.len() == workers {
            break;
        }
        let file = private_files::open_lock(&directory.join(slot_file(number)))?;
        match file.try_lock() {
            Ok(()) => slots.push((number, file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    if slots.len() < workers {
        return Err(io::Error::other(format!("more than {MAX_SLOTS} workers share it")));
    }
    Ok(Instance {
        directory: directory.to_owned(),
        id,
        slots,
    })
}

fn slot_file(number: usize) -> String {
    format!("worker-{number}.lock")
}

/// Adds one to the number in a file; an empty file holds 0.
fn count(mut file: &File) -> io::Result<u64> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    let last: u64 = match text.trim() {
        "" => 0,
        number => number
            .parse()
            .map_err(|_| io::Error::other("it does not hold a number, remove it"))?,
    };
    let next = last + 1;
    file.rewind()?;
    // Of constant length, so that a write that is cut short leaves no smaller number.
    writeln!(file, "{next:020}")?;
    file.sync_data()?;
    Ok(next)
}

/// The directory's id.
fn read_or_create_id(directory: &Path) -> io::Result<String> {
    let fresh = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
    let id = private_files::read_or_create(directory, ID_FILE, &fresh)?;
    let id = id.trim();
    if id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(id.to_owned());
    }
    Err(io::Error::other(format!(
        "its file {ID_FILE} does not hold 16 hexadecimal digits"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_share_a_directory_have_different_slots() {
        let directory = tempfile::tempdir().unwrap();
        let first = Instance::claim(directory.path(), 2).unwrap();
        let second = Instance::claim(directory.path(), 1).unwrap();
        assert_eq!((first.slot(0), first.slot(1), second.slot(0)), (0, 1, 2));
        assert_eq!(first.id(), second.id());
    }

    #[test]
    fn a_restart_takes_the_same_slot() {
        let directory = tempfile::tempdir().unwrap();
        let first = Instance::claim(directory.path(), 1).unwrap();
        let name = (first.id().to_owned(), first.slot(0));
        drop(first);
        let second = Instance::claim(directory.path(), 1).unwrap();
        assert_eq!((second.id().to_owned(), second.slot(0)), name);
    }

    #[test]
    fn incarnations_are_counted_over_restarts() {
        let directory = tempfile::tempdir().unwrap();
        let first = Instance::claim(directory.path(), 2).unwrap();
        assert_eq!(first.begin_incarnation(0).unwrap(), 1);
        assert_eq!(first.begin_incarnation(0).unwrap(), 2);
        drop(first);
        let second = Instance::claim(directory.path(), 2).unwrap();
        assert_eq!(second.begin_incarnation(0).unwrap(), 3);
        assert_eq!(second.begin_incarnation(1).unwrap(), 1);
        std::fs::write(directory.path().join("worker-1.lock"), "x").unwrap();
        let error = second.begin_incarnation(1).unwrap_err().to_string();
        assert!(
            error.contains("worker-1.lock") && error.contains("not hold a number"),
            "{error}"
        );
    }

    #[test]
    fn directories_have_different_ids() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, other) = (
            Instance::claim(one.path(), 1).unwrap(),
            Instance::claim(other.path(), 1).unwrap(),
        );
        assert_ne!(one.id(), other.id());
    }

    #[test]
    fn a_directory_that_cannot_be_created_is_an_error_that_names_the_option() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Instance::claim(&file.path().join("state"), 1).unwrap_err().to_string();
        assert!(
            error.contains("--state-dir DIR") && error.contains("Not a directory"),
            "{error}"
        );
    }
}
