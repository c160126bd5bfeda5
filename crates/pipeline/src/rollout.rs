//! How another decision set comes into force: at an offset of each deciding task's own log, so that a replay finds the
//! change at the same place.
//!
//! The program around the worker prepares decision sets: it reads the roll-out, compiles its rules, loads its models, checks and
//! warms them. When a set is ready the worker writes a notice to each repartition partition that it decides on. It acts when it
//! reads the notice, between two rows. The model files that the notice names must be on every machine that reads it.

use riskstream_scoring::DecisionSet;
use std::sync::Arc;

/// Where prepared decision sets come from. It is asked between batches and must not block.
pub trait Rollouts {
    /// The set that is asked for and ready, if there is any besides the pipeline file's own.
    fn newest(&self) -> Option<Arc<DecisionSet>>;

    /// The set that a document in the log stands for.
    ///
    /// # Errors
    /// Why it is not ready: the task waits and asks again.
    fn prepared(&self, document: &str) -> Result<Arc<DecisionSet>, String>;
}

/// The pipeline file's own decision set stays in force.
pub struct NoRollouts;

impl Rollouts for NoRollouts {
    fn newest(&self) -> Option<Arc<DecisionSet>> {
        None
    }

    fn prepared(&self, _: &str) -> Result<Arc<DecisionSet>, String> {
        Err(
            "something was rolled out here, and the pipeline file has no section `rollout` any more: put it back"
                .to_owned(),
        )
    }
}

/// A change of the decision set, as a record of a repartition topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolloutNotice<'a> {
    /// Its revision.
    pub revision: u64,
    /// The text from which the set can be made again.
    pub document: &'a str,
}
