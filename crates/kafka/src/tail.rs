//! Follows a topic of one partition from its beginning: what is there, then what comes. Joins no group, commits nothing.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use riskstream_pipeline::log::LogError;

use crate::failure;
use crate::options::KafkaOptions;
use crate::quiet::{self, Quiet};

/// What [`TopicTail::next`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tailed {
    /// The value of a record.
    Record(Vec<u8>),
    /// For now there is no more.
    End,
    /// Nothing came in time.
    Nothing,
}

/// A topic that is being followed.
pub struct TopicTail {
    consumer: BaseConsumer<Quiet>,
    topic: String,
}

impl TopicTail {
    /// Begins to follow partition 0 of `topic`.
    ///
    /// # Errors
    /// `Fatal`: the settings.
    pub fn begin(options: &KafkaOptions, topic: &str) -> Result<TopicTail, LogError> {
        let consumer = quiet::reader(options)?;
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(topic, 0, Offset::Beginning)
            .and_then(|()| consumer.assign(&assignment))
            .map_err(|error| failure::of_configuration(&error))?;
        Ok(TopicTail {
            consumer,
            topic: topic.to_owned(),
        })
    }

    /// The next committed record that has a value. Waits `timeout` at most.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses. librdkafka goes on trying: call again.
    pub fn next(&mut self, timeout: Duration) -> Result<Tailed, LogError> {
        match self.consumer.poll(timeout) {
            None => Ok(Tailed::Nothing),
            Some(Ok(message)) => Ok(message
                .payload()
                .map_or(Tailed::Nothing, |value| Tailed::Record(value.to_vec()))),
            Some(Err(KafkaError::PartitionEOF(_))) => Ok(Tailed::End),
            Some(Err(error)) => Err(failure::of_request(&format!("reading {}", self.topic), &error)),
        }
    }
}
