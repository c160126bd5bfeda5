//! Follows the roll-out file and the roll-out topic, and loads the models of new roll-outs.

use super::loaded::LoadedRollouts;
use crate::pipeline_file::read_rollout_text;
use crate::shutdown::Shutdown;
use crate::telemetry::metrics;
use riskstream_definition::{Compiled, Report, prepare, prepare_again, read_rollout};
use riskstream_kafka::{KafkaOptions, Tailed, TailedRecord, TopicTail};
use riskstream_pipeline::Rollouts;
use riskstream_pipeline::log::LogError;
use riskstream_scoring::Lineup;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Interval at which the file and the topic are read.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long the start waits for the roll-outs that the topic already holds.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// What messages call the topic.
const TOPIC: &str = "the roll-out topic";

/// Loads the models of new roll-outs, and of older ones that tasks find in their log.
pub struct Follower {
    pipeline: Arc<Compiled>,
    rollouts: LoadedRollouts,
    file: Option<WatchedFile>,
    tail: Option<TopicTail>,
    /// Line-ups loaded for tasks that wait for them, kept until the tasks own them.
    pending: Vec<Arc<Lineup>>,
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
        let topic = pipeline.rollout_topic();
        let tail = topic.map(|topic| TopicTail::begin(kafka, topic)).transpose()?;
        Ok(Follower {
            pipeline,
            rollouts: LoadedRollouts::default(),
            file,
            tail,
            pending: Vec::new(),
        })
    }

    /// The line-ups that this follower loads.
    pub fn rollouts(&self) -> LoadedRollouts {
        self.rollouts.clone()
    }

    /// Loads the newest roll-out that exists already, so that workers begin with it. Gives up after five seconds if the
    /// topic cannot be read.
    pub fn catch_up(&mut self) {
        self.read_file();
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.read_topic() && Instant::now() < deadline {}
    }

    /// Follows until shutdown.
    pub fn follow(mut self, shutdown: &Shutdown) {
        while !shutdown.requested() {
            self.read_file();
            self.read_topic();
            self.pending.retain(|lineup| Arc::strong_count(lineup) == 1);
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

    /// Loads the newest of the topic's new roll-outs. Returns whether the end of the topic was reached. Older roll-outs
    /// are not loaded: their model files may be gone.
    fn read_topic(&mut self) -> bool {
        let mut newest: Option<(u32, String)> = None;
        let is_at_end = loop {
            let Some(tail) = &mut self.tail else { return true };
            match tail.next(Duration::from_millis(10)) {
                Ok(Tailed::Record(TailedRecord { value: Some(value), .. })) => {
                    let text = String::from_utf8_lossy(&value).into_owned();
                    match read_rollout(TOPIC, &text).map(|file| file.revision.map_or(0, |revision| revision.value)) {
                        Ok(revision) if newest.as_ref().is_some_and(|(newest, _)| revision < *newest) => {}
                        Ok(revision) => newest = Some((revision, text)),
                        Err(report) => reject(TOPIC, &report),
                    }
                }
                Ok(Tailed::End) => break true,
                Ok(Tailed::Record(_) | Tailed::Nothing) => break false,
                Err(error) => {
                    tracing::debug!(target: "riskstream::rollout", %error, "the roll-out topic cannot be read");
                    break false;
                }
            }
        };
        if let Some((_, text)) = newest {
            self.load(TOPIC, &text);
        }
        is_at_end
    }

    fn load(&mut self, name: &str, text: &str) {
        match prepare(name, text, &self.pipeline) {
            Ok(lineup) => {
                let (revision, newest) = (lineup.revision, self.rollouts.newest_revision());
                if revision > newest {
                    tracing::info!(target: "riskstream::rollout", revision, from = name, "the models of a roll-out are ready");
                    self.rollouts.add(lineup);
                    metrics::ROLLOUT_READY.gauge(&[]).set(revision as f64);
                } else {
                    self.log_ignored(name, &lineup);
                }
            }
            Err(report) => reject(name, &report),
        }
    }

    /// Logs why a roll-out has no effect. The same roll-out from both the file and the topic is not worth a message.
    fn log_ignored(&self, name: &str, lineup: &Lineup) {
        let revision = lineup.revision;
        match self.rollouts.newest() {
            Some(newest) if newest.revision > revision => {
                let newest = newest.revision;
                tracing::info!(target: "riskstream::rollout", revision, newest, from = name, "an older roll-out is ignored");
            }
            Some(newest) if newest.document != lineup.document => {
                tracing::warn!(
                    target: "riskstream::rollout", revision, from = name,
                    "this revision was rolled out with another content: to change it, give it a larger number"
                );
            }
            _ => {}
        }
    }

    /// Loads the line-up of a document that a task found in its log. Returns whether this succeeded.
    fn load_again(&mut self, document: &str) -> bool {
        let prepared = prepare_again(document, &self.pipeline).map_err(|error| error.to_string());
        let lineup = self.rollouts.provide(document, prepared);
        let succeeded = lineup.is_some();
        self.pending.extend(lineup);
        succeeded
    }
}

fn reject(name: &str, report: &Report) {
    metrics::ROLLOUTS_REJECTED.counter(&[]).increment(1);
    tracing::error!(
        target: "riskstream::rollout", from = name, report = %report,
        "a roll-out is refused, the models in force stay"
    );
}
