//! Which topics there are, and what the group has committed for them, without joining the group.

use std::sync::Arc;
use std::time::Duration;

use riskstream_pipeline::log::{LogError, Topic};

use crate::connection::Connection;
use crate::consumer::{GroupConsumer, GroupContext};
use crate::errors;
use crate::options::KafkaOptions;
use crate::topic_watch::TopicWatch;

const TIMEOUT: Duration = Duration::from_secs(20);

/// The topics of these names as they are now, in this order, with the topics that the group's positions belong to; `None` where
/// there is none.
///
/// # Errors
/// The brokers cannot be reached or refuse.
pub fn look_up(options: &KafkaOptions, names: &[&str]) -> Result<Vec<Option<Topic>>, LogError> {
    Ok(look_up_with(options, names)?.1)
}

/// The same, with a consumer that can commit for the group.
pub(crate) fn look_up_with(
    options: &KafkaOptions,
    names: &[&str],
) -> Result<(GroupConsumer, Vec<Option<Topic>>), LogError> {
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
