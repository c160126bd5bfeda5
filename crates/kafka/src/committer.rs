//! Commits outputs together with positions, in a transaction. Positions without outputs are committed so as well: a commit by
//! the consumer goes by another connection, and may reach the coordinator after a later transaction. The older positions would
//! then stand, and what follows them would be decided again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};
use riskstream_pipeline::log::{LogError, Outputs};

use crate::connection::Connection;
use crate::consumer::GroupConsumer;
use crate::errors;
use crate::hanging;
use crate::last_transaction::Ending;
use crate::native;
use crate::options::KafkaOptions;
use crate::position_sender::PositionSender;
use crate::producer::{RecordProducer, WriteFailure};
use crate::rights::{self, Right};

/// The pause between attempts that are rejected at once.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// About how long the coordinator takes to write the markers of a transaction after it has reported the commit. A
/// transaction that begins earlier is rejected with CONCURRENT_TRANSACTIONS and has to back off for longer. Records
/// that arrive in the meantime go into the next transaction.
const MARKER_DELAY: Duration = Duration::from_micros(1_500);

/// How long positions that are sent are waited for. It takes milliseconds. A coordinator that takes longer is being replaced, or the
/// call does not return: see [`PositionSender`].
const PATIENCE: Duration = Duration::from_secs(4);

const UNANSWERED: &str = "the group's coordinator does not answer, so the transaction is given up";

/// How long a commit shows that the brokers are up.
const RECENT: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Committer {
    pub(crate) records: RecordProducer,
    positions: PositionSender,
    options: KafkaOptions,
    connection: Arc<Connection>,
    last_commit: Option<LastCommit>,
}

struct LastCommit {
    at: Instant,
    /// How often all brokers had been down until then.
    outages: usize,
}

impl LastCommit {
    fn is_recent(&self, outages: usize) -> bool {
        self.outages == outages && self.at.elapsed() < RECENT
    }
}

/// A producer, and what sends its positions.
fn clients(options: &KafkaOptions, connection: &Arc<Connection>) -> Result<(RecordProducer, PositionSender), LogError> {
    let records = RecordProducer::new(&options.committer()?, options.outputs.clone(), Arc::clone(connection))?;
    let positions = PositionSender::new(Arc::clone(&records.producer))
        .map_err(|error| LogError::Fatal(format!("a thread cannot be started: {error}")))?;
    Ok((records, positions))
}

impl Committer {
    pub(crate) fn new(options: &KafkaOptions, connection: Arc<Connection>) -> Result<Self, LogError> {
        let (records, positions) = clients(options, &connection)?;
        Ok(Self {
            records,
            positions,
            options: options.clone(),
            connection,
            last_commit: None,
        })
    }

    /// How long the next transaction has to wait for the markers of the last one.
    pub(crate) fn marker_delay(&self) -> Duration {
        let left = |last: &LastCommit| MARKER_DELAY.checked_sub(last.at.elapsed());
        self.last_commit.as_ref().and_then(left).unwrap_or_default()
    }

    /// Fences the previous user of this transactional id, and aborts its open transaction. To be retried while the
    /// brokers cannot be reached.
    pub(crate) fn init(&self, timeout: Duration) -> Result<(), LogError> {
        let what = "preparing transactions";
        self.records.producer.init_transactions(timeout).map_err(|error| {
            if let KafkaError::Transaction(reason) = &error
                && reason.is_retriable()
            {
                return LogError::Unavailable(format!("{what}: {}", errors::describe(&error)));
            }
            ends_the_producer(self.records.transaction_failure(what, &error))
        })
    }

