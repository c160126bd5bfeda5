//! Follows the file and the topic that roll-outs come from, and prepares what they bring.

use super::document::{prepare, prepare_again};
use super::loaded::LoadedRollouts;
use crate::service::Stop;
use crate::telemetry::metrics;
use riskstream_definition::{Compiled, Report, read_rollout};
use riskstream_kafka::{KafkaOptions, Tailed, TopicTail};
use riskstream_pipeline::Rollouts;
use riskstream_pipeline::log::LogError;
use riskstream_scoring::Lineup;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks at the file and the topic.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long workers wait at the start for what the topic already holds.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// What messages call the topic.
const TOPIC: &str = "the roll-out topic";
/// Longer than any roll-out.
const MOST_BYTES: u64 = 1 << 20;

/// Prepares roll-outs and puts them on the rollouts.
pub struct Follower {
    pipeline: Arc<Compiled>,
    rollouts: LoadedRollouts,
    file: Option<WatchedFile>,
    tail: Option<TopicTail>,
    /// Line-ups made for tasks that wait for them, kept until the tasks have taken them up.
    kept: Vec<Arc<Lineup>>,
}

/// A file and what it said when it was last looked at.
struct WatchedFile {
    path: PathBuf,
    text: Option<String>,
}

impl Follower {
    /// Follows what the pipeline file's section `rollout` says.
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
            kept: Vec::new(),
        })
    }

    /// Where workers find what is ready.
    pub fn rollouts(&self) -> LoadedRollouts {
        self.rollouts.clone()
    }

    /// Takes up what is there already, so that workers begin with it; gives up after a few seconds if the topic does not answer.
    pub fn catch_up(&mut self) {
        self.look_at_file();
        let deadline = Instant::now() + FIRST_LOOK;
        while !self.look_at_topic() && Instant::now() < deadline {}
    }

    /// Follows until the service is to end.
    pub fn follow(mut self, stop: &Stop) {
        while !stop.is_set() {
            self.look_at_file();
            self.look_at_topic();
            self.kept.retain(|lineup| Arc::strong_count(lineup) == 1);
            let mut all_ready = true;
            for document in self.rollouts.wanted(LOOK_EVERY) {
                all_ready &= self.make_again(&document);
            }
            if !all_ready {
                stop.wait(LOOK_EVERY);
            }
        }
    }

    fn look_at_file(&mut self) {
        let Some(file) = &mut self.file else { return };
        let name = file.path.display().to_string();
        let text = match read(&file.path) {
            Ok(text) => text,
            // It may be written at this moment, or come later.
            Err(error) => {
                tracing::debug!(target: "riskstream::rollout", file = name, %error, "the roll-out file cannot be read");
                return;
            }
        };
        if file.text.as_ref() != Some(&text) {
            file.text = Some(text.clone());
            self.take_up(&name, &text);
        }
    }

    /// Takes up the newest that the topic brings; whether its end was reached. Models that were rolled out long ago need not be
    /// there any more.
    fn look_at_topic(&mut self) -> bool {
        let mut newest: Option<(u32, String)> = None;
        let is_at_end = loop {
            let Some(tail) = &mut self.tail else { return true };
            match tail.next(Duration::from_millis(10)) {
                Ok(Tailed::Record(value)) => {
                    let text = String::from_utf8_lossy(&value).into_owned();
                    match read_rollout(TOPIC, &text).map(|file| file.revision.map_or(0, |revision| revision.value)) {
                        Ok(revision) if newest.as_ref().is_some_and(|(newest, _)| revision < *newest) => {}
                        Ok(revision) => newest = Some((revision, text)),
                        Err(report) => reject(TOPIC, &report),
                    }
                }
                Ok(Tailed::End) => break true,
                Ok(Tailed::Nothing) => break false,
                Err(error) => {
                    tracing::debug!(target: "riskstream::rollout", %error, "the roll-out topic cannot be read for now");
                    break false;
                }
            }
        };
        if let Some((_, text)) = newest {
            self.take_up(TOPIC, &text);
        }
        is_at_end
    }

    fn take_up(&mut self, name: &str, text: &str) {
        match prepare(name, text, &self.pipeline) {
            Ok(lineup) => {
                let (revision, newest) = (lineup.revision, self.rollouts.newest_revision());
                if revision > newest {
                    tracing::info!(target: "riskstream::rollout", revision, from = name, "the models of a roll-out are ready");
                    self.rollouts.put(lineup);
                    metrics::ROLLOUT_READY.gauge(&[]).set(revision as f64);
                } else {
                    self.pass_over(name, &lineup);
                }
            }
            Err(report) => reject(name, &report),
        }
    }

    /// What every copy reads twice, by file and by topic, is no news; another text with a number that was used is a diagnostic.
    fn pass_over(&self, name: &str, lineup: &Lineup) {
        let revision = lineup.revision;
        match self.rollouts.newest() {
            Some(newest) if newest.revision > revision => {
                let newest = newest.revision;
                tracing::info!(target: "riskstream::rollout", revision, newest, from = name, "an older roll-out is passed over");
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

    fn make_again(&mut self, document: &str) -> bool {
        let made = prepare_again(document, &self.pipeline).map_err(|error| error.to_string());
        let made = self.rollouts.answer(document, made);
        let succeeded = made.is_some();
        self.kept.extend(made);
        succeeded
    }
}

fn reject(name: &str, report: &Report) {
    metrics::ROLLOUTS_REJECTED.counter(&[]).increment(1);
    tracing::error!(target: "riskstream::rollout", from = name, report = %report, "a roll-out is refused, the models in force stay");
}

fn read(path: &std::path::Path) -> std::io::Result<String> {
    let size = std::fs::metadata(path)?.len();
    if size > MOST_BYTES {
        return Err(std::io::Error::other(format!("it is longer than {MOST_BYTES} bytes")));
    }
    std::fs::read_to_string(path)
}
