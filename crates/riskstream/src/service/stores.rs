//! The tasks' state stores: a RocksDB each, in `<state directory>/<pipeline>/<entity>-<partition>`.

use riskstream_features::state::{StateError, StateStore};
use riskstream_pipeline::Stores;
use riskstream_store::{OpenError, RocksStore, SharedMemory, StoreOptions};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long to wait for a store that another process has open: after a partition has moved, its previous owner is
/// about to close the store. If this is not enough, the worker goes on with other partitions and tries again later.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// Opens the stores of one pipeline. All stores of the process share their memory.
#[derive(Clone)]
pub struct RocksStores {
    directory: PathBuf,
    memory: SharedMemory,
}

impl RocksStores {
    /// Stores in `directory`.
    pub fn new(directory: PathBuf) -> RocksStores {
        RocksStores {
            directory,
            memory: SharedMemory::default(),
        }
    }
}

impl Stores for RocksStores {
    fn open(&mut self, stage: &str, partition: i32, fingerprint: &str) -> Result<Box<dyn StateStore>, StateError> {
        let path = self.directory.join(format!("{stage}-{partition}"));
        let options = StoreOptions {
            memory: self.memory.clone(),
            fingerprint: fingerprint.to_owned(),
        };
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match RocksStore::open(&path, &options) {
                Err(OpenError::Locked { .. }) if Instant::now() < deadline => std::thread::sleep(LOCK_INTERVAL),
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
