//! Reads the committed records of a topic once: from its beginning or a time on, up to its end at the start; or given spans of
//! its offsets. Joins no group and commits nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, Offset, TopicPartitionList};
use riskstream_pipeline::log::{LogError, TopicPartition};

use crate::errors;
use crate::groupless::{self, GrouplessConsumer};
use crate::options::KafkaOptions;
use crate::rights::Right;
use crate::spans::{Span, TimeRange, spans_of};

const TIMEOUT: Duration = Duration::from_secs(20);
/// The scan fails after this time without a message from any partition.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A topic that is being read once.
pub struct TopicScan {
    consumer: GrouplessConsumer,
    topic: String,
    /// The partitions that are not read completely, with the offsets yet to be read.
    remaining: BTreeMap<i32, Span>,
    total: u64,
    last_message: Instant,
}

/// A record, with all that the topic holds of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannedRecord {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The log's timestamp in milliseconds since the epoch, if it has one.
    pub timestamp: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; a tombstone has none.
    pub value: Option<Vec<u8>>,
    /// Names and values of its headers, in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl ScannedRecord {
    fn new(message: &BorrowedMessage<'_>) -> ScannedRecord {
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        let headers = headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)));
        ScannedRecord {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.collect(),
        }
    }
}

/// The result of [`TopicScan::next`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// A record.
    Record(ScannedRecord),
    /// Nothing arrived in time.
    Nothing,
    /// The whole topic has been read.
    End,
}

impl TopicScan {
    /// Starts to read `topic`. Skips the records at the beginning of each partition whose timestamps are before `since`
    /// (milliseconds since 1970).
    ///
    /// # Errors
    /// `Unavailable`: no broker answers. `Fatal`: a setting is wrong, the topic does not exist, or this client may not
    /// read it.
    pub fn begin(options: &KafkaOptions, topic: &str, since: Option<i64>) -> Result<TopicScan, LogError> {
        let consumer = groupless::consumer(options)?;
        groupless::reach(&consumer)?;
        let written = TimeRange { since, until: None };
        let spans = spans_of(&consumer, topic, written, TIMEOUT)?;
        TopicScan::read(consumer, topic, (0..).zip(spans).collect())
    }

    /// The same for one partition, which `choose` is asked for: it is given how many there are.
    ///
    /// # Errors
    /// See [`TopicScan::begin`].
    pub fn of_partition(
        options: &KafkaOptions,
        topic: &str,
        since: Option<i64>,
        choose: impl FnOnce(i32) -> i32,
    ) -> Result<TopicScan, LogError> {
        let consumer = groupless::consumer(options)?;
        groupless::reach(&consumer)?;
        let written = TimeRange { since, until: None };
        let mut spans: BTreeMap<i32, Span> = (0..).zip(spans_of(&consumer, topic, written, TIMEOUT)?).collect();
        let chosen = choose(spans.len() as i32);
        spans.retain(|partition, _| *partition == chosen);
        TopicScan::read(consumer, topic, spans)
    }

    /// Starts to read these spans of partitions of `topic`. Other than [`TopicScan::begin`], it fails if a record between the
    /// bounds of a span was deleted by retention before it was read.
    ///
    /// # Errors
    /// See [`TopicScan::begin`].
    pub fn of_spans(options: &KafkaOptions, topic: &str, spans: BTreeMap<i32, Span>) -> Result<TopicScan, LogError> {
        let consumer = groupless::gapless_consumer(options)?;
        groupless::reach(&consumer)?;
        TopicScan::read(consumer, topic, spans)
    }

    fn read(
        consumer: GrouplessConsumer,
        topic: &str,
        mut remaining: BTreeMap<i32, Span>,
    ) -> Result<TopicScan, LogError> {
        let what = format!("looking up the offsets of {topic}");
        let failed = |error| Right::Read(topic).request_error(&what, &error);
        remaining.retain(|_, span| !span.is_empty());
        let mut assignment = TopicPartitionList::new();
        for (partition, span) in &remaining {
            let offset = Offset::Offset(span.begin);
            assignment
                .add_partition_offset(topic, *partition, offset)
                .map_err(failed)?;
        }
        consumer.assign(&assignment).map_err(failed)?;
        let mut scan = TopicScan {
            consumer,
            topic: topic.to_owned(),
            remaining,
            total: 0,
            last_message: Instant::now(),
        };
        scan.total = scan.remaining();
        Ok(scan)
    }

    /// The number of offsets to read, including transaction markers.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The number of offsets yet to be read.
    pub fn remaining(&self) -> u64 {
        self.remaining.values().map(Span::len).sum()
    }

    /// The next record of any partition. Waits for at most `timeout`.
    ///
    /// # Errors
    /// `Unavailable`: nothing has arrived for 30 s. `OutOfRange`: of given spans, a record is gone. `Fatal`: this client may not
    /// read the topic.
    pub fn next(&mut self, timeout: Duration) -> Result<Scanned, LogError> {
        if self.remaining.is_empty() {
            return Ok(Scanned::End);
        }
        match self.consumer.poll(timeout) {
            Some(Ok(message)) => {
                self.last_message = Instant::now();
                let (partition, offset) = (message.partition(), message.offset());
                let Some(span) = self.remaining.get_mut(&partition) else {
                    return Ok(Scanned::Nothing);
                };
                let is_within = offset < span.end;
                span.begin = offset + 1;
                let is_last = span.is_empty();
                let record = is_within.then(|| ScannedRecord::new(&message));
                drop(message);
                if is_last {
                    self.finish(partition)?;
                }
                Ok(record.map_or(Scanned::Nothing, Scanned::Record))
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.last_message = Instant::now();
                self.finish(partition)?;
                Ok(Scanned::Nothing)
            }
            Some(Err(error)) => match self.failed(&error) {
                error @ (LogError::Fatal(_) | LogError::OutOfRange { .. }) => Err(error),
                error => self.unless_idle(error),
            },
            None => self.unless_idle(LogError::Unavailable(format!(
                "reading {}: nothing has arrived for {} s",
                self.topic,
                IDLE_TIMEOUT.as_secs()
            ))),
        }
    }

    /// Ignores an error that librdkafka retries, until the scan has been idle for [`IDLE_TIMEOUT`].
    fn unless_idle(&self, error: LogError) -> Result<Scanned, LogError> {
        match self.last_message.elapsed() < IDLE_TIMEOUT {
            true => Ok(Scanned::Nothing),
            false => Err(error),
        }
    }

    /// Unassigns a partition that has been read completely, so that it does not delay others.
    fn finish(&mut self, partition: i32) -> Result<(), LogError> {
        if self.remaining.remove(&partition).is_none() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, partition);
        let unassigned = self.consumer.incremental_unassign(&list);
        unassigned.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &KafkaError) -> LogError {
        if errors::is_out_of_range(error)
            && let Some(gone) = self.gone()
        {
            return gone;
        }
        Right::Read(&self.topic).request_error(&format!("reading {}", self.topic), error)
    }

    /// The first partition whose next record is no longer there.
    fn gone(&self) -> Option<LogError> {
        self.remaining.iter().find_map(|(&partition, span)| {
            let (low, _) = self.consumer.fetch_watermarks(&self.topic, partition, TIMEOUT).ok()?;
            (low > span.begin).then(|| LogError::OutOfRange {
                partition: TopicPartition {
                    topic: self.topic.as_str().into(),
                    partition,
                },
                position: span.begin,
                low,
            })
        })
    }
}
