//! How another line-up of models comes into force: at an offset of each deciding task's own log, so that a replay finds it
//! at the same place.
//!
//! Whoever runs the worker prepares line-ups: reads what was asked for, loads the models, checks and warms them. When one
//! is ready the worker writes a notice to each repartition partition that it decides on, and acts when it reads that notice, between
//! two rows. What a line-up needs besides the notice (model files) has to be there on every machine that reads it.

use riskstream_scoring::Lineup;
use std::sync::Arc;

/// Where prepared line-ups come from. Asked between batches: it must answer at once.
pub trait Rollouts {
    /// The line-up that is asked for and ready, if there is any besides the pipeline file's own.
    fn newest(&self) -> Option<Arc<Lineup>>;

    /// The line-up that a document in the log stands for.
    ///
    /// # Errors
    /// Why it is not ready: the task waits and asks again.
    fn prepared(&self, document: &str) -> Result<Arc<Lineup>, String>;
}

/// The pipeline file's own line-up stays in force.
pub struct NoRollouts;

impl Rollouts for NoRollouts {
    fn newest(&self) -> Option<Arc<Lineup>> {
        None
    }

    fn prepared(&self, _: &str) -> Result<Arc<Lineup>, String> {
        Err(
            "models were rolled out here, and the pipeline file has no section `rollout` any more: put it back"
                .to_owned(),
        )
    }
}

/// A change of the line-up as it stands in a repartition topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolloutNotice<'a> {
    /// Its revision.
    pub revision: u64,
    /// From which the line-up can be made again.
    pub document: &'a str,
}
