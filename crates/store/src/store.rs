//! The state of one task in one RocksDB.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use riskstream_features::state::{StateError, StateStore, StateWrites, Visit};
use rocksdb::{DB, Direction, IteratorMode, WriteBatch, WriteOptions};

use crate::checkpoint::CheckpointSource;
use crate::error::OpenError;
use crate::options::{StoreOptions, database};
use crate::private::create_directory;

/// The prefix of the store's own keys.
const RESERVED_PREFIX: &[u8] = b"\xff\xffriskstream/";
const POSITION: &[u8] = b"\xff\xffriskstream/position";
const FINGERPRINT: &[u8] = b"\xff\xffriskstream/fingerprint";

/// The state of one task in its own directory.
///
/// Dropping it flushes buffers to files, so that the next opening has no log to read. Without that nothing is lost.
pub struct RocksStore {
    database: Arc<DB>,
    path: PathBuf,
    position: Option<i64>,
    writing: WriteOptions,
}

impl RocksStore {
    /// Opens the state in `path`, or creates an empty one.
    ///
    /// # Errors
    /// See [`OpenError`]. While another process has the state open the error is `Locked`; the caller may retry.
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        create_directory(path).map_err(|error| OpenError::of_io(path, &error))?;
        probe(path).map_err(|error| OpenError::of_io(path, &error))?;
        let failed = |error: rocksdb::Error| OpenError::of_rocksdb(path, &error);
        let database = DB::open(&database(&options.memory), path).map_err(failed)?;
        if is_empty(&database).map_err(failed)? {
            let mut durable = WriteOptions::default();
            durable.set_sync(true);
            database
                .put_opt(FINGERPRINT, options.fingerprint.as_bytes(), &durable)
                .map_err(failed)?;
        }
        Self::of(database, path, options)
    }

    /// Opens the state in `path` to read it: nothing in the directory changes, and it is not locked.
    ///
    /// # Errors
    /// See [`OpenError`]. Without a state it is `Corrupt`.
    pub fn open_to_read(path: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        let mut reading = database(&options.memory);
        reading.create_if_missing(false);
        let database = DB::open_for_read_only(&reading, path, false);
        Self::of(
            database.map_err(|error| OpenError::of_rocksdb(path, &error))?,
            path,
            options,
        )
    }

    /// The state in an open database.
    fn of(database: DB, path: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        let failed = |error: rocksdb::Error| OpenError::of_rocksdb(path, &error);
        match database.get(FINGERPRINT).map_err(failed)? {
            Some(found) if found == options.fingerprint.as_bytes() => {}
            Some(found) => return Err(other_layout(path, &found, options)),
            None => return Err(other_layout(path, b"none", options)),
        }
        let position = match database.get(POSITION).map_err(failed)? {
            None => None,
            Some(bytes) => Some(decode(&bytes).ok_or_else(|| OpenError::Corrupt {
                path: path.to_owned(),
                why: format!("a position of {} bytes", bytes.len()),
            })?),
        };
        Ok(Self {
            database: Arc::new(database),
            path: path.to_owned(),
            position,
            writing: WriteOptions::default(),
        })
    }

    /// The same store without a write-ahead log, for state that need not outlive the process: a crash loses what is still in
    /// buffers.
    pub fn without_log(mut self) -> Self {
        self.writing.disable_wal(true);
        self
    }

    /// Flushes buffers to files.
    pub fn flush(&self) -> Result<(), StateError> {
        self.database.flush().map_err(|error| self.failed(&error))
    }

    /// What checkpoints are made of, also on another thread, for as long as this store is open.
    pub fn checkpoint_source(&self) -> CheckpointSource {
        CheckpointSource::new(&self.database, self.path.clone())
    }

    fn failed(&self, error: &rocksdb::Error) -> StateError {
        failed(&self.path, error)
    }
}

impl StateStore for RocksStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.database.get(key).map_err(|error| self.failed(&error))
    }

    fn visit(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), StateError> {
        for pair in self.database.iterator(IteratorMode::From(prefix, Direction::Forward)) {
            let (key, value) = pair.map_err(|error| self.failed(&error))?;
            if !key.starts_with(prefix) {
                break;
            }
            if !key.starts_with(RESERVED_PREFIX) && visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn position(&self) -> Result<Option<i64>, StateError> {
        Ok(self.position)
    }

    fn write(&mut self, writes: &StateWrites, position: i64) -> Result<(), StateError> {
        let mut batch = WriteBatch::default();
        for (key, value) in writes.iter() {
            if key.starts_with(RESERVED_PREFIX) {
                return Err(StateError::Store("a key is reserved to the store".to_owned()));
            }
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        batch.put(POSITION, position.to_le_bytes());
        let written = self.database.write_opt(batch, &self.writing);
        written.map_err(|error| self.failed(&error))?;
        self.position = Some(position);
        Ok(())
    }

    fn size(&self) -> u64 {
        ["rocksdb.total-sst-files-size", "rocksdb.cur-size-all-mem-tables"]
            .into_iter()
            .filter_map(|name| self.database.property_int_value(name).ok().flatten())
            .sum()
    }
}

/// An error with RocksDB's text, which names files and reasons, but no keys or values.
pub(crate) fn failed(path: &Path, error: &rocksdb::Error) -> StateError {
    StateError::Store(format!("{}: {error}", path.display()))
}

impl Drop for RocksStore {
    fn drop(&mut self) {
        // Only for a quick start: the write-ahead log contains all writes. Without a log RocksDB flushes at closing anyway.
        let _ = self.database.flush();
    }
}

/// Tests whether a file can be created in the directory. RocksDB's own error for this is less clear.
fn probe(path: &Path) -> std::io::Result<()> {
    let file = path.join("riskstream.probe");
    fs::write(&file, b"probe")?;
    fs::remove_file(&file)
}

fn is_empty(database: &DB) -> Result<bool, rocksdb::Error> {
    Ok(database.iterator(IteratorMode::Start).next().transpose()?.is_none())
}

fn other_layout(path: &Path, found: &[u8], options: &StoreOptions) -> OpenError {
    OpenError::OtherLayout {
        path: path.to_owned(),
        found: String::from_utf8_lossy(found).into_owned(),
        expected: options.fingerprint.clone(),
    }
}

fn decode(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_le_bytes(bytes.try_into().ok()?))
}
