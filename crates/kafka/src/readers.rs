//! The partitions that are read: their fetchers, and a queue for each.

use std::collections::HashMap;
use std::sync::Arc;

use riskstream_pipeline::log::{LogError, RecordRef, TopicPartition};

use crate::connection::Connection;
use crate::fetchers::Fetchers;
use crate::options::KafkaOptions;
use crate::reader::{Reader, RecordBuffer};
use crate::requests::REQUEST_TIMEOUT;
use crate::signal::Signal;

/// See the module.
pub(crate) struct Readers {
    readers: HashMap<TopicPartition, Reader>,
    fetchers: Fetchers,
    buffer: RecordBuffer,
    signal: Arc<Signal>,
}

impl Readers {
    /// Reads nothing yet. `signal` is raised when something arrives.
    pub(crate) fn new(
        options: &KafkaOptions,
        connection: &Arc<Connection>,
        signal: &Arc<Signal>,
    ) -> Result<Readers, LogError> {
        Ok(Readers {
            readers: HashMap::new(),
            fetchers: Fetchers::new(options, Arc::clone(connection))?,
            buffer: RecordBuffer::new(&options.headers),
            signal: Arc::clone(signal),
        })
    }

    /// Runs pending callbacks. Never blocks.
    pub(crate) fn serve(&self) {
        self.fetchers.serve();
    }

    /// Whether there may be a record that the owner has not seen. Calling resets this.
    pub(crate) fn have_unseen_records(&mut self) -> bool {
        let mut have_unseen = false;
        for reader in self.readers.values_mut() {
            // No short circuit: the call resets each reader.
            have_unseen |= reader.has_unseen_records();
        }
        have_unseen
    }

    /// Reads partitions from these positions on.
    pub(crate) fn start(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        let (mut added, mut moved) = (Vec::new(), Vec::new());
        for (partition, position) in positions {
            match self.readers.get_mut(partition) {
                Some(reader) => {
                    reader.moved_to(*position);
                    moved.push((partition, *position));
                }
                None => {
                    let consumer = self.fetchers.add(partition)?;
                    let reader = Reader::new(consumer, partition, *position, &self.signal)?;
                    self.readers.insert(partition.clone(), reader);
                    added.push((partition, *position));
                }
            }
        }
        self.fetchers.start(&added)?;
        self.fetchers.seek(&moved, REQUEST_TIMEOUT)
    }

    /// Reads these partitions no more.
    pub(crate) fn stop(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        let stopped: Vec<_> = partitions
            .iter()
            .filter(|partition| self.readers.remove(partition).is_some())
            .collect();
        self.fetchers.remove(&stopped)
    }

    /// As [`Log::take`](riskstream_pipeline::log::Log::take).
    pub(crate) fn take(&mut self, partition: &TopicPartition) -> Result<Option<RecordRef<'_>>, LogError> {
        match self.readers.get_mut(partition) {
            Some(reader) => reader.take(&mut self.buffer),
            None => Ok(None),
        }
    }

    /// Whether something may be in the queue of a partition.
    pub(crate) fn has_records(&self, partition: &TopicPartition) -> bool {
        self.readers.get(partition).is_some_and(Reader::has_records)
    }

    /// The position up to which records were taken.
    pub(crate) fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.readers.get(partition).map(Reader::position)
    }

    /// The number of records known to follow the position.
    pub(crate) fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        self.readers.get(partition)?.lag()
    }
}
