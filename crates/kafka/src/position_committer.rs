//! Commits positions without a transaction, for at least once: outputs may be repeated, so an earlier commit may come after a
//! later one.
//!
//! The coordinator answers the requests of one connection in their order. While a group waits for a member that does not join,
//! until that member's session times out, it answers nothing behind this member's own request to join. A commit would wait as
//! long, and with it everything that this worker reads. So a commit is waited for only briefly. It goes on by itself, and until
//! it has ended there is no other.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use riskstream_pipeline::log::LogError;

use crate::consumer::GroupConsumer;
use crate::errors;
use crate::native::PositionCommit;

/// How long a commit is waited for, unless the coordinator has been slower.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// How long a commit is waited for at most.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct PositionCommitter {
    consumer: Arc<GroupConsumer>,
    /// The last commit, if it has not ended.
    pending: Option<PositionCommit>,
    wait: Duration,
}

impl PositionCommitter {
    pub(crate) fn new(consumer: Arc<GroupConsumer>) -> Self {
        Self {
            consumer,
            pending: None,
            wait: SHORTEST_WAIT,
        }
    }

    /// Commits positions.
    ///
    /// # Errors
    /// `Rebalancing`: the commit has not ended in time, or the group's generation is another by now. Nothing depends on its
    /// result: a later commit covers these positions.
    pub(crate) fn commit(&mut self, positions: &TopicPartitionList) -> Result<(), LogError> {
        if positions.count() == 0 {
            return Ok(());
        }
        if let Some(earlier) = self.pending.take() {
            match earlier.poll(Duration::ZERO) {
                None => {
                    self.pending = Some(earlier);
                    return Err(LogError::Rebalancing);
                }
                // Late, but not because of a rebalance: the coordinator is slow.
                Some(Ok(())) => self.wait = (self.wait * 2).min(LONGEST_WAIT),
                Some(Err(code)) if errors::is_permanent(code) => return Err(self.failure(code)),
                Some(Err(_)) => {}
            }
        }
        let commit = PositionCommit::begin(&self.consumer, positions).map_err(|code| self.failure(code))?;
        match commit.poll(self.wait) {
            Some(Ok(())) => {
                self.wait = (self.wait / 2).max(SHORTEST_WAIT);
                Ok(())
            }
            Some(Err(code)) => Err(self.failure(code)),
            None => {
                self.pending = Some(commit);
                Err(LogError::Rebalancing)
            }
        }
    }

    fn failure(&self, code: Code) -> LogError {
        let text = format!("committing positions: {code}");
        match code {
            code if errors::is_permanent(code) => {
                LogError::Fatal(self.consumer.context().connection().refused(code).unwrap_or(text))
            }
            // If this member is no longer one of the group, `wait` reports it.
            Code::RebalanceInProgress | Code::IllegalGeneration | Code::UnknownMemberId => LogError::Rebalancing,
            Code::Fatal | Code::FencedInstanceId => LogError::Fenced(text),
            _ => LogError::Aborted(text),
        }
    }
}
