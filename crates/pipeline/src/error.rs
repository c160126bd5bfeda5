//! Why a task or a worker cannot go on.

use crate::log::{LogError, TopicPartition};
use crate::repartition::RecordError;
use crate::stop_reason::{StopCode, StopReason};
use riskstream_events::FrameError;
use riskstream_features::state::StateError;

/// Why a task cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Its state failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// Its partition cannot be read on. Others can.
    #[error("{partition}: {error}")]
    Partition {
        /// Which.
        partition: TopicPartition,
        /// Why.
        error: PartitionError,
    },
}

impl TaskError {
    /// The record because of which a partition is not read on, if there is one, and why.
    pub fn record(&self) -> Option<(&TopicPartition, i64, &PartitionError)> {
        let TaskError::Partition { partition, error } = self else {
            return None;
        };
        Some((partition, error.offset()?, error))
    }
}

/// Why a partition cannot be read on. The texts do not name it: it is shown with them.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    /// A frame that was accepted earlier cannot be decoded.
    #[error("a waiting frame cannot be decoded: {0}")]
    Frame(FrameError),
    /// A record of a repartition topic cannot be read. Its rows must not be lost, so it is not passed over.
    #[error("record at offset {offset}: {error}")]
    Unreadable {
        /// The record's offset.
        offset: i64,
        /// Why, and what to do.
        error: RecordError,
    },
    /// A record of an input is not keyed as the pipeline file says, and that is to stop its partition.
    #[error(
        "record at offset {offset}: {} Records that are in the topic keep their keys: with `on_key_mismatch: warn` they are decided \
         on features that may be wrong; to decide them on right ones, remove `key:` and give the pipeline another name. Key the \
         topic by `{field}` for those to come",
        key_mismatch(field)
    )]
    KeyMismatch {
        /// The record's offset.
        offset: i64,
        /// The field that the topic is said to be keyed by.
        field: String,
    },
    /// An earlier version has written the state, with other sources than there are now.
    #[error(
        "an earlier version of riskstream has written the state, with {before} source partitions; now there are {now}. Give the \
         pipeline another name, so that it builds new state"
    )]
    SourcesChanged {
        /// Sources in the state.
        before: usize,
        /// Sources now.
        now: u32,
    },
}

impl PartitionError {
    /// At the partition.
    pub(crate) fn at(self, partition: &TopicPartition) -> TaskError {
        TaskError::Partition {
            partition: partition.clone(),
            error: self,
        }
    }

    /// The offset of the record that it is about, if there is one.
    fn offset(&self) -> Option<i64> {
        match self {
            PartitionError::Unreadable { offset, .. } | PartitionError::KeyMismatch { offset, .. } => Some(*offset),
            PartitionError::Frame(_) | PartitionError::SourcesChanged { .. } => None,
        }
    }
}

impl From<&PartitionError> for StopReason {
    fn from(error: &PartitionError) -> StopReason {
        let code = match error {
            PartitionError::Frame(_) => StopCode::StateDamaged,
            PartitionError::Unreadable { .. } => StopCode::UnreadableRecord,
            PartitionError::KeyMismatch { .. } => StopCode::KeyMismatch,
            PartitionError::SourcesChanged { .. } => StopCode::OtherLayout,
        };
        code.because(error)
    }
}

/// What is wrong with a record that is not keyed by `field`.
pub(crate) fn key_mismatch(field: &str) -> String {
    format!(
        "its Kafka key is not the value of `{field}`, which `key:` names. Records of one entity may lie in several partitions, \
         each of which counts them alone."
    )
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
