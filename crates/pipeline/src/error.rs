//! Why a task or a worker cannot go on.

use crate::log::{LogError, TopicPartition};
use riskstream_events::FrameError;
use riskstream_features::state::StateError;

/// Why a task cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Its state failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// A frame that was accepted earlier cannot be decoded.
    #[error("{partition}: a waiting frame cannot be decoded: {error}")]
    Frame {
        /// Where.
        partition: TopicPartition,
        /// Why.
        error: FrameError,
    },
    /// Rows in the repartition topic, or waiting in the state, carry other values than this pipeline's.
    #[error(
        "{partition}: rows on their way here were written by another version of the pipeline file, which carries other values; let that version finish them, or give the changed pipeline another name"
    )]
    Layout {
        /// Where.
        partition: TopicPartition,
    },
    /// The state knows of more sources than there are partitions before this stage.
    #[error(
        "{partition}: the state was written with {before} source partitions, now there are {now}: topics cannot lose partitions, and their number cannot change under a pipeline with state"
    )]
    SourcesChanged {
        /// Where.
        partition: TopicPartition,
        /// Sources in the state.
        before: usize,
        /// Sources now.
        now: usize,
    },
}

/// Why a worker ended.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A task.
    #[error(transparent)]
    Task(#[from] TaskError),
}
