//! The spans of offsets that a topic holds.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};
use riskstream_pipeline::log::LogError;

use crate::groupless::{self, GrouplessConsumer};
use crate::options::KafkaOptions;
use crate::rights::Right;
use crate::topics::partitions;

const TIMEOUT: Duration = Duration::from_secs(20);
/// How long transactions may stay open that were begun before a topic's end is looked up.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The pause between two look-ups.
const INTERVAL: Duration = Duration::from_millis(50);

/// Offsets of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub begin: i64,
    /// The one after the last.
    pub end: i64,
}

impl Span {
    /// The number of offsets.
    pub fn len(&self) -> u64 {
        u64::try_from(self.end - self.begin).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.begin >= self.end
    }
}

/// When records were written, by the log's timestamps in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// From this time on.
    pub since: Option<i64>,
    /// Before this time.
    pub until: Option<i64>,
}

/// The offsets of the committed records of each partition of a topic that were written then: from the first record with a
/// timestamp not before `since` to the one before the first with a timestamp not before `until`.
///
/// # Errors
/// `Unavailable`: no broker answers. `Fatal`: a setting is wrong, the topic does not exist, or this client may not read it.
pub fn spans(options: &KafkaOptions, topic: &str, written: TimeRange) -> Result<Vec<Span>, LogError> {
    let consumer = groupless::consumer(options)?;
    groupless::reach(&consumer)?;
    spans_of(&consumer, topic, written, TIMEOUT)
}

/// All offsets of each partition, up to an end behind every record that was written before this call: transactions that are open
/// now are waited for.
///
/// # Errors
/// As of [`spans`]; and a transaction stays open for a minute.
pub fn settled_spans(options: &KafkaOptions, topic: &str) -> Result<Vec<Span>, LogError> {
    let all = TimeRange::default();
    let uncommitted = groupless::uncommitted_consumer(options)?;
    groupless::reach(&uncommitted)?;
    let written = spans_of(&uncommitted, topic, all, TIMEOUT)?;
    let consumer = groupless::consumer(options)?;
    groupless::reach(&consumer)?;
    let deadline = Instant::now() + SETTLE_TIMEOUT;
    loop {
        let spans = spans_of(&consumer, topic, all, TIMEOUT)?;
        let mut pairs = spans.iter().zip(&written);
        if pairs.all(|(span, written)| span.end >= written.end) {
            return Ok(spans);
        }
        if Instant::now() >= deadline {
            return Err(LogError::Unavailable(format!(
                "a transaction on {topic} has been open for {} s",
                SETTLE_TIMEOUT.as_secs()
            )));
        }
        std::thread::sleep(INTERVAL);
    }
}

pub(crate) fn spans_of(
    consumer: &GrouplessConsumer,
    topic: &str,
    written: TimeRange,
    timeout: Duration,
) -> Result<Vec<Span>, LogError> {
    let count = partitions(consumer.client(), topic, Right::Read, timeout)?
        .ok_or_else(|| LogError::Fatal(format!("there is no topic {topic}")))?;
    let what = format!("looking up the offsets of {topic}");
    let failed = |error| Right::Read(topic).request_error(&what, &error);
    let mut spans = Vec::new();
    for partition in 0..count {
        let (begin, end) = consumer.fetch_watermarks(topic, partition, timeout).map_err(failed)?;
        spans.push(Span { begin, end });
    }
    // The offset of the first record of each partition whose timestamp is not before this time; its end if there is none.
    let first = |time: i64| {
        let mut times = TopicPartitionList::new();
        for partition in 0..count {
            times.add_partition_offset(topic, partition, Offset::Offset(time))?;
        }
        consumer.offsets_for_times(times, timeout)
    };
    for (bound, is_begin) in [(written.since, true), (written.until, false)] {
        let Some(time) = bound else { continue };
        let found = first(time).map_err(failed)?;
        for (partition, span) in (0..).zip(&mut spans) {
            let element = found.find_partition(topic, partition);
            let offset = match element.map(|element| element.offset()) {
                Some(Offset::Offset(offset)) => offset.clamp(span.begin, span.end),
                _ => span.end,
            };
            match is_begin {
                true => span.begin = offset,
                false => span.end = offset,
            }
        }
    }
    Ok(spans)
}
