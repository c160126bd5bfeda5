//! Watches the identities of the topics that a log reads: whether a name stands for another topic than before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};
use riskstream_pipeline::log::{LogError, LogTopic, TopicIdentity};

use crate::agreement::Agreement;
use crate::consumer::GroupConsumer;
use crate::errors;
use crate::groupless;
use crate::native::{TopicDescription, TopicDescriptions};
use crate::options::KafkaOptions;
use crate::positions;
use crate::requests::REQUEST_TIMEOUT;
use crate::rights::Right;

/// How often topics are looked at while they are read.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long an answer is waited for while topics are read.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct TopicWatch {
    topics: BTreeMap<String, LogTopic>,
    /// The topics whose identity the owner relies on.
    used: BTreeSet<String>,
    request: Option<TopicDescriptions>,
    next_look: Instant,
}

impl TopicWatch {
    /// A watch that knows no topics.
    pub(crate) fn new() -> TopicWatch {
        TopicWatch {
            topics: BTreeMap::new(),
            used: BTreeSet::new(),
            request: None,
            next_look: Instant::now(),
        }
    }

    /// Looks up those of these topics that are not known yet. Returns those that the brokers do not list.
    pub(crate) fn look_up<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a str>,
        consumer: &Arc<GroupConsumer>,
        options: &KafkaOptions,
        timeout: Duration,
    ) -> Result<Vec<String>, LogError> {
        let names: BTreeSet<&str> = names.into_iter().collect();
        let unknown: Vec<String> = names
            .into_iter()
            .filter(|name| !self.topics.contains_key(*name))
            .map(str::to_owned)
            .collect();
        let found = describe(consumer, options, &unknown, timeout)?;
        let mut identities = committed_identities(options, &found, timeout)?;
        for (name, mut topic) in found {
            topic.committed = identities.remove(&name).unwrap_or_default();
            self.topics.insert(name, topic);
        }
        Ok(unknown
            .into_iter()
            .filter(|name| !self.topics.contains_key(name))
            .collect())
    }

    /// All partitions of these topics, as far as they are known.
    pub(crate) fn partitions_of(&self, names: &[String]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for name in names {
            if let Some(topic) = self.topics.get(name) {
                list.add_partition_range(name, 0, topic.partitions - 1);
            }
        }
        list
    }

    /// A topic, which is watched from now on.
    pub(crate) fn topic(&mut self, name: &str) -> Option<LogTopic> {
        let topic = self.topics.get(name)?.clone();
        self.used.insert(name.to_owned());
        Some(topic)
    }

    /// A topic, which is looked up if it is not known yet, and watched from now on.
    ///
    /// # Errors
    /// The brokers cannot be reached, or do not list it.
    pub(crate) fn require(
        &mut self,
        name: &str,
        consumer: &Arc<GroupConsumer>,
        options: &KafkaOptions,
    ) -> Result<LogTopic, LogError> {
        self.look_up([name], consumer, options, REQUEST_TIMEOUT)?;
        let found = self.topic(name);
        found.ok_or_else(|| LogError::Fatal(format!("no such topic: {name}")))
    }

    /// Looks now and then whether a topic has changed, without waiting.
    ///
    /// # Errors
    /// `Fenced`: it has. What was computed of it belongs to the topic that it was.
    pub(crate) fn check(&mut self, consumer: &Arc<GroupConsumer>) -> Result<(), LogError> {
        if let Some(request) = &self.request {
            let Some(answer) = request.poll(Duration::ZERO) else {
                return Ok(());
            };
            self.request = None;
            for description in answer.unwrap_or_default() {
                self.compare(&description)?;
            }
        } else if !self.used.is_empty() && Instant::now() >= self.next_look {
            let names: Vec<String> = self.used.iter().cloned().collect();
            self.request = Some(TopicDescriptions::request(consumer, &names, ANSWER_TIMEOUT));
            self.next_look = Instant::now() + INTERVAL;
        }
        Ok(())
    }

    fn compare(&self, now: &TopicDescription) -> Result<(), LogError> {
        let Some(before) = self.topics.get(&now.name) else {
            return Ok(());
        };
        match now.error {
            None => {}
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
                return Err(LogError::Fenced(format!("topic {} is gone", now.name)));
            }
            Some(_) => return Ok(()),
        }
        let change = match (&before.id, &now.id) {
            (Some(before), Some(now)) if **before != **now => "was deleted and created again".to_owned(),
            _ if before.partitions != now.partitions => {
                format!("had {} partitions and now has {}", before.partitions, now.partitions)
            }
            _ => return Ok(()),
        };
        Err(LogError::Fenced(format!("topic {} {change}", now.name)))
    }
}

/// The topics of these names that there are.
fn describe(
    consumer: &Arc<GroupConsumer>,
    options: &KafkaOptions,
    names: &[String],
    timeout: Duration,
) -> Result<BTreeMap<String, LogTopic>, LogError> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let failed = |code| errors::request_error("looking up topics", &KafkaError::MetadataFetch(code));
    let answer = TopicDescriptions::request(consumer, names, timeout).poll(timeout);
    let mut topics = BTreeMap::new();
    for description in answer.unwrap_or(Err(Code::OperationTimedOut)).map_err(failed)? {
        match description.error {
            None => {
                let topic = LogTopic {
                    id: description.id.map(Into::into),
                    partitions: description.partitions,
                    committed: Vec::new(),
                };
                topics.insert(description.name, topic);
            }
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {}
            Some(code) => {
                let what = format!("looking up topic {}", description.name);
                let right = if options.inputs.contains(&description.name) {
                    Right::Read(&description.name)
                } else {
                    Right::Write(&description.name)
                };
                return Err(right.request_error(&what, &KafkaError::MetadataFetch(code)));
            }
        }
    }
    Ok(topics)
}

/// Which topics the group's positions belong to, by name. Positions that are just being committed do not matter here, so it is
/// not waited for them.
fn committed_identities(
    options: &KafkaOptions,
    topics: &BTreeMap<String, LogTopic>,
    timeout: Duration,
) -> Result<BTreeMap<String, Vec<TopicIdentity>>, LogError> {
    let mut identities: BTreeMap<String, Vec<TopicIdentity>> = BTreeMap::new();
    let mut asked = TopicPartitionList::new();
    for (name, topic) in topics {
        asked.add_partition_range(name, 0, topic.partitions - 1);
    }
    if asked.count() == 0 {
        return Ok(identities);
    }
    let what = "reading the committed positions";
    let consumer = groupless::uncommitted_consumer(options)?;
    let committed = consumer
        .committed_offsets(asked, timeout)
        .map_err(|error| Right::Group(&options.group).request_error(what, &error))?;
    Agreement::new(options).check(&committed)?;
    for element in committed.elements() {
        element.error().map_err(|error| errors::request_error(what, &error))?;
        if let Offset::Offset(_) = element.offset()
            && let Some(position) = positions::committed(&element)
            && position.topic != TopicIdentity::default()
        {
            let known = identities.entry(element.topic().to_owned()).or_default();
            // Nearly always those of all partitions are the same.
            if !known.contains(&position.topic) {
                known.push(position.topic);
            }
        }
    }
    Ok(identities)
}
