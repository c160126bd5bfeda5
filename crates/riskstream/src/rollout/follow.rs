//! Follows the roll-out file and the topics of roll-outs and approvals, and makes the decision sets of new roll-outs.

use super::history::{Added, History, Origin};
use super::loaded::LoadedRollouts;
use crate::pipeline_file::read_rollout_text;
use crate::shutdown::Shutdown;
use crate::telemetry::{create_rule_counters, metrics};
use riskstream_definition::{Compiled, Report, prepare, prepare_again};
use riskstream_kafka::{KafkaOptions, Tailed, TailedRecord, TopicTail};
use riskstream_pipeline::Rollouts;
use riskstream_pipeline::log::LogError;
use riskstream_scoring::DecisionSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Interval at which the file and the topics are read. What is rolled out is in force within a second.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long the start waits for the roll-outs that the topic already holds.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// What messages call the topic.
const TOPIC: &str = "the roll-out topic";

/// Makes the decision sets of new roll-outs, and of older ones that tasks find in their log.
pub struct Follower {
    pipeline: Arc<Compiled>,
    rollouts: LoadedRollouts,
    file: Option<WatchedFile>,
    topics: Vec<FollowedTopic>,
    history: History,
    /// Sets made for tasks that wait for them, kept until the tasks own them.
    pending: Vec<Arc<DecisionSet>>,
}

/// A topic of roll-outs or approvals.
struct FollowedTopic {
    origin: Origin,
    tail: TopicTail,
    /// Whether its end was reached once.
    was_read: bool,
}

/// A file and its text when it was read last.
struct WatchedFile {
    path: PathBuf,
    text: Option<String>,
}

