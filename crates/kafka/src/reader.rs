//! One partition that is being read: its queue, and how far it has been taken.

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use riskstream_pipeline::log::{LogError, RecordRef, TopicPartition};

use crate::consumer::{GroupConsumer, GroupContext};
use crate::failure;
use crate::native;
use crate::signal::Signal;

/// A lent record larger than this gives its memory back with the next one.
const LENT_KEPT: usize = 1 << 20;

/// The bytes of the record that is lent out. They are copied: some ten nanoseconds for a record of the
/// usual size, and no lifetime has to be bent.
#[derive(Debug, Default)]
pub(crate) struct Lent {
    bytes: Vec<u8>,
}

impl Lent {
    fn set<'a>(&'a mut self, message: &impl Message) -> RecordRef<'a> {
        self.bytes.clear();
        if self.bytes.capacity() > LENT_KEPT {
            self.bytes.shrink_to(LENT_KEPT);
        }
        let key = message.key();
        let value = message.payload();
        self.bytes.extend_from_slice(key.unwrap_or_default());
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value.unwrap_or_default());
        RecordRef {
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key: key.map(|_| &self.bytes[..middle]),
            value: value.map(|_| &self.bytes[middle..]),
        }
    }
}

/// A partition's own queue of fetched records.
pub(crate) struct Reader {
    queue: PartitionQueue<GroupContext>,
    name: CString,
    /// Set by librdkafka when the empty queue gets something.
    arrived: Arc<AtomicBool>,
    /// The owner has taken a record since the last wait and not yet found the queue empty.
    taking: bool,
    /// Something has come since the position was last compared with librdkafka's.
    unsettled: bool,
    /// librdkafka has told that there is no further record at the position.
    at_end: bool,
    position: i64,
}

impl Reader {
    /// Splits the partition's queue off the consumer's, which has to be done before it is assigned:
    /// otherwise the first records may go to the consumer's queue.
    pub(crate) fn new(
        consumer: &Arc<GroupConsumer>,
        partition: &TopicPartition,
        position: i64,
        signal: &Arc<Signal>,
    ) -> Result<Self, LogError> {
        let invalid = || LogError::Fatal(format!("{partition} is no partition of Kafka"));
        let name = CString::new(partition.topic.as_ref()).map_err(|_| invalid())?;
        let mut queue = consumer
            .split_partition_queue(&partition.topic, partition.partition)
            .ok_or_else(invalid)?;
        let arrived = Arc::new(AtomicBool::new(false));
        let (flag, signal) = (Arc::clone(&arrived), Arc::clone(signal));
        queue.set_nonempty_callback(move || {
            flag.store(true, Ordering::Release);
            signal.raise();
        });
        Ok(Self {
            queue,
            name,
            arrived,
            taking: false,
            unsettled: true,
            at_end: false,
            position,
        })
    }

    /// Reading goes on at `position`.
    pub(crate) fn moved_to(&mut self, position: i64) {
        self.position = position;
        self.at_end = false;
        self.unsettled = true;
        self.taking = false;
    }

    pub(crate) fn position(&self) -> i64 {
        self.position
    }

    /// Whether there may be something that the owner does not know of: it came since the last wait, or the
    /// owner stopped taking before the queue was empty. Asking resets it.
    pub(crate) fn has_news(&mut self) -> bool {
        let taking = std::mem::take(&mut self.taking);
        self.arrived.swap(false, Ordering::Acquire) || taking
    }

    /// Records known to lie behind the position.
    pub(crate) fn lag(&self, consumer: &GroupConsumer, partition: &TopicPartition) -> Option<i64> {
        if self.at_end {
            return Some(0);
        }
        let end = native::cached_end(consumer.client(), &self.name, partition.partition)?;
        Some((end - self.position).max(0))
    }

    /// The next record, if one is here.
    pub(crate) fn take<'a>(
        &mut self,
        consumer: &GroupConsumer,
        partition: &TopicPartition,
        lent: &'a mut Lent,
    ) -> Result<Option<RecordRef<'a>>, LogError> {
        self.unsettled |= self.arrived.swap(false, Ordering::Acquire);
        loop {
            match self.queue.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    self.position = message.offset() + 1;
                    self.taking = true;
                    self.unsettled = true;
                    self.at_end = false;
                    return Ok(Some(lent.set(&message)));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.settle(consumer, partition);
                    self.at_end = true;
                }
                Some(Err(error)) => return Err(self.failed(consumer, partition, &error)),
                None => {
                    self.taking = false;
                    self.settle(consumer, partition);
                    return Ok(None);
                }
            }
        }
    }

    /// Moves the position over the transaction markers that were in the queue: they are not records, but
    /// without this a drained topic of transactions would seem to lag forever.
    fn settle(&mut self, consumer: &GroupConsumer, partition: &TopicPartition) {
        if !std::mem::take(&mut self.unsettled) {
            return;
        }
        let passed = native::position(consumer.client(), &partition.topic, partition.partition);
        self.position = self.position.max(passed.unwrap_or(self.position));
    }

    fn failed(&self, consumer: &GroupConsumer, partition: &TopicPartition, error: &KafkaError) -> LogError {
        let gone = [Code::AutoOffsetReset, Code::OffsetOutOfRange];
        if !error.rdkafka_error_code().is_some_and(|code| gone.contains(&code)) {
            return failure::of_request(&format!("reading {partition}"), error);
        }
        let timeout = Duration::from_secs(5);
        match consumer.fetch_watermarks(&partition.topic, partition.partition, timeout) {
            Ok((low, _)) => LogError::OutOfRange {
                partition: partition.clone(),
                position: self.position,
                low,
            },
            Err(error) => failure::of_request(&format!("reading {partition}"), &error),
        }
    }
}
