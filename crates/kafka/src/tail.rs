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

/// How long a broker may take to say where the topic ends.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A record of the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailedRecord {
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; a tombstone has none.
    pub value: Option<Vec<u8>>,
}

/// The result of [`TopicTail::next`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tailed {
    /// A record.
    Record(TailedRecord),
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
    /// Starts to follow partition 0 of `topic`. Does not wait for a broker.
    ///
    /// # Errors
    /// `Fatal`: a setting is wrong.
    pub fn begin(options: &KafkaOptions, topic: &str) -> Result<TopicTail, LogError> {
        TopicTail::of(groupless::consumer(options)?, topic)
    }

    /// The same, and where the topic ends now. Once [`Tailed::End`] was given, all records before it were. The last ones may be
    /// gone by compaction, so no record says so.
    ///
    /// # Errors
    /// `Unavailable`: no broker says where the topic ends. `Fatal`: a setting is wrong.
    pub fn begin_with_end(options: &KafkaOptions, topic: &str) -> Result<(TopicTail, i64), LogError> {
        let consumer = groupless::consumer(options)?;
        groupless::reach(&consumer)?;
        let what = format!("looking up the offsets of {topic}");
        // Before the topic is read: an end that is reached earlier than it is looked up would not be this one.
        let (_, end) = consumer
            .fetch_watermarks(topic, 0, TIMEOUT)
            .map_err(|error| Right::Read(topic).request_error(&what, &error))?;
        Ok((TopicTail::of(consumer, topic)?, end))
    }

    fn of(consumer: GrouplessConsumer, topic: &str) -> Result<TopicTail, LogError> {
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

    /// The next committed record. Waits for at most `timeout`.
    ///
    /// # Errors
    /// When a broker cannot be reached or refuses the request. librdkafka keeps retrying, so `next` can be called
    /// again.
    pub fn next(&mut self, timeout: Duration) -> Result<Tailed, LogError> {
        self.consumer.context().bootstrap().serve(self.consumer.client());
        match self.consumer.poll(timeout) {
            None => Ok(Tailed::Nothing),
            Some(Ok(message)) => Ok(Tailed::Record(TailedRecord {
                offset: message.offset(),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
            })),
            Some(Err(KafkaError::PartitionEOF(_))) => Ok(Tailed::End),
            Some(Err(error)) => Err(Right::Read(&self.topic).request_error(&format!("reading {}", self.topic), &error)),
        }
    }
}
