//! The topics of a pipeline's roll-outs: reading their history, writing to them.

use crate::commands::error::CommandError;
use crate::commands::target::Target;
use crate::rollout::{Added, History, Origin};
use anyhow::{Context, anyhow};
use riskstream_definition::Compiled;
use riskstream_kafka::{KafkaOptions, Producer, Scanned, TopicScan};
use std::sync::Arc;
use std::time::Duration;

/// See the module.
pub(super) struct RolloutTopics {
    pub(super) pipeline: Compiled,
    kafka: KafkaOptions,
    rollouts: Arc<str>,
    /// The same unless approvals have a topic of their own.
    approvals: Arc<str>,
}

impl RolloutTopics {
    pub(super) fn open(target: &Target) -> Result<RolloutTopics, CommandError> {
        let (pipeline, kafka) = target.load()?;
        let rollouts = pipeline.rollout_topic().cloned().ok_or_else(|| {
            CommandError::configuration(anyhow!(
                "{} has no roll-out topic: add `rollout: {{topic: {}-rollouts}}`, then `riskstream topics create`",
                target.pipeline.display(),
                pipeline.plan.name
            ))
        })?;
        let settings = pipeline.rollout_settings.as_ref();
        let apart = settings.and_then(|settings| settings.approvals_topic.clone());
        Ok(RolloutTopics {
            approvals: apart.unwrap_or_else(|| Arc::clone(&rollouts)),
            pipeline,
            kafka,
            rollouts,
        })
    }

    /// Reads the topics as a whole.
    pub(super) fn history(&self) -> Result<History, CommandError> {
        let mut history = History::of(&self.pipeline);
        self.read(Origin::Rollouts, &self.rollouts, &mut history)?;
        if self.approvals != self.rollouts {
            self.read(Origin::Approvals, &self.approvals, &mut history)?;
        }
        Ok(history)
    }

    fn read(&self, origin: Origin, topic: &str, history: &mut History) -> Result<(), CommandError> {
        let mut scan = TopicScan::begin(&self.kafka, topic, None).map_err(CommandError::failed)?;
        loop {
            match scan.next(Duration::from_millis(100)).map_err(CommandError::failed)? {
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
    pub(super) fn publish(&self, revision: u64, text: &str) -> Result<(), CommandError> {
        self.write(&self.rollouts, text)?;
        match self.history()?.get(revision) {
            Some(first) if first.text == text => Ok(()),
            _ => Err(CommandError::failed(anyhow!(
                "another roll-out came first with revision {revision}: nothing was changed by this one; look at `riskstream rollout \
                 diff`, and try again"
            ))),
        }
    }

    /// Writes that a roll-out is to take effect.
    pub(super) fn publish_application(&self, text: &str) -> Result<(), CommandError> {
        self.write(&self.rollouts, text)
    }

    /// Writes that a roll-out was approved.
    pub(super) fn publish_approval(&self, text: &str) -> Result<(), CommandError> {
        self.write(&self.approvals, text)
    }

    fn write(&self, topic: &str, text: &str) -> Result<(), CommandError> {
        let producer = Producer::open_with(&self.kafka).map_err(CommandError::failed)?;
        let key = self.pipeline.plan.name.as_bytes();
        producer
            .send(topic, key, text.as_bytes())
            .and_then(|()| producer.finish())
            .with_context(|| format!("nothing was written to {topic}"))?;
        Ok(())
    }
}
