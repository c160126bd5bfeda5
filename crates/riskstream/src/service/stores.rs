//! Where tasks keep their state: one RocksDB each, `<state directory>/<pipeline>/<entity>-<partition>`.

use riskstream_features::state::{StateError, StateStore};
use riskstream_pipeline::Stores;
use riskstream_store::{OpenError, RocksStore, SharedMemory, StoreOptions};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// When a partition moves between copies that share a directory, the one before is about to close its state. If
/// it takes longer, the worker goes on with its other partitions and tries again later.
const HANDOVER: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Opens tasks' state in one directory, with memory that all tasks of the process share.
#[derive(Clone)]
pub(super) struct RocksStores {
    pub(super) directory: PathBuf,
    pub(super) memory: SharedMemory,
}

impl Stores for RocksStores {
    fn open(&mut self, stage: &str, partition: i32, fingerprint: &str) -> Result<Box<dyn StateStore>, StateError> {
        let path = self.directory.join(format!("{stage}-{partition}"));
        let options = StoreOptions {
            memory: self.memory.clone(),
            fingerprint: fingerprint.to_owned(),
        };
        let deadline = Instant::now() + HANDOVER;
        loop {
            match RocksStore::open(&path, &options) {
                Err(OpenError::Locked { .. }) if Instant::now() < deadline => std::thread::sleep(LOOK_AGAIN),
                opened => return Ok(Box::new(opened?)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use riskstream_features::state::StateWrites;

    #[test]
    fn state_is_found_again_and_waits_for_its_former_owner() {
        let directory = tempfile::tempdir().unwrap();
        let mut stores = RocksStores {
            directory: directory.path().to_owned(),
            memory: SharedMemory::default(),
        };
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
