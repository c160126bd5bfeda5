//! A pipeline, and the topics of its roll-outs.

use crate::commands::error::CommandError;
use crate::commands::target::Target;
use crate::rollout::{History, RolloutTopics};
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
