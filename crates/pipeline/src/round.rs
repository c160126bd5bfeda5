//! The result of one round of a worker, for metrics and health.

use crate::log::TopicPartition;
use crate::stop_reason::StopReason;
use crate::tally::Tally;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A partition that is not read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Which.
    pub partition: TopicPartition,
    /// Why, and what to do.
    pub reason: StopReason,
}

impl Stopped {
    /// A partition that was read so far. It is logged.
    pub(crate) fn logged(partition: &TopicPartition, reason: StopReason) -> Stopped {
        let StopReason { code, detail } = &reason;
        tracing::error!(target: "riskstream::worker", %partition, %code, reason = detail, "partition is not read on");
        Stopped {
            partition: partition.clone(),
            reason,
        }
    }
}

/// The result of one round.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Events applied; a record without one counts as one.
    pub events: usize,
    /// Records written: repartition records, decisions and dead letters.
    pub written: usize,
    /// How long the commit took, if there was one.
    pub commit: Option<Duration>,
    /// How long it took to read the batch and to compute its outputs, without the time of waiting for records.
    pub processing: Duration,
    /// How long writing the state took, if there was a commit.
    pub state_write: Option<Duration>,
    /// Whether the transaction was aborted; the batch will be read again.
    pub aborted: bool,
    /// Counts of decisions. If aborted, only of records that stopped their partition.
    pub tally: Tally,
    /// Records taken in, by topic. Empty if aborted.
    pub records: Vec<(Arc<str>, u64)>,
    /// Records for the dead-letter topic, by the word of their reason. Empty if aborted.
    pub dead_letters: BTreeMap<String, u64>,
    /// Partitions that changed hands.
    pub changes: Changes,
}

impl Round {
    /// A round whose transaction was aborted.
    pub(crate) fn aborted(changes: Changes) -> Round {
        Round {
            aborted: true,
            changes,
            ..Round::default()
        }
    }
}

/// Partitions that changed hands in a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Assigned to this member.
    pub assigned: usize,
    /// Taken from this member in an orderly way.
    pub revoked: usize,
}

impl Changes {
    /// Whether there was a rebalance.
    pub fn is_rebalance(&self) -> bool {
        *self != Changes::default()
    }
}