    /// Aborts what the brokers may have left open of the last transaction of this id: see [`hanging`]. After `init`.
    ///
    /// # Errors
    /// `Fenced`: the brokers do not answer, and a successor has to look again. `Fatal`: a right is missing.
    pub(crate) fn abort_leftovers(&mut self, consumer: &Arc<GroupConsumer>) -> Result<(), LogError> {
        if self.records.outages() > 0 {
            self.options.last_transaction.note_outage();
        }
        match self.options.last_transaction.may_hang() {
            Ending::Ended => return Ok(()),
            Ending::Dispensable => {}
            Ending::Unknown(positions) => {
                if hanging::are_committed(consumer, &self.options.group, &positions)? {
                    self.options.last_transaction.set(Ending::Ended);
                    return Ok(());
                }
            }
        }
        let deadline = Instant::now() + self.options.transaction_timeout;
        let outages = self.records.outages();
        let unstable = hanging::unstable_partitions(consumer, &self.records, deadline)?;
        self.begin()
            .and_then(|()| self.records.send_empty(&unstable))
            .and_then(|()| self.records.deliver(deadline))
            .and_then(|()| self.send_any_position(consumer, deadline))
            .map_err(ends_the_producer)?;
        self.abort("the last transaction was left open", outages)?;
        tracing::info!(target: "riskstream::kafka", client = self.connection.name(), partitions = unstable.len(), "what was left open of the last transaction is aborted");
        Ok(())
    }

    /// Positions are committed where the group's are, so any of them will do.
    fn send_any_position(&mut self, consumer: &GroupConsumer, deadline: Instant) -> Result<(), WriteFailure> {
        let mut positions = TopicPartitionList::new();
        if let Some(input) = self.options.inputs.first() {
            // An offset that is not negative can be set.
            let _ = positions.add_partition_offset(input, 0, Offset::Offset(0));
        }
        self.send_positions(consumer, &positions, deadline)
    }

    /// Runs pending callbacks. Never blocks.
    pub(crate) fn serve(&self) {
        self.records.serve();
    }

    /// Commits outputs and positions, all or nothing.
    ///
    /// # Errors
    /// `Rebalancing`: nothing was committed, and without outputs nothing has to be: a later commit covers these positions.
    pub(crate) fn commit(
        &mut self,
        consumer: &Arc<GroupConsumer>,
        outputs: &Outputs,
        positions: &TopicPartitionList,
    ) -> Result<(), LogError> {
        if outputs.is_empty() && positions.count() == 0 {
            return Ok(());
        }
        let deadline = Instant::now() + self.options.transaction_timeout;
        let outages = self.records.outages();
        // librdkafka may never return from sending positions while a coordinator is down ([`PositionSender`]). Delivered
        // outputs show that the brokers are up, and so does a recent commit: then outputs and positions are on their way together.
        let are_up = self.last_commit.take().is_some_and(|last| last.is_recent(outages));
        self.options.last_transaction.begun();
        let delivered = self
            .begin()
            .and_then(|()| self.records.send(outputs, deadline))
            .and_then(|()| match are_up {
                true => Ok(()),
                false => self.records.deliver(deadline),
            })
            .and_then(|()| self.check_outages(outages));
        let result = match delivered {
            Ok(()) => self.finish(consumer, outputs, positions, deadline),
            // The transaction has failed. Its next step gives the reason.
            Err(WriteFailure::Dropped(reason)) => self
                .finish(consumer, outputs, positions, deadline)
                .and(Err(WriteFailure::Final(reason))),
            Err(failure) => Err(failure),
        };
        let had_outage = self.records.outages() != outages;
        if had_outage {
            self.options.last_transaction.note_outage();
        }
        if self.positions.is_given_up() {
            return Err(self.begin_anew(consumer, outputs));
        }
        match result.map_err(|failure| self.records.root_cause(failure)) {
            // The brokers that have come back may have left the transaction open: see `hanging`.
            Ok(()) if had_outage => Err(LogError::Fenced(
                "all brokers were down while a transaction was committed".to_owned(),
            )),
            Ok(()) => {
                self.options.last_transaction.set(Ending::Ended);
                let at = Instant::now();
                self.last_commit = Some(LastCommit { at, outages });
                Ok(())
            }
            Err(WriteFailure::Dropped(reason) | WriteFailure::Transient(reason)) => {
                self.abort(&reason, outages)?;
                Err(match outputs.is_empty() {
                    true => LogError::Rebalancing,
                    false => LogError::Aborted(reason),
                })
            }
            Err(WriteFailure::Permanent(reason)) => {
                // The reason matters, not whether the rest of it can be undone.
                let _ = self.abort(&reason, outages);
                Err(LogError::Fatal(reason))
            }
            Err(WriteFailure::Final(reason)) => Err(LogError::Fenced(reason)),
        }
    }

