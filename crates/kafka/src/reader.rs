//! The reader of one partition: its queue, and the position up to which records have been taken.

use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use riskstream_pipeline::log::{LogError, RecordRef, SCHEMA_ID_HEADER, TopicPartition};

use crate::errors;
use crate::fetchers::{FetchConsumer, FetchContext};
use crate::native;
use crate::rights::Right;
use crate::signal::Signal;

/// A buffer larger than this is shrunk with the next record.
const MAX_KEPT_CAPACITY: usize = 1 << 20;

/// The name of the one header that is always read.
const SCHEMA_ID: &CStr = c"__value_schema_id";
const _: () = assert!(SCHEMA_ID.count_bytes() == SCHEMA_ID_HEADER.len());

/// A copy of the record that was taken last. Copying takes about ten nanoseconds for a record of usual size, and
/// avoids a borrow of librdkafka's message.
#[derive(Debug, Default)]
pub(crate) struct RecordBuffer {
    bytes: Vec<u8>,
    /// The names of headers that are read.
    names: Vec<CString>,
    headers: Vec<Option<Vec<u8>>>,
}

impl RecordBuffer {
    /// For records of which the headers with these names are read. A name with a zero byte is none that a record can have.
    pub(crate) fn new(headers: &[String]) -> RecordBuffer {
        RecordBuffer {
            names: headers
                .iter()
                .map(|name| CString::new(name.as_str()).unwrap_or_default())
                .collect(),
            ..RecordBuffer::default()
        }
    }

    fn set<'a>(&'a mut self, message: &BorrowedMessage<'_>) -> RecordRef<'a> {
        self.bytes.clear();
        if self.bytes.capacity() > MAX_KEPT_CAPACITY {
            self.bytes.shrink_to(MAX_KEPT_CAPACITY);
        }
        let key = message.key();
        let value = message.payload();
        let schema_id = native::last_header(message, SCHEMA_ID);
        self.bytes.extend_from_slice(key.unwrap_or_default());
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(value.unwrap_or_default());
        let value_end = self.bytes.len();
        self.bytes.extend_from_slice(schema_id.unwrap_or_default());
        self.headers.clear();
        let headers = self.names.iter().map(|name| native::last_header(message, name));
        self.headers.extend(headers.map(|value| value.map(<[u8]>::to_vec)));
        RecordRef {
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key: key.map(|_| &self.bytes[..key_end]),
            value: value.map(|_| &self.bytes[key_end..value_end]),
            schema_id: schema_id.map(|_| &self.bytes[value_end..]),
            headers: &self.headers,
        }
    }
}

/// A partition's own queue of fetched records.
pub(crate) struct Reader {
    queue: PartitionQueue<FetchContext>,
    consumer: Arc<FetchConsumer>,
    partition: TopicPartition,
    name: CString,
    /// Set by librdkafka when the queue was empty and receives something.
    arrived: Arc<AtomicBool>,
    /// Whether the owner has taken a record since the last wait and not yet found the queue empty.
    taking: bool,
    /// Whether the queue was found empty and nothing has arrived since.
    is_empty: bool,
    /// Whether something has arrived since the position was last compared with librdkafka's.
    is_position_stale: bool,
    /// Whether librdkafka has reported the end of the partition at the position.
    at_end: bool,
    position: i64,
}

impl Reader {
    /// Splits the partition's queue off the consumer's. This must happen before the partition is assigned, otherwise
    /// the first records may go to the consumer's queue.
    pub(crate) fn new(
        consumer: Arc<FetchConsumer>,
        partition: &TopicPartition,
        position: i64,
        signal: &Arc<Signal>,
    ) -> Result<Self, LogError> {
        let invalid = || LogError::Fatal(format!("{partition} is not a partition of Kafka"));
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
            consumer,
            partition: partition.clone(),
            name,
            arrived,
            taking: false,
            is_empty: false,
            is_position_stale: true,
            at_end: false,
            position,
        })
    }

    /// Continues at `position`.
    pub(crate) fn moved_to(&mut self, position: i64) {
        self.position = position;
        self.at_end = false;
        self.is_position_stale = true;
        self.is_empty = false;
        self.taking = false;
    }

    pub(crate) fn position(&self) -> i64 {
        self.position
    }

    /// Whether there may be a record that the owner has not seen: one arrived since the last call, or the owner stopped
    /// taking before the queue was empty. Calling resets this.
    pub(crate) fn has_unseen_records(&mut self) -> bool {
        let taking = std::mem::take(&mut self.taking);
        self.see_arrivals() || taking
    }

    /// Whether something may be in the queue.
    pub(crate) fn has_records(&self) -> bool {
        !self.is_empty || self.arrived.load(Ordering::Acquire)
    }

    fn see_arrivals(&mut self) -> bool {
        let arrived = self.arrived.swap(false, Ordering::Acquire);
        // As `|=` and `&=`, inlined into a loop over all readers, rustc 1.95 (x86-64) compiles this as if all had arrivals.
        if arrived {
            self.is_position_stale = true;
            self.is_empty = false;
        }
        arrived
    }

    /// The number of records known to follow the position.
    pub(crate) fn lag(&self) -> Option<i64> {
        if self.at_end {
            return Some(0);
        }
        let end = native::cached_end(self.consumer.client(), &self.name, self.partition.partition)?;
        Some((end - self.position).max(0))
    }

    /// The next record, if one has been fetched.
    pub(crate) fn take<'a>(&mut self, buffer: &'a mut RecordBuffer) -> Result<Option<RecordRef<'a>>, LogError> {
        self.see_arrivals();
        loop {
            match self.queue.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    self.position = message.offset() + 1;
                    self.taking = true;
                    self.is_position_stale = true;
                    self.at_end = false;
                    return Ok(Some(buffer.set(&message)));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.pass_markers();
                    self.at_end = true;
                }
                Some(Err(error)) => return Err(self.failed(&error)),
                None => {
                    self.taking = false;
                    self.is_empty = true;
                    self.pass_markers();
                    return Ok(None);
                }
            }
        }
    }

    /// Moves the position over the transaction markers in the queue. They are not records; without this a topic of
    /// transactions that has been read completely would keep a lag.
    fn pass_markers(&mut self) {
        if !std::mem::take(&mut self.is_position_stale) {
            return;
        }
        let passed = native::position(self.consumer.client(), &self.partition.topic, self.partition.partition);
        self.position = self.position.max(passed.unwrap_or(self.position));
    }

    fn failed(&self, error: &KafkaError) -> LogError {
        let partition = &self.partition;
        if !errors::is_out_of_range(error) {
            return Right::Read(&partition.topic).request_error(&format!("reading {partition}"), error);
        }
        let timeout = Duration::from_secs(5);
        match self
            .consumer
            .fetch_watermarks(&partition.topic, partition.partition, timeout)
        {
            Ok((low, _)) => LogError::OutOfRange {
                partition: partition.clone(),
                position: self.position,
                low,
            },
            Err(error) => Right::Read(&partition.topic).request_error(&format!("reading {partition}"), &error),
        }
    }
}
