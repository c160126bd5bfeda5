//! How another line-up of models comes into force: at an offset of each deciding task's own log, so that a replay finds the
//! change at the same place.
//!
//! The program around the worker prepares line-ups: it reads the roll-out, loads the models, checks and warms them. When a
//! line-up is ready the worker writes a notice to each repartition partition that it decides on. It acts when it reads the
//! notice, between two rows. The model files that the notice names must be on every machine that reads it.

use riskstream_scoring::Lineup;
use std::sync::Arc;

/// Where prepared line-ups come from. It is asked between batches and must not block.
pub trait Rollouts {
    /// The line-up that is asked for and ready, if there is any besides the pipeline file's own.
    fn newest(&self) -> Option<Arc<Lineup>>;

    /// The line-up of a document in the log.
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

/// A change of the line-up, as a record of a repartition topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolloutNotice<'a> {
    /// Its revision.
    pub revision: u64,
    /// The text from which the line-up can be made again.
    pub document: &'a str,
}
