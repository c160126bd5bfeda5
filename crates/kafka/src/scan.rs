//! Reads a topic once: what is committed, from its beginning or a time on, to where it ends when the reading begins. Joins
//! no group, commits nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use riskstream_pipeline::log::LogError;

use crate::failure;
use crate::options::KafkaOptions;
use crate::quiet::{self, Quiet};
use crate::topics::partitions;

const TIMEOUT: Duration = Duration::from_secs(20);
/// After so long without a word from any partition, reading is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A topic that is being read once.
pub struct TopicScan {
    consumer: BaseConsumer<Quiet>,
    topic: String,
    /// The partitions that are not read yet: from where, and to where.
    left: BTreeMap<i32, Span>,
    total: u64,
    heard: Instant,
}

#[derive(Clone, Copy)]
struct Span {
    position: i64,
    end: i64,
}

/// What [`TopicScan::next`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// The value of a record; `None` if it has none.
    Record(Option<Vec<u8>>),
    /// Nothing came in time.
    Nothing,
    /// All was read.
    End,
}

impl TopicScan {
    /// Begins to read `topic`; records whose timestamps are older than `since` (milliseconds since 1970) at the beginning
    /// of each partition are passed over.
    ///
    /// # Errors
    /// `Unavailable`: no broker answers. `Fatal`: settings, or there is no such topic, or this client may not see it.
    pub fn begin(options: &KafkaOptions, topic: &str, since: Option<i64>) -> Result<TopicScan, LogError> {
        let consumer = quiet::reader(options)?;
        let count = partitions(consumer.client(), topic, TIMEOUT)?
            .ok_or_else(|| LogError::Fatal(format!("there is no topic {topic}")))?;
        let what = format!("looking up the offsets of {topic}");
        let failed = |error| failure::of_request(&what, &error);
        let mut left = BTreeMap::new();
        for partition in 0..count {
            let (low, end) = consumer.fetch_watermarks(topic, partition, TIMEOUT).map_err(failed)?;
            left.insert(partition, Span { position: low, end });
        }
        if let Some(since) = since {
            let mut times = TopicPartitionList::new();
            for partition in left.keys() {
                times
                    .add_partition_offset(topic, *partition, Offset::Offset(since))
                    .map_err(failed)?;
            }
            let found = consumer.offsets_for_times(times, TIMEOUT).map_err(failed)?;
            for (partition, span) in &mut left {
                let first = found.find_partition(topic, *partition).map(|found| found.offset());
                span.position = match first {
                    Some(Offset::Offset(first)) => first.max(span.position),
                    _ => span.end,
                };
            }
        }
        left.retain(|_, span| span.position < span.end);
        let mut assignment = TopicPartitionList::new();
        for (partition, span) in &left {
            let offset = Offset::Offset(span.position);
            assignment
                .add_partition_offset(topic, *partition, offset)
                .map_err(failed)?;
        }
        consumer.assign(&assignment).map_err(failed)?;
        let mut scan = TopicScan {
            consumer,
            topic: topic.to_owned(),
            left,
            total: 0,
            heard: Instant::now(),
        };
        scan.total = scan.remaining();
        Ok(scan)
    }

    /// How many offsets there are to read. Transactions' ends count too.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many of them are left.
    pub fn remaining(&self) -> u64 {
        let spans = self.left.values();
        spans.map(|span| (span.end - span.position).max(0) as u64).sum()
    }

    /// The next record; partitions take turns as they please. Waits `timeout` at most.
    ///
    /// # Errors
    /// `Unavailable`: nothing has come for half a minute. `Fatal`: this client may not read the topic.
    pub fn next(&mut self, timeout: Duration) -> Result<Scanned, LogError> {
        if self.left.is_empty() {
            return Ok(Scanned::End);
        }
        match self.consumer.poll(timeout) {
            Some(Ok(message)) => {
                self.heard = Instant::now();
                let (partition, offset) = (message.partition(), message.offset());
                let Some(span) = self.left.get_mut(&partition) else {
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
                self.heard = Instant::now();
                self.finish(partition)?;
                Ok(Scanned::Nothing)
            }
            Some(Err(error)) => match failure::of_request(&format!("reading {}", self.topic), &error) {
                fatal @ LogError::Fatal(_) => Err(fatal),
                error => self.wait_on(error),
            },
            None => self.wait_on(LogError::Unavailable(format!(
                "{} cannot be read on: nothing has come for {} s",
                self.topic,
                PATIENCE.as_secs()
            ))),
        }
    }

    /// librdkafka goes on trying; how long we do is for us to say.
    fn wait_on(&self, error: LogError) -> Result<Scanned, LogError> {
        match self.heard.elapsed() < PATIENCE {
            true => Ok(Scanned::Nothing),
            false => Err(error),
        }
    }

    /// A partition that is read must not take others' turns.
    fn finish(&mut self, partition: i32) -> Result<(), LogError> {
        if self.left.remove(&partition).is_none() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, partition);
        let unassigned = self.consumer.incremental_unassign(&list);
        unassigned.map_err(|error| failure::of_request(&format!("reading {}", self.topic), &error))
    }
}
