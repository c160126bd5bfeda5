//! Follows a topic of one partition whose records have keys. Joins no group and commits nothing.

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
pub struct KeyedRecord {
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; a tombstone has none.
    pub value: Option<Vec<u8>>,
}

/// The result of [`KeyedTail::next`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// A record.
    Record(KeyedRecord),
    /// The end of the topic is reached for now.
    End,
    /// Nothing arrived in time.
    Nothing,
}

/// A topic that is being followed from its beginning.
pub struct KeyedTail {
    consumer: GrouplessConsumer,
    topic: String,
    end_at_begin: i64,
}

impl KeyedTail {
    /// Starts to follow partition 0 of `topic`.
    ///
    /// # Errors
    /// `Unavailable`: no broker says where the topic ends. `Fatal`: a setting is wrong.
    pub fn begin(options: &KafkaOptions, topic: &str) -> Result<KeyedTail, LogError> {
        let consumer = groupless::consumer(options)?;
        groupless::reach(&consumer)?;
        let what = format!("looking up the offsets of {topic}");
        let (_, end_at_begin) = consumer
            .fetch_watermarks(topic, 0, TIMEOUT)
            .map_err(|error| Right::Read(topic).request_error(&what, &error))?;
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(topic, 0, Offset::Beginning)
            .and_then(|()| consumer.assign(&assignment))
            .map_err(|error| errors::configuration_error(&error))?;
        Ok(KeyedTail {
            consumer,
            topic: topic.to_owned(),
            end_at_begin,
        })
    }

    /// Where the topic ended when this began. Once [`Followed::End`] was given, all records before it were. The last ones may
    /// be gone by compaction, so no record says so.
    pub fn end_at_begin(&self) -> i64 {
        self.end_at_begin
    }

    /// The next committed record. Waits for at most `timeout`.
    ///
    /// # Errors
    /// When a broker cannot be reached or refuses the request. librdkafka keeps retrying, so `next` can be called
    /// again.
    pub fn next(&mut self, timeout: Duration) -> Result<Followed, LogError> {
        self.consumer.context().bootstrap().serve(self.consumer.client());
        match self.consumer.poll(timeout) {
            None => Ok(Followed::Nothing),
            Some(Ok(message)) => Ok(Followed::Record(KeyedRecord {
                offset: message.offset(),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
            })),
            Some(Err(KafkaError::PartitionEOF(_))) => Ok(Followed::End),
            Some(Err(error)) => Err(Right::Read(&self.topic).request_error(&format!("reading {}", self.topic), &error)),
        }
    }
}
