//! Commits outputs together with positions, in a transaction. Positions without outputs are committed so as well: a commit by
//! the consumer goes by another connection, and may reach the coordinator after a later transaction. The older positions would
//! then stand, and what follows them would be decided again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer;
use riskstream_pipeline::log::{LogError, Outputs};

use crate::connection::Connection;
use crate::consumer::GroupConsumer;
use crate::errors;
use crate::native;
use crate::options::KafkaOptions;
use crate::producer::{RecordProducer, WriteFailure};
use crate::rights::{self, Right};

/// The pause between attempts that are rejected at once.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// About how long the coordinator takes to write the markers of a transaction after it has reported the commit. A
/// transaction that begins earlier is rejected with CONCURRENT_TRANSACTIONS and has to back off for longer. Records
/// that arrive in the meantime go into the next transaction.
const MARKER_DELAY: Duration = Duration::from_micros(1_500);

/// How long a commit shows that the brokers are up.
const RECENT: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Committer {
    pub(crate) records: RecordProducer,
    timeout: Duration,
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

impl Committer {
    pub(crate) fn new(options: &KafkaOptions, connection: Arc<Connection>) -> Result<Self, LogError> {
        Ok(Self {
            records: RecordProducer::new(&options.committer()?, options.outputs.clone(), connection)?,
            timeout: options.transaction_timeout,
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
            match self.records.transaction_failure(what, &error) {
                WriteFailure::Permanent(reason) => LogError::Fatal(reason),
                WriteFailure::Dropped(reason) | WriteFailure::Transient(reason) | WriteFailure::Final(reason) => {
                    LogError::Fenced(reason)
                }
            }
        })
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
        consumer: &GroupConsumer,
        outputs: &Outputs,
        positions: &TopicPartitionList,
    ) -> Result<(), LogError> {
        if outputs.is_empty() && positions.count() == 0 {
            return Ok(());
        }
        let deadline = Instant::now() + self.timeout;
        let outages = self.records.outages();
        // librdkafka may never return from sending positions while a coordinator is down (its issues 5456 and 5511). Delivered
        // outputs show that the brokers are up, and so does a recent commit: then outputs and positions are on their way together.
        let are_up = self.last_commit.take().is_some_and(|last| last.is_recent(outages));
        let delivered = self
            .begin()
            .and_then(|()| self.records.send(outputs, deadline))
            .and_then(|()| match are_up {
                true => Ok(()),
                false => self.records.deliver(deadline),
            })
            .and_then(|()| self.check_outages(outages));
        let result = match delivered {
            Ok(()) => self.finish(consumer, positions, deadline),
            // The transaction has failed. Its next step gives the reason.
            Err(WriteFailure::Dropped(reason)) => self
                .finish(consumer, positions, deadline)
                .and(Err(WriteFailure::Final(reason))),
            Err(failure) => Err(failure),
        };
        match result.map_err(|failure| self.records.root_cause(failure)) {
            Ok(()) => {
                let at = Instant::now();
                self.last_commit = Some(LastCommit { at, outages });
                Ok(())
            }
            Err(WriteFailure::Dropped(reason) | WriteFailure::Transient(reason)) => {
                self.abort(&reason)?;
                Err(match outputs.is_empty() {
                    true => LogError::Rebalancing,
                    false => LogError::Aborted(reason),
                })
            }
            Err(WriteFailure::Permanent(reason)) => {
                // The reason matters, not whether the rest of it can be undone.
                let _ = self.abort(&reason);
                Err(LogError::Fatal(reason))
            }
            Err(WriteFailure::Final(reason)) => Err(LogError::Fenced(reason)),
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
        &self,
        consumer: &GroupConsumer,
        positions: &TopicPartitionList,
        deadline: Instant,
    ) -> Result<(), WriteFailure> {
        self.send_positions(consumer, positions, deadline)?;
        self.end_transaction(deadline)
    }

    fn send_positions(
        &self,
        consumer: &GroupConsumer,
        positions: &TopicPartitionList,
        deadline: Instant,
    ) -> Result<(), WriteFailure> {
        if positions.count() == 0 {
            return Ok(());
        }
        let group = consumer
            .group_metadata()
            .ok_or_else(|| WriteFailure::Final("the consumer belongs to no group".to_owned()))?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self
                .records
                .producer
                .send_offsets_to_transaction(positions, &group, left)
            {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && !left.is_zero() => {
                    std::thread::sleep(RETRY_PAUSE);
                }
                Err(error) => return Err(self.positions_failure(&error)),
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

    /// Aborts the open transaction, which failed for `reason`. If this does not succeed soon the brokers cannot be
    /// reached; then the start of a successor aborts it, or the brokers do after its timeout.
    fn abort(&self, reason: &str) -> Result<(), LogError> {
        let deadline = Instant::now() + self.timeout / 4;
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
        Ok(())
    }
}
