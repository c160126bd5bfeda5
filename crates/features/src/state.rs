//! The interface of a store: point reads as of the last commit, and batches of writes that are applied atomically together
//! with their position.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Why state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store failed: disk full, read-only, closed.
    #[error("state store: {0}")]
    Store(String),
    /// Bytes that another version wrote, or that are damaged.
    #[error("state of {what} cannot be read: {why}")]
    Corrupt {
        /// Which part of the state. Never contains a key.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The writes of one batch, in order, in one buffer.
#[derive(Debug, Default)]
pub struct StateWrites {
    bytes: Vec<u8>,
    operations: Vec<(usize, usize, Option<usize>)>,
}

impl StateWrites {
    /// Sets `key` to the bytes that `value` appends to its buffer.
    pub fn put(&mut self, key: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        value(&mut self.bytes);
        self.operations.push((start, middle, Some(self.bytes.len())));
    }

    /// Removes `key`.
    pub fn delete(&mut self, key: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.operations.push((start, self.bytes.len(), None));
    }

    /// The writes in order: each key with its new value, or `None` for a deletion.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.operations
            .iter()
            .map(|&(start, middle, end)| (&self.bytes[start..middle], end.map(|end| &self.bytes[middle..end])))
    }

    /// Number of writes.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Removes all writes and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.operations.clear();
    }
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// What is done with each pair that is visited: its key and its value.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// One task's durable state. Reads are as of the last [`StateStore::write`].
pub trait StateStore: Send {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;

    /// Visits the pairs whose key begins with `prefix`, ordered by key, until `visit` breaks off.
    fn visit(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), StateError>;

    /// All pairs whose key begins with `prefix`, ordered by key. Meant for small sets.
    fn scan(&self, prefix: &[u8]) -> Result<Vec<Pair>, StateError> {
        let mut pairs = Vec::new();
        self.visit(prefix, &mut |key, value| {
            pairs.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok(pairs)
    }

    /// The position of the state: the next offset to apply. `None` for a new state.
    fn position(&self) -> Result<Option<i64>, StateError>;

    /// Applies `writes` and the new position atomically.
    fn write(&mut self, writes: &StateWrites, position: i64) -> Result<(), StateError>;

    /// Approximate size in bytes.
    fn size(&self) -> u64;
}

/// State in memory: for the test driver, the demo and the tools that work on files.
#[derive(Clone, Debug, Default)]
pub struct MemoryState {
    map: BTreeMap<Vec<u8>, Vec<u8>>,
    position: Option<i64>,
}

impl StateStore for MemoryState {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.map.get(key).cloned())
    }

    fn visit(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), StateError> {
        let pairs = self.map.range(prefix.to_vec()..);
        for (key, value) in pairs.take_while(|(key, _)| key.starts_with(prefix)) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn position(&self) -> Result<Option<i64>, StateError> {
        Ok(self.position)
    }

    fn write(&mut self, writes: &StateWrites, position: i64) -> Result<(), StateError> {
        for (key, value) in writes.iter() {
            match value {
                Some(value) => self.map.insert(key.to_vec(), value.to_vec()),
                None => self.map.remove(key),
            };
        }
        self.position = Some(position);
        Ok(())
    }

    fn size(&self) -> u64 {
        self.map
            .iter()
            .map(|(key, value)| (key.len() + value.len()) as u64)
            .sum()
    }
}