    /// Puts another producer in the place of one whose call does not return. Its transaction was not ended, so nothing of it is
    /// committed: the new producer aborts it. The member of the group stays what it is.
    fn begin_anew(&mut self, consumer: &Arc<GroupConsumer>, outputs: &Outputs) -> LogError {
        match clients(&self.options, &self.connection) {
            Ok((records, positions)) => (self.records, self.positions) = (records, positions),
            Err(error) => return error,
        }
        let begun = self
            .init(self.options.transaction_timeout / 2)
            .and_then(|()| self.abort_leftovers(consumer));
        match begun {
            Ok(()) if outputs.is_empty() => LogError::Rebalancing,
            Ok(()) => LogError::Aborted(UNANSWERED.to_owned()),
            Err(error) => LogError::Fenced(format!("{UNANSWERED}; {error}")),
        }
    }

    fn begin(&self) -> Result<(), WriteFailure> {
        let begun = self.records.producer.begin_transaction();
        begun.map_err(|error| self.records.transaction_failure("beginning a transaction", &error))
    }

    /// Sending positions may also never return if the client has forgotten the coordinator, see `bootstrap`.
    fn check_outages(&self, before: usize) -> Result<(), WriteFailure> {
        if self.records.outages() == before {
            return Ok(());
        }
        let text = "all brokers were down during the transaction";
        Err(WriteFailure::Final(text.to_owned()))
    }

    fn finish(
        &mut self,
        consumer: &GroupConsumer,
        outputs: &Outputs,
        positions: &TopicPartitionList,
        deadline: Instant,
    ) -> Result<(), WriteFailure> {
        self.send_positions(consumer, positions, deadline)?;
        if !outputs.is_empty() {
            self.options.last_transaction.set(Ending::Unknown(positions.clone()));
        }
        self.end_transaction(deadline)
    }

    fn send_positions(
        &mut self,
        consumer: &GroupConsumer,
        positions: &TopicPartitionList,
        deadline: Instant,
    ) -> Result<(), WriteFailure> {
        if positions.count() == 0 {
            return Ok(());
        }
        loop {
            let group = consumer
                .group_metadata()
                .ok_or_else(|| WriteFailure::Final("the consumer belongs to no group".to_owned()))?;
            let left = deadline.saturating_duration_since(Instant::now());
            match self.positions.send(positions, group, left, PATIENCE) {
                Some(Ok(())) => return Ok(()),
                Some(Err(KafkaError::Transaction(error))) if error.is_retriable() && !left.is_zero() => {
                    std::thread::sleep(RETRY_PAUSE);
                }
                Some(Err(error)) => return Err(self.positions_failure(&error)),
                None => return Err(WriteFailure::Final(UNANSWERED.to_owned())),
            }
        }
    }

    fn positions_failure(&self, error: &KafkaError) -> WriteFailure {
        let text = errors::describe(error);
        match rights::unread_topic(&text) {
            Some(topic) => WriteFailure::Permanent(Right::Read(topic).to_string()),
            None => self.records.transaction_failure("committing positions", error),
        }
    }

