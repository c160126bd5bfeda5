//! A pipeline, and the topics of its roll-outs.

use crate::commands::error::CommandError;
use crate::commands::target::Target;
use crate::rollout::{History, PublishedRollout, RolloutTopics};
use anyhow::anyhow;
use riskstream_definition::Compiled;

/// A pipeline and the topics of its roll-outs.
pub(super) struct Topics {
    pub(super) pipeline: Compiled,
    pub(super) records: RolloutTopics,
}

impl Topics {
    pub(super) fn open(target: &Target) -> Result<Topics, CommandError> {
        let (pipeline, kafka) = target.load()?;
        let records = RolloutTopics::of(&pipeline, &kafka).ok_or_else(|| {
            configuration(format!(
                "{} has no roll-out topic: add `rollout: {{topic: {}-rollouts}}`, then `riskstream topics create`",
                target.pipeline.display(),
                pipeline.plan.name
            ))
        })?;
        Ok(Topics { pipeline, records })
    }

    pub(super) fn history(&self) -> Result<History, CommandError> {
        self.records.history().map_err(CommandError::failed)
    }
}

/// An error of the user's.
pub(super) fn configuration(why: String) -> CommandError {
    CommandError::configuration(anyhow!(why))
}

/// A roll-out or proposal on the topic.
pub(super) fn published(history: &History, revision: u64) -> Result<&PublishedRollout, CommandError> {
    let missing = || configuration(format!("there is no revision {revision}: riskstream rollout history"));
    history.get(revision).ok_or_else(missing)
}
