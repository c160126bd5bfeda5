//! A record of the in-process log, and a partition of them.

use std::collections::VecDeque;
use std::sync::Arc;

/// A record as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Milliseconds since the epoch, if the writer gave one.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Arc<[u8]>>,
    /// The value.
    pub value: Option<Arc<[u8]>>,
    /// Headers: name and value.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl StoredRecord {
    /// The value of the last header with this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut headers = self.headers.iter().rev();
        headers
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_slice())
    }
}

/// One partition: what was not forgotten yet, and the offset of the first of it.
#[derive(Default)]
pub(crate) struct StoredPartition {
    pub(crate) low: i64,
    pub(crate) records: VecDeque<StoredRecord>,
}

impl StoredPartition {
    pub(crate) fn end(&self) -> i64 {
        self.low + self.records.len() as i64
    }

    pub(crate) fn get(&self, offset: i64) -> Option<&StoredRecord> {
        self.records.get(usize::try_from(offset - self.low).ok()?)
    }

    pub(crate) fn trim(&mut self, offset: i64) {
        while self.low < offset && self.records.pop_front().is_some() {
            self.low += 1;
        }
    }
}
