//! Requests whose answers are required: they are waited for, and retried.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use riskstream_pipeline::log::{LogError, TopicPartition};

use crate::consumer::GroupConsumer;
use crate::errors;

/// The timeout of a request.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request is retried.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause between attempts.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The first offset and the end of a partition.
pub(crate) fn bounds(consumer: &GroupConsumer, partition: &TopicPartition) -> Result<(i64, i64), LogError> {
    retry(&format!("looking up {partition}"), || {
        consumer.fetch_watermarks(&partition.topic, partition.partition, REQUEST_TIMEOUT)
    })
}

pub(crate) fn list_of(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    list
}

/// Retries a request while the brokers cannot be reached, or do not list the partition: it has been assigned to this
/// member, so it exists, and a broker that has just started may not list it yet. After the timeout an unreachable broker
/// is `Fenced`, and the owner opens a new log: the request is for a partition whose assignment is not announced again.
pub(crate) fn retry<T>(what: &str, request: impl Fn() -> Result<T, KafkaError>) -> Result<T, LogError> {
    let deadline = Instant::now() + RETRY_TIMEOUT;
    loop {
        let error = match request() {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let is_last = Instant::now() >= deadline;
        match errors::request_error(what, &error) {
            LogError::Unavailable(why) if is_last => return Err(LogError::Fenced(why)),
            LogError::Fatal(why) if is_last || !errors::is_unknown_topic(&error) => return Err(LogError::Fatal(why)),
            _ => std::thread::sleep(RETRY_PAUSE),
        }
    }
}