impl Follower {
    /// A follower of the file and the topic in the pipeline file's section `rollout`.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(pipeline: Arc<Compiled>, kafka: &KafkaOptions) -> Result<Follower, LogError> {
        let file = pipeline.rollout_file().map(|path| WatchedFile { path, text: None });
        let settings = pipeline.rollout_settings.as_ref();
        let topics = [
            (Origin::Rollouts, settings.and_then(|settings| settings.topic.as_ref())),
            (
                Origin::Approvals,
                settings.and_then(|settings| settings.approvals_topic.as_ref()),
            ),
        ];
        let topics = topics.into_iter().filter_map(|(origin, topic)| Some((origin, topic?)));
        let topics = topics.map(|(origin, topic)| {
            Ok(FollowedTopic {
                origin,
                tail: TopicTail::begin(kafka, topic)?,
                was_read: false,
            })
        });
        Ok(Follower {
            topics: topics.collect::<Result<_, LogError>>()?,
            history: History::of(&pipeline),
            pipeline,
            rollouts: LoadedRollouts::default(),
            file,
            pending: Vec::new(),
        })
    }

    /// The decision sets that this follower makes.
    pub fn rollouts(&self) -> LoadedRollouts {
        self.rollouts.clone()
    }

    /// Loads the newest roll-out that exists already, so that workers begin with it. Gives up after five seconds if the
    /// topic cannot be read.
    pub fn catch_up(&mut self) {
        self.read_file();
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.read_topics() && Instant::now() < deadline {}
    }

    /// Follows until shutdown.
    pub fn follow(mut self, shutdown: &Shutdown) {
        while !shutdown.requested() {
            self.read_file();
            self.read_topics();
            self.pending.retain(|set| Arc::strong_count(set) == 1);
            let mut all_loaded = true;
            for document in self.rollouts.wanted(INTERVAL) {
                all_loaded &= self.load_again(&document);
            }
            if !all_loaded {
                shutdown.wait(INTERVAL);
            }
        }
    }

    fn read_file(&mut self) {
        let Some(file) = &mut self.file else { return };
        let name = file.path.display().to_string();
        let text = match read_rollout_text(&file.path) {
            Ok(text) => text,
            // The file may be created later, or be in the middle of being replaced.
            Err(error) => {
                tracing::debug!(target: "riskstream::rollout", file = name, %error, "the roll-out file cannot be read");
                return;
            }
        };
        if file.text.as_ref() != Some(&text) {
            file.text = Some(text.clone());
            self.load(&name, &text);
        }
    }

    /// Reads what is new in the topics, and loads the newest roll-out on which copies are to act. Returns whether the topics
    /// were read to their ends once. Older roll-outs are not loaded: their model files may be gone.
    fn read_topics(&mut self) -> bool {
        let before = self.history.revision_in_force();
        self.topics.iter_mut().for_each(|topic| topic.read(&mut self.history));
        if self.history.revision_in_force() > before {
            let text = self.history.text_in_force().to_owned();
            self.load(TOPIC, &text);
        }
        self.topics.iter().all(|topic| topic.was_read)
    }

    fn load(&mut self, name: &str, text: &str) {
        match prepare(name, text, &self.pipeline) {
            Ok(set) => {
                let (revision, newest) = (set.revision, self.rollouts.newest_revision());
                if revision > newest {
                    tracing::info!(target: "riskstream::rollout", revision, from = name, "a roll-out is ready");
                    create_rule_counters(&set);
                    self.rollouts.add(set);
                    metrics::ROLLOUT_READY.gauge(&[]).set(revision as f64);
                } else {
                    self.log_ignored(name, &set);
                }
            }
            Err(report) => reject(name, &report),
        }
    }

    /// Logs why a roll-out has no effect. The same roll-out from both the file and the topic is not worth a message.
    fn log_ignored(&self, name: &str, set: &DecisionSet) {
        let revision = set.revision;
        match self.rollouts.newest() {
            Some(newest) if newest.revision > revision => {
                let newest = newest.revision;
                tracing::info!(target: "riskstream::rollout", revision, newest, from = name, "an older roll-out is ignored");
            }
            Some(newest) if newest.document != set.document => {
                tracing::warn!(
                    target: "riskstream::rollout", revision, from = name,
                    "this revision was rolled out with another content: to change it, give it a larger number"
                );
            }
            _ => {}
        }
    }

    /// Makes the decision set of a document that a task found in its log. Returns whether this succeeded.
    fn load_again(&mut self, document: &str) -> bool {
        let prepared = prepare_again(document, &self.pipeline).map_err(|error| error.to_string());
        let set = self.rollouts.provide(document, prepared);
        let succeeded = set.is_some();
        self.pending.extend(set);
        succeeded
    }
}

impl FollowedTopic {
    /// Adds what is new in the topic to the history.
    fn read(&mut self, history: &mut History) {
        loop {
            match self.tail.next(Duration::from_millis(10)) {
                Ok(Tailed::Record(TailedRecord { value: Some(value), .. })) => add(self.origin, &value, history),
                Ok(Tailed::Record(_)) => {}
                Ok(Tailed::End) => {
                    self.was_read = true;
                    return;
                }
                Ok(Tailed::Nothing) => return,
                Err(error) => {
                    tracing::debug!(target: "riskstream::rollout", %error, "the roll-out topic cannot be read");
                    return;
                }
            }
        }
    }
}

/// Adds a record to the history. One that says nothing, or comes too late, is logged.
fn add(origin: Origin, value: &[u8], history: &mut History) {
    match history.add(origin, String::from_utf8_lossy(value).into_owned(), None) {
        Ok(Added::Counts) => {}
        Ok(Added::Late(revision)) => tracing::warn!(
            target: "riskstream::rollout", revision, from = TOPIC,
            "this revision or a later one was rolled out already: give it a larger number"
        ),
        Err(report) => reject(TOPIC, &report),
    }
}

fn reject(name: &str, report: &Report) {
    metrics::ROLLOUTS_REJECTED.counter(&[]).increment(1);
    tracing::error!(
        target: "riskstream::rollout", from = name, report = %report,
        "a roll-out is refused, what is in force stays"
    );
}
