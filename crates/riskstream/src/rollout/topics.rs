//! The topics of a pipeline's roll-outs: reading their history, writing to them.

use super::history::{Added, History, Origin};
use anyhow::{Context, anyhow};
use riskstream_definition::{Compiled, with_rollout};
use riskstream_kafka::{KafkaOptions, Producer, Scanned, TopicScan};
use riskstream_pipeline::log::LogError;
use std::sync::Arc;
use std::time::Duration;

/// See the module.
pub struct RolloutTopics {
    pipeline: Compiled,
    kafka: KafkaOptions,
    rollouts: Arc<str>,
    /// The same unless approvals have a topic of their own.
    approvals: Arc<str>,
}

impl RolloutTopics {
    /// The topics of a pipeline; none if its file names no topic of roll-outs.
    pub fn of(pipeline: &Compiled, kafka: &KafkaOptions) -> Option<RolloutTopics> {
        let settings = pipeline.rollout_settings.as_ref()?;
        let rollouts = settings.topic.clone()?;
        Some(RolloutTopics {
            approvals: settings
                .approvals_topic
                .clone()
                .unwrap_or_else(|| Arc::clone(&rollouts)),
            pipeline: pipeline.clone(),
            kafka: kafka.clone(),
            rollouts,
        })
    }

    /// The pipeline, as it decides now: with the roll-out that is in force by the topics.
    ///
    /// # Errors
    /// Kafka cannot be reached or refuses, or the roll-out cannot be used here.
    pub fn pipeline_in_force(&self) -> anyhow::Result<Compiled> {
        let history = self.history()?;
        match history.in_force() {
            None => Ok(self.pipeline.clone()),
            Some(rollout) => Ok(with_rollout(&self.pipeline, &rollout.text)?),
        }
    }

    /// Reads the topics as a whole.
    ///
    /// # Errors
    /// Kafka cannot be reached or refuses.
    pub fn history(&self) -> Result<History, LogError> {
        let mut history = History::of(&self.pipeline);
        self.read(Origin::Rollouts, &self.rollouts, &mut history)?;
        if self.approvals != self.rollouts {
            self.read(Origin::Approvals, &self.approvals, &mut history)?;
        }
        Ok(history)
    }

    fn read(&self, origin: Origin, topic: &str, history: &mut History) -> Result<(), LogError> {
        let mut scan = TopicScan::begin(&self.kafka, topic, None)?;
        loop {
            match scan.next(Duration::from_millis(100))? {
                Scanned::Record(record) => {
                    let Some(value) = &record.value else { continue };
                    let text = String::from_utf8_lossy(value).into_owned();
                    // As copies do: a record that says nothing, or comes too late, has no effect.
                    match history.add(origin, text, record.timestamp) {
                        Ok(Added::Counts | Added::Late(_)) | Err(_) => {}
                    }
                }
                Scanned::Nothing => {}
                Scanned::End => return Ok(()),
            }
        }
    }

    /// Writes a roll-out with this revision.
    ///
    /// # Errors
    /// It was not written, or someone else was first with this revision.
    pub fn publish(&self, revision: u64, text: &str) -> anyhow::Result<()> {
        self.write(&self.rollouts, text)?;
        match self.history()?.get(revision) {
            Some(first) if first.text == text => Ok(()),
            _ => Err(anyhow!(
                "another roll-out came first with revision {revision}: nothing was changed by this one; look at `riskstream rollout \
                 diff`, and try again"
            )),
        }
    }

    /// Writes that a roll-out is to take effect.
    ///
    /// # Errors
    /// It was not written.
    pub fn publish_application(&self, text: &str) -> anyhow::Result<()> {
        self.write(&self.rollouts, text)
    }

    /// Writes that a roll-out was approved.
    ///
    /// # Errors
    /// It was not written.
    pub fn publish_approval(&self, text: &str) -> anyhow::Result<()> {
        self.write(&self.approvals, text)
    }

    fn write(&self, topic: &str, text: &str) -> anyhow::Result<()> {
        let producer = Producer::open_with(&self.kafka)?;
        let key = self.pipeline.plan.name.as_bytes();
        producer
            .send(topic, key, text.as_bytes())
            .and_then(|()| producer.finish())
            .with_context(|| format!("nothing was written to {topic}"))?;
        Ok(())
    }
}
