//! Follows a topic of one partition: reads it from its beginning, then waits for new records. Joins no group and
//! commits nothing.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use riskstream_pipeline::log::LogError;

use crate::errors;
use crate::groupless::{self, GrouplessConsumer};
use crate::options::KafkaOptions;
use crate::rights::Right;

/// The result of [`TopicTail::next`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tailed {
    /// The value of a record.
    Record(Vec<u8>),
    /// The end of the topic is reached for now.
    End,
    /// Nothing arrived in time.
    Nothing,
}

/// A topic that is being followed.
pub struct TopicTail {
    consumer: GrouplessConsumer,
    topic: String,
}

impl TopicTail {
    /// Starts to follow partition 0 of `topic`.
    ///
    /// # Errors
    /// `Fatal`: a setting is wrong.
    pub fn begin(options: &KafkaOptions, topic: &str) -> Result<TopicTail, LogError> {
        let consumer = groupless::consumer(options)?;
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(topic, 0, Offset::Beginning)
            .and_then(|()| consumer.assign(&assignment))
            .map_err(|error| errors::configuration_error(&error))?;
        Ok(TopicTail {
            consumer,
            topic: topic.to_owned(),
        })
    }

    /// The next committed record that has a value. Waits for at most `timeout`.
    ///
    /// # Errors
    /// When a broker cannot be reached or refuses the request. librdkafka keeps retrying, so `next` can be called
    /// again.
    pub fn next(&mut self, timeout: Duration) -> Result<Tailed, LogError> {
        self.consumer.context().bootstrap().serve(self.consumer.client());
        match self.consumer.poll(timeout) {
            None => Ok(Tailed::Nothing),
            Some(Ok(message)) => Ok(message
                .payload()
                .map_or(Tailed::Nothing, |value| Tailed::Record(value.to_vec()))),
            Some(Err(KafkaError::PartitionEOF(_))) => Ok(Tailed::End),
            Some(Err(error)) => Err(Right::Read(&self.topic).request_error(&format!("reading {}", self.topic), &error)),
        }
    }
}
