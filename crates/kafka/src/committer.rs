//! Commits outputs together with positions, in a transaction.

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

/// The pause between attempts that are rejected at once.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// See the module.
pub(crate) struct Committer {
    records: RecordProducer,
    timeout: Duration,
}

impl Committer {
    pub(crate) fn new(options: &KafkaOptions, connection: Arc<Connection>) -> Result<Self, LogError> {
        Ok(Self {
            records: RecordProducer::new(&options.committer()?, options.outputs.clone(), connection)?,
            timeout: options.transaction_timeout,
        })
    }

    /// Fences the previous user of this transactional id, and aborts its open transaction. To be retried while the
    /// brokers cannot be reached.
    pub(crate) fn init(&self, timeout: Duration) -> Result<(), LogError> {
        self.records.producer.init_transactions(timeout).map_err(|error| {
            let text = format!("preparing transactions: {}", errors::describe(&error));
            match &error {
                KafkaError::Transaction(error) if error.is_retriable() => LogError::Unavailable(text),
                KafkaError::Transaction(error) if errors::is_permanent(error.code()) => LogError::Fatal(text),
                _ => LogError::Fenced(text),
            }
        })
    }

    /// Runs pending callbacks. Never blocks.
    pub(crate) fn serve(&self) {
        self.records.serve();
    }

    /// Commits outputs and positions, all or nothing.
    pub(crate) fn commit(
        &self,
        consumer: &GroupConsumer,
        outputs: &Outputs,
        positions: &TopicPartitionList,
    ) -> Result<(), LogError> {
        let deadline = Instant::now() + self.timeout;
        let producer = &self.records.producer;
        producer
            .begin_transaction()
            .map_err(|error| LogError::Fenced(errors::describe(&error)))?;
        let result = self
            .records
            .send(outputs, deadline)
            // Deliver outputs before sending positions: librdkafka may never return from sending positions while a
            // coordinator is down (its issues 5456 and 5511), and delivered outputs show that the brokers are up.
            .and_then(|()| self.records.deliver(deadline))
            .and_then(|()| self.send_positions(consumer, positions, deadline))
            .and_then(|()| self.end_transaction(deadline))
            .map_err(|failure| self.records.root_cause(failure));
        match result {
            Ok(()) => Ok(()),
            Err(WriteFailure::Transient(reason)) => self.abort(&reason).and(Err(LogError::Aborted(reason))),
            Err(WriteFailure::Permanent(reason)) => self.abort(&reason).and(Err(LogError::Fatal(reason))),
            Err(WriteFailure::Final(reason)) => Err(LogError::Fenced(reason)),
        }
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
                Err(error) => return Err(WriteFailure::of_transaction("committing positions", &error)),
            }
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
                return Err(WriteFailure::Permanent(text));
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
