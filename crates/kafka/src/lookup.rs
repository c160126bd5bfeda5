//! Looks up topics and the group's committed positions, without joining the group.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use riskstream_pipeline::log::{Committed, LogError, LogTopic};

use crate::connection::Connection;
use crate::consumer::{GroupConsumer, GroupContext};
use crate::errors;
use crate::options::KafkaOptions;
use crate::positions;
use crate::topic_watch::TopicWatch;

const TIMEOUT: Duration = Duration::from_secs(20);

/// The topics of these names as they are now, in this order, with the topics that the group's positions belong to; `None` where
/// there is none.
///
/// # Errors
/// The brokers cannot be reached or refuse.
pub fn look_up(options: &KafkaOptions, names: &[&str]) -> Result<Vec<Option<LogTopic>>, LogError> {
    Ok(look_up_with(options, names)?.1)
}

/// The same, with a consumer that can commit for the group.
pub(crate) fn look_up_with(
    options: &KafkaOptions,
    names: &[&str],
) -> Result<(GroupConsumer, Vec<Option<LogTopic>>), LogError> {
    let connection = Arc::new(Connection::new(options));
    let consumer: GroupConsumer = options
        .consumer()?
        .create_with_context(GroupContext::new(connection, Vec::new()))
        .map_err(|error| errors::configuration_error(&error))?;
    let consumer = Arc::new(consumer);
    let mut watch = TopicWatch::new();
    watch.look_up(names.iter().copied(), &consumer, options, TIMEOUT)?;
    let topics = names.iter().map(|name| watch.topic(name)).collect();
    drop(watch);
    let consumer = Arc::into_inner(consumer).expect("the watch was dropped");
    Ok((consumer, topics))
}

/// The group's committed position in each partition of a topic, if it has one.
///
/// # Errors
/// There is no such topic, or the brokers cannot be reached or refuse.
pub fn committed_offsets(options: &KafkaOptions, name: &str) -> Result<Vec<Option<i64>>, LogError> {
    let (consumer, topics) = look_up_with(options, &[name])?;
    let topic = topics.into_iter().flatten().next();
    let topic = topic.ok_or_else(|| LogError::Fatal(format!("there is no topic {name}")))?;
    let committed = committed_list(&consumer, name, &topic)?;
    let committed = committed_positions(&committed, name, &topic);
    Ok(committed.map(|committed| Some(committed?.offset)).collect())
}

/// The position in each partition of a topic, of what the group has committed for it.
pub(crate) fn committed_positions(
    committed: &TopicPartitionList,
    name: &str,
    topic: &LogTopic,
) -> impl Iterator<Item = Option<Committed>> {
    let position = move |partition| positions::committed(&committed.find_partition(name, partition)?);
    (0..topic.partitions).map(position)
}

/// What the group has committed for the partitions of a topic that was looked up.
pub(crate) fn committed_list(
    consumer: &GroupConsumer,
    name: &str,
    topic: &LogTopic,
) -> Result<TopicPartitionList, LogError> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(name, 0, topic.partitions - 1);
    let committed = consumer.committed_offsets(asked, TIMEOUT);
    committed.map_err(|error| errors::request_error(&format!("looking up topic {name}"), &error))
}
