//! Sets a group's positions while it has no members: back, so that a topic is read as another one than before (it was deleted and
//! created again, or has lost records), or to where it begins behind what files held.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use riskstream_pipeline::identity;
use riskstream_pipeline::log::{Committed, LogError, LogTopic, TopicPartition};

use crate::agreement::{Agreement, Fingerprints};
use crate::consumer::GroupConsumer;
use crate::errors;
use crate::lookup::{committed_list, committed_positions, look_up_with};
use crate::options::KafkaOptions;
use crate::positions;

const TIMEOUT: Duration = Duration::from_secs(20);

/// The position of a partition before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetPosition {
    /// The partition's number.
    pub partition: i32,
    /// What the group had committed, if anything.
    pub before: Option<i64>,
    /// Up to where records were decided: that, or more if the position was set back before.
    pub decided: Option<i64>,
    /// The first offset of the topic.
    pub after: i64,
    /// The end of the topic.
    pub end: i64,
}

/// What is to be set back.
pub struct TopicReset {
    consumer: GroupConsumer,
    name: String,
    topic: LogTopic,
    /// The positions, in the order of the partitions.
    pub positions: Vec<ResetPosition>,
}

impl TopicReset {
    /// Looks up the topic called `name` and the group's positions in it. Changes nothing.
    ///
    /// # Errors
    /// There is no such topic, or the brokers cannot be reached or refuse.
    pub fn plan(options: &KafkaOptions, name: &str) -> Result<TopicReset, LogError> {
        let (consumer, topics) = look_up_with(options, &[name])?;
        let topic = topics.into_iter().flatten().next();
        let topic = topic.ok_or_else(|| LogError::Fatal(format!("no such topic: {name}")))?;
        let committed = committed_list(&consumer, name, &topic)?;
        let positions = positions_of(&consumer, name, &topic, &committed)?;
        Ok(TopicReset {
            consumer,
            name: name.to_owned(),
            topic,
            positions,
        })
    }

    /// Whether the positions do not fit the topic; or there are none: the brokers forget those of a topic that is deleted.
    pub fn is_needed(&self) -> bool {
        let is_beyond = |position: &ResetPosition| position.before.is_some_and(|before| before > position.end);
        let mut committed = self.topic.committed.iter();
        self.positions.iter().all(|position| position.before.is_none())
            || committed.any(|committed| identity::is_other(&committed.id, &self.topic.id))
            || self.positions.iter().any(is_beyond)
    }

    /// Commits the positions, in `epoch` or a later one. It must be larger than that of any reset before.
    ///
    /// # Errors
    /// The group has members, or the brokers refuse.
    pub fn commit(&self, epoch: u32) -> Result<(), LogError> {
        self.commit_positions(|position| Committed {
            topic: identity::renew(&self.topic, epoch),
            ..Committed::from(position.after)
        })
    }

    /// Commits the positions of the same topic. What was decided on it before is decided once more, and flagged.
    ///
    /// # Errors
    /// The group has members, or the brokers refuse.
    pub fn commit_repeats(&self) -> Result<(), LogError> {
        let known = self.topic.committed.iter().max_by_key(|identity| identity.epoch);
        self.commit_positions(|position| Committed {
            decided: position.decided,
            topic: known.cloned().unwrap_or_default(),
            ..Committed::from(position.after)
        })
    }

    fn commit_positions(&self, committed: impl Fn(&ResetPosition) -> Committed) -> Result<(), LogError> {
        let at = |position: &ResetPosition| TopicPartition {
            topic: self.name.as_str().into(),
            partition: position.partition,
        };
        let list: Vec<_> = self
            .positions
            .iter()
            .map(|position| (at(position), committed(position)))
            .collect();
        commit(&self.consumer, &list, &Fingerprints::default())
    }
}

/// A topic, and the group's positions in it.
pub struct GroupTopic {
    /// Its name.
    pub name: String,
    /// The topic as it is now.
    pub topic: LogTopic,
    /// The positions, in the order of the partitions.
    pub positions: Vec<ResetPosition>,
}

/// Looks up topics and the group's positions in them; none where there is no such topic.
///
/// # Errors
/// The brokers cannot be reached or refuse, or positions were committed under another secret for pseudonyms.
pub fn group_topics(options: &KafkaOptions, names: &[&str]) -> Result<Vec<Option<GroupTopic>>, LogError> {
    let (consumer, topics) = look_up_with(options, names)?;
    let agreement = Agreement::new(options);
    let topics = names.iter().zip(topics).map(|(name, topic)| {
        let Some(topic) = topic else { return Ok(None) };
        let committed = committed_list(&consumer, name, &topic)?;
        agreement.check(&committed)?;
        Ok(Some(GroupTopic {
            name: (*name).to_owned(),
            positions: positions_of(&consumer, name, &topic, &committed)?,
            topic,
        }))
    });
    topics.collect()
}

/// Commits positions for the group, with the fingerprints of the secrets in `options`.
///
/// # Errors
/// The group has members, or the brokers refuse.
pub fn commit_positions(options: &KafkaOptions, positions: &[(TopicPartition, Committed)]) -> Result<(), LogError> {
    let (consumer, _) = look_up_with(options, &[])?;
    commit(&consumer, positions, &options.pseudonyms)
}

fn commit(
    consumer: &GroupConsumer,
    positions: &[(TopicPartition, Committed)],
    fingerprints: &Fingerprints,
) -> Result<(), LogError> {
    let committed = consumer.commit(&positions::list(positions, fingerprints)?, CommitMode::Sync);
    committed.map_err(|error| refused(&error))
}

/// Each partition's bounds, and the position in it of what the group has `committed` for the topic.
fn positions_of(
    consumer: &GroupConsumer,
    name: &str,
    topic: &LogTopic,
    committed: &TopicPartitionList,
) -> Result<Vec<ResetPosition>, LogError> {
    let failed = |error| errors::request_error(&format!("looking up topic {name}"), &error);
    let position = |(partition, before): (i32, Option<Committed>)| {
        let (after, end) = consumer.fetch_watermarks(name, partition, TIMEOUT).map_err(failed)?;
        Ok(ResetPosition {
            partition,
            decided: before
                .as_ref()
                .map(|before| before.offset.max(before.decided.unwrap_or(0))),
            before: before.map(|before| before.offset),
            after,
            end,
        })
    };
    (0..)
        .zip(committed_positions(committed, name, topic))
        .map(position)
        .collect()
}

fn refused(error: &KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress) => {
            LogError::Fatal("the group has members: end all copies of the pipeline first".to_owned())
        }
        _ => LogError::Fatal(format!("committing positions: {}", errors::describe(error))),
    }
}
