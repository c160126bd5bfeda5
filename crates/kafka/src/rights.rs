//! Rights that the brokers refuse, named as in Kafka's ACLs.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use riskstream_pipeline::log::LogError;

use crate::errors;

/// A right that a client needs. Shown, it says what the client may not do and which rule allows it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Right<'a> {
    /// To read a topic.
    Read(&'a str),
    /// To write to a topic.
    Write(&'a str),
    /// To look up a topic.
    Describe(&'a str),
    /// To join a group, and to read and commit its positions.
    Group(&'a str),
    /// To use a transactional id.
    TransactionalId(&'a str),
    /// To write with the idempotent producer.
    IdempotentWrite,
}

impl fmt::Display for Right<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Right::Read(topic) => write!(f, "not authorized to read {topic}: allow this client Read on the topic"),
            Right::Write(topic) => write!(
                f,
                "not authorized to write to {topic}: allow this client Write on the topic"
            ),
            Right::Describe(topic) => write!(
                f,
                "not authorized to look up {topic}: allow this client Describe on the topic"
            ),
            Right::Group(group) => write!(
                f,
                "not authorized to join the group {group}: allow this client Read on the group"
            ),
            Right::TransactionalId(id) => write!(
                f,
                "not authorized to use the transactional id {id}: allow this client Write on transactional ids with \
                 the prefix of its group"
            ),
            Right::IdempotentWrite => f.write_str(
                "not authorized to write with an idempotent producer: allow this client Write on a topic, before \
                 Kafka 3.0 IdempotentWrite on the cluster",
            ),
        }
    }
}

impl Right<'_> {
    /// The error of a request that needs this right.
    pub(crate) fn request_error(&self, what: &str, error: &KafkaError) -> LogError {
        match error.rdkafka_error_code() {
            Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed) => LogError::Fatal(self.to_string()),
            _ => errors::request_error(what, error),
        }
    }
}

/// The topic of a line of librdkafka's log that says that a transaction may not write to it. The errors of the
/// transaction themselves name no topic.
pub(crate) fn refused_topic(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("Failed to add partition \"")?;
    let (topic, rest) = rest.split_once('"')?;
    rest.ends_with("Topic authorization failed").then_some(topic)
}

/// The topic in the error of a transaction that may not commit positions of it, as it may not be read.
pub(crate) fn unread_topic(text: &str) -> Option<&str> {
    let (before, _) = text.split_once("((null))[")?;
    let (_, topic) = before.rsplit_once(": ")?;
    text.contains("Topic authorization failed").then_some(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_whose_positions_may_not_be_committed_is_found_in_the_error() {
        let text = "Failed to commit offsets to transaction on broker ssl://127.0.0.1:9092/1: \
                    payments((null))[0](Broker: Topic authorization failed) (after 1ms)";
        assert_eq!(unread_topic(text), Some("payments"));
        assert_eq!(unread_topic("payments((null))[0](Broker: Unknown member)"), None);
    }

    #[test]
    fn the_topic_that_a_transaction_may_not_write_to_is_found_in_the_log() {
        let line = |why: &str| {
            format!(
                "[thrd:main]: 127.0.0.1:9092/1: Failed to add partition \"risk-decisions\" [0] to transaction: {why}"
            )
        };
        let refused = line("Broker: Topic authorization failed");
        assert_eq!(refused_topic(&refused), Some("risk-decisions"));
        // This partition was skipped as another one was refused.
        let skipped = line("Broker: Operation not attempted");
        assert_eq!(refused_topic(&skipped), None);
        assert_eq!(refused_topic("[thrd:main]: Topic authorization failed"), None);
    }
}
