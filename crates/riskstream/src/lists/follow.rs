//! Follows the topics of lists.

use super::read::ReadLists;
use super::topic::ListTopic;
use crate::clock::SystemClock;
use crate::shutdown::Shutdown;
use crate::telemetry::metrics;
use riskstream_definition::EntryListSettings;
use riskstream_kafka::KafkaOptions;
use riskstream_lists::{Content, ListSet, ListVersion, Offsets};
use riskstream_pipeline::Clock;
use riskstream_pipeline::log::LogError;
use std::sync::Arc;
use std::time::Duration;

/// How long a round waits for records, of all lists together. A version is announced after it.
const WAIT: Duration = Duration::from_millis(100);
/// Pause between two attempts to begin.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows the topics of these lists on a thread of its own until shutdown.
///
/// # Errors
/// The thread cannot be started.
pub fn follow(
    lists: &[EntryListSettings],
    kafka: &KafkaOptions,
    shutdown: &Shutdown,
) -> Result<ReadLists, std::io::Error> {
    let read = ReadLists::default();
    if lists.is_empty() {
        return Ok(read);
    }
    lists
        .iter()
        .for_each(|list| metrics::LIST_UNUSABLE.counter(&[&list.name]).increment(0));
    let (lists, kafka, shutdown, shared) = (lists.to_vec(), kafka.clone(), shutdown.clone(), read.clone());
    let run = move || {
        if let Some(topics) = begin(&lists, &kafka, &shutdown) {
            let follower = Follower {
                topics,
                kafka,
                read: shared,
                pending: Vec::new(),
            };
            follower.follow(&shutdown);
        }
    };
    std::thread::Builder::new().name("lists".to_owned()).spawn(run)?;
    Ok(read)
}

/// Begins to read all topics; `None` if a shutdown was requested before.
fn begin(lists: &[EntryListSettings], kafka: &KafkaOptions, shutdown: &Shutdown) -> Option<Vec<ListTopic>> {
    let mut has_logged = false;
    while !shutdown.requested() {
        let topics: Result<Vec<_>, LogError> = lists.iter().map(|list| ListTopic::begin(list, kafka)).collect();
        match topics {
            Ok(topics) => return Some(topics),
            Err(error) if !has_logged => {
                tracing::warn!(target: "riskstream::lists", %error, "the lists cannot be read, which decisions wait for");
                has_logged = true;
            }
            Err(_) => {}
        }
        shutdown.wait(PAUSE);
    }
    None
}

struct Follower {
    topics: Vec<ListTopic>,
    kafka: KafkaOptions,
    read: ReadLists,
    /// Sets made for tasks that wait for them, kept until the tasks own them.
    pending: Vec<Arc<ListSet>>,
}

impl Follower {
    fn follow(mut self, shutdown: &Shutdown) {
        while !shutdown.requested() {
            let is_other = self.read_all();
            if is_other && self.topics.iter().all(ListTopic::is_read) {
                self.read.put(Arc::new(self.newest()));
            }
            self.pending.retain(|set| Arc::strong_count(set) == 1);
            for asked in self.read.wanted() {
                let made = self.make(&asked).map(Arc::new);
                self.read.provide(&asked, made.as_ref().map_err(Clone::clone));
                self.pending.extend(made);
            }
        }
    }

    /// Takes in what has arrived on all topics. Returns whether there is another version of one.
    fn read_all(&mut self) -> bool {
        let wait = WAIT / self.topics.len() as u32;
        let mut is_other = false;
        for topic in &mut self.topics {
            match topic.read(wait) {
                Ok(changed) => {
                    is_other |= changed;
                    publish(topic, changed);
                }
                Err(error) => {
                    let list = topic.settings().name.as_str();
                    tracing::debug!(target: "riskstream::lists", list, %error, "a list's topic cannot be read");
                }
            }
        }
        is_other
    }

    fn newest(&self) -> ListSet {
        let versions = self
            .topics
            .iter()
            .map(|topic| version(topic, topic.history().end(), topic.history().newest().clone()));
        ListSet::new(versions.collect())
    }

    /// The versions of these offsets.
    fn make(&self, asked: &Offsets) -> Result<ListSet, String> {
        if !self.topics.iter().all(ListTopic::is_read) {
            return Err("the lists have not been read yet".to_owned());
        }
        let versions = self.topics.iter().map(|topic| {
            let history = topic.history();
            let name = &topic.settings().topic;
            let offset = asked.get(name).unwrap_or(history.end());
            if offset > history.end() {
                return Err(format!(
                    "{name} was read up to {} here, and {offset} is in force: if the topic was deleted and created again, give the list a topic of another name",
                    history.end()
                ));
            }
            let content = match history.at(offset) {
                Some(content) => content,
                None => topic.read_again(&self.kafka, offset).map_err(|error| error.to_string())?,
            };
            Ok(version(topic, offset, content))
        });
        Ok(ListSet::new(versions.collect::<Result<_, String>>()?))
    }
}

fn version(topic: &ListTopic, offset: i64, content: Content) -> ListVersion {
    ListVersion {
        topic: Arc::clone(&topic.settings().topic),
        offset: Some(offset),
        content,
    }
}

/// Sets the gauges; those of the version only if there is another one.
fn publish(topic: &ListTopic, is_other: bool) {
    let (name, history) = (topic.settings().name.as_str(), topic.history());
    if topic.is_read() {
        metrics::LIST_READ.gauge(&[name]).set(SystemClock.now() as f64 / 1e6);
    }
    if is_other {
        metrics::LIST_READ_OFFSET.gauge(&[name]).set(history.end() as f64);
        metrics::LIST_ENTRIES.gauge(&[name]).set(history.newest().len() as f64);
        metrics::LIST_BYTES.gauge(&[name]).set(history.newest().memory() as f64);
    }
}