    /// Waits for the deliveries, then commits.
    fn end_transaction(&self, deadline: Instant) -> Result<(), WriteFailure> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Short timeouts: failed deliveries count as in flight until their callbacks have run.
            let timeout = left.min(Duration::from_millis(100));
            let Err(error) = native::commit_transaction(self.records.client(), timeout) else {
                return Ok(());
            };
            let text = format!("committing the transaction: {}", error.text);
            if left.is_zero() && error.is_retriable {
                let text = "the brokers do not answer, it is not known whether the transaction was committed";
                return Err(WriteFailure::Final(text.to_owned()));
            } else if errors::is_permanent(error.code) {
                return Err(WriteFailure::Permanent(self.records.explain(error.code, text)));
            } else if error.is_fatal {
                return Err(WriteFailure::Final(text));
            } else if error.requires_abort {
                return Err(WriteFailure::Transient(text));
            } else if !error.is_retriable {
                return Err(WriteFailure::Final(format!("the result is not known: {text}")));
            }
            self.records.serve_all();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Aborts the open transaction, which failed for `reason`; `outages`: as it began. If this does not succeed soon the brokers cannot
    /// be reached; then the start of a successor aborts it, or the brokers do after its timeout. If all brokers were down in the
    /// meantime, the abort may have left something open, and a successor looks for it.
    fn abort(&self, reason: &str, outages: usize) -> Result<(), LogError> {
        let deadline = Instant::now() + self.options.transaction_timeout / 4;
        loop {
            // Short timeouts: the callbacks of purged deliveries have to run in between.
            match self.records.producer.abort_transaction(Duration::from_millis(20)) {
                Ok(()) => break,
                Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < deadline => {
                    self.records.serve_all();
                }
                Err(error) => {
                    let text = errors::describe(&error);
                    return Err(LogError::Fenced(format!("{reason}; aborting the transaction: {text}")));
                }
            }
        }
        self.records.serve_all();
        self.records.take_undelivered();
        if self.records.outages() != outages {
            self.options.last_transaction.note_outage();
            return Err(LogError::Fenced(format!("{reason}; all brokers were down")));
        }
        self.options.last_transaction.set(Ending::Ended);
        Ok(())
    }
}

/// What a failure of the first steps with a producer means for the log.
fn ends_the_producer(failure: WriteFailure) -> LogError {
    match failure {
        WriteFailure::Permanent(reason) => LogError::Fatal(reason),
        WriteFailure::Dropped(reason) | WriteFailure::Transient(reason) | WriteFailure::Final(reason) => {
            LogError::Fenced(reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::{self, GroupContext};
    use crate::signal::Signal;
    use rdkafka::mocking::{MockCluster, MockCoordinator};

    #[test]
    fn positions_that_nobody_takes_are_given_up_and_another_producer_goes_on() {
        let cluster = MockCluster::new(3).unwrap();
        cluster.create_topic("payments", 1, 3).unwrap();
        cluster.partition_leader("payments", 0, Some(1)).unwrap();
        cluster
            .coordinator(MockCoordinator::Group("group".to_owned()), 2)
            .unwrap();
        cluster
            .coordinator(MockCoordinator::Transaction("group-0".to_owned()), 1)
            .unwrap();
        let options = KafkaOptions {
            transaction_timeout: Duration::from_secs(10),
            ..KafkaOptions::new(&cluster.bootstrap_servers(), "group")
        };
        let connection = Arc::new(Connection::new(&options));
        let context = GroupContext::new(Arc::clone(&connection), Vec::new());
        let consumer =
            Arc::new(consumer::open(&options.member().unwrap(), context, &Arc::new(Signal::default())).unwrap());
        let mut committer = Committer::new(&options, connection).unwrap();
        committer.init(Duration::from_secs(10)).unwrap();
        let mut commit = |offset| {
            let mut positions = TopicPartitionList::new();
            positions
                .add_partition_offset("payments", 0, Offset::Offset(offset))
                .unwrap();
            committer.commit(&consumer, &Outputs::default(), &positions)
        };
        assert!(commit(1).is_ok());
        cluster.broker_down(2).unwrap();
        let begun = Instant::now();
        let error = commit(2).unwrap_err();
        assert!(matches!(error, LogError::Rebalancing), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
        // Another producer goes on where the group has another coordinator.
        let group = MockCoordinator::Group("group".to_owned());
        cluster.coordinator(group, 3).unwrap();
        assert!(commit(3).is_ok());
    }
}
