//! Reads the committed records of a topic once, from its beginning or a time on, up to its end at the start. Joins no
//! group and commits nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use riskstream_pipeline::log::LogError;

use crate::groupless::{self, GrouplessConsumer};
use crate::options::KafkaOptions;
use crate::rights::Right;
use crate::topics::partitions;

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

#[derive(Clone, Copy)]
struct Span {
    position: i64,
    end: i64,
}

/// The result of [`TopicScan::next`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// The value of a record; `None` if it has none.
    Record(Option<Vec<u8>>),
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
        let count = partitions(consumer.client(), topic, Right::Read, TIMEOUT)?
            .ok_or_else(|| LogError::Fatal(format!("there is no topic {topic}")))?;
        let what = format!("looking up the offsets of {topic}");
        let failed = |error| Right::Read(topic).request_error(&what, &error);
        let mut remaining = BTreeMap::new();
        for partition in 0..count {
            let (low, end) = consumer.fetch_watermarks(topic, partition, TIMEOUT).map_err(failed)?;
            remaining.insert(partition, Span { position: low, end });
        }
        if let Some(since) = since {
            let mut times = TopicPartitionList::new();
            for partition in remaining.keys() {
                times
                    .add_partition_offset(topic, *partition, Offset::Offset(since))
                    .map_err(failed)?;
            }
            let found = consumer.offsets_for_times(times, TIMEOUT).map_err(failed)?;
            for (partition, span) in &mut remaining {
                let first = found.find_partition(topic, *partition).map(|found| found.offset());
                span.position = match first {
                    Some(Offset::Offset(first)) => first.max(span.position),
                    _ => span.end,
                };
            }
        }
        remaining.retain(|_, span| span.position < span.end);
        let mut assignment = TopicPartitionList::new();
        for (partition, span) in &remaining {
            let offset = Offset::Offset(span.position);
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
        let spans = self.remaining.values();
        spans.map(|span| (span.end - span.position).max(0) as u64).sum()
    }

    /// The next record of any partition. Waits for at most `timeout`.
    ///
    /// # Errors
    /// `Unavailable`: nothing has arrived for 30 s. `Fatal`: this client may not read the topic.
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
                span.position = offset + 1;
                let (is_within, is_last) = (offset < span.end, span.position >= span.end);
                let value = message.payload().map(<[u8]>::to_vec);
                drop(message);
                if is_last {
                    self.finish(partition)?;
                }
                Ok(match is_within {
                    true => Scanned::Record(value),
                    false => Scanned::Nothing,
                })
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.last_message = Instant::now();
                self.finish(partition)?;
                Ok(Scanned::Nothing)
            }
            Some(Err(error)) => match self.failed(&error) {
                fatal @ LogError::Fatal(_) => Err(fatal),
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
        Right::Read(&self.topic).request_error(&format!("reading {}", self.topic), error)
    }
}
