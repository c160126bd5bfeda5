//! What features need of a store: point reads as of the last commit, and a batch of writes that is
//! applied atomically together with the position it belongs to.

use std::collections::BTreeMap;

/// Why state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store failed: disk full, read-only, closed.
    #[error("state store: {0}")]
    Store(String),
    /// Bytes that this version did not write, or that were damaged.
    #[error("state of {what} cannot be read: {why}")]
    Corrupt {
        /// Which part of the state; never a key in clear.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Writes of one batch: puts and deletes in order, in one buffer.
#[derive(Debug, Default)]
pub struct StateWrites {
    bytes: Vec<u8>,
    operations: Vec<(usize, usize, Option<usize>)>,
}

impl StateWrites {
    /// Sets `key` to what `value` appends to the buffer it is given.
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

    /// The writes in order: key, and the new value or `None` for a removal.
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

    /// Forgets the writes, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.operations.clear();
    }
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// One task's durable state. Everything read is as of the last [`StateStore::write`].
pub trait StateStore: Send {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;

    /// All pairs whose key begins with `prefix`, in order of the key. For small sets, at start.
    fn scan(&self, prefix: &[u8]) -> Result<Vec<Pair>, StateError>;

    /// The position (next offset to apply) that the state stands at; `None` for a new state.
    fn position(&self) -> Result<Option<i64>, StateError>;

    /// Applies `writes` and the new position, all or nothing.
    fn write(&mut self, writes: &StateWrites, position: i64) -> Result<(), StateError>;

    /// Bytes held, about.
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

    fn scan(&self, prefix: &[u8]) -> Result<Vec<Pair>, StateError> {
        Ok(self
            .map
            .range(prefix.to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
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
