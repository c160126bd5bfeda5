//! The writer of a log: one idempotent producer, with transactions for exactly once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{Message, TopicPartitionList};
use riskstream_pipeline::log::{Committed, LogError, OutputRecord, Outputs, TopicPartition};

use crate::connection::Connection;
use crate::consumer::GroupConsumer;
use crate::errors;
use crate::native;
use crate::options::{Delivery, KafkaOptions};
use crate::positions;
use crate::watch::TransactionWatch;

/// The pause between attempts that are rejected at once.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// The callbacks of the producer. They record failed deliveries.
pub(crate) struct WriterContext {
    connection: Arc<Connection>,
    undelivered: Mutex<Option<CommitFailure>>,
}

impl ClientContext for WriterContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.connection.on_log(level, facility, line);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.connection.on_error(&error, reason);
    }
}

impl ProducerContext for WriterContext {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let failure = CommitFailure::of_record(error, message.topic(), message.payload_len());
            self.undelivered
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert(failure);
        }
    }
}

/// Why a commit failed, and what has to follow.
#[derive(Debug)]
enum CommitFailure {
    /// Abort the transaction; a retry may succeed.
    Transient(String),
    /// Abort the transaction; a retry cannot succeed.
    Permanent(String),
    /// The producer cannot be used any more, or the result of the commit is not known.
    Final(String),
}

impl CommitFailure {
    fn of_record(error: &KafkaError, topic: &str, size: usize) -> Self {
        let text = format!("writing to topic {topic}: {}", errors::describe(error));
        match error.rdkafka_error_code() {
            Some(Code::MessageSizeTooLarge) => Self::Permanent(format!(
                "a record of {size} bytes is too large for topic {topic}: raise its max.message.bytes"
            )),
            Some(Code::Fatal | Code::Fenced) => Self::Final(text),
            Some(code) if errors::is_permanent(code) => Self::Permanent(text),
            _ => Self::Transient(text),
        }
    }

    fn of_transaction(what: &str, error: &KafkaError) -> Self {
        let text = format!("{what}: {}", errors::describe(error));
        match error {
            KafkaError::Transaction(error) if errors::is_permanent(error.code()) => Self::Permanent(text),
            KafkaError::Transaction(error) if error.is_fatal() => Self::Final(text),
            KafkaError::Transaction(error) if error.txn_requires_abort() || error.is_retriable() => {
                Self::Transient(text)
            }
            _ => Self::Final(text),
        }
    }
}

/// Writes outputs and positions.
pub(crate) struct Writer {
    producer: BaseProducer<WriterContext>,
    topics: Vec<String>,
    delivery: Delivery,
    timeout: Duration,
    watch: TransactionWatch,
}

impl Writer {
    pub(crate) fn new(
        options: &KafkaOptions,
        connection: Arc<Connection>,
        watch: TransactionWatch,
    ) -> Result<Self, LogError> {
        let context = WriterContext {
            connection,
            undelivered: Mutex::default(),
        };
        let producer = options
            .producer()?
            .create_with_context(context)
            .map_err(|error| errors::configuration_error(&error))?;
        Ok(Self {
            producer,
            topics: options.outputs.clone(),
            delivery: options.delivery,
            timeout: options.transaction_timeout,
            watch,
        })
    }

    /// Fences the previous user of this transactional id, and aborts its open transaction. To be retried while the
    /// brokers cannot be reached.
    pub(crate) fn init(&self, timeout: Duration) -> Result<(), LogError> {
        if self.delivery == Delivery::AtLeastOnce {
            return Ok(());
        }
        let _running = self.watch.enter();
        self.producer.init_transactions(timeout).map_err(|error| {
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
        self.producer.poll(Duration::ZERO);
    }

    /// Writes all outputs and positions: in one transaction for exactly once, outputs before positions for at least
    /// once.
    pub(crate) fn commit(
        &self,
        consumer: &GroupConsumer,
        outputs: &Outputs,
        positions: &[(TopicPartition, Committed)],
    ) -> Result<(), LogError> {
        if outputs.is_empty() && positions.is_empty() {
            return Ok(());
        }
        let _running = self.watch.enter();
        let positions = positions::list(positions)?;
        match self.delivery {
            Delivery::ExactlyOnce => self.commit_transaction(consumer, outputs, &positions),
            Delivery::AtLeastOnce => self.commit_without_transaction(consumer, outputs, &positions),
        }
    }

    fn commit_transaction(
        &self,
        consumer: &GroupConsumer,
        outputs: &Outputs,
        positions: &TopicPartitionList,
    ) -> Result<(), LogError> {
        let deadline = Instant::now() + self.timeout;
        self.producer
            .begin_transaction()
            .map_err(|error| LogError::Fenced(errors::describe(&error)))?;
        let result = self
            .send(outputs, deadline)
            // Deliver outputs before sending positions: librdkafka may never return from sending positions while a
            // coordinator is down (its issues 5456 and 5511), and delivered outputs show that the brokers are up.
            .and_then(|()| self.deliver(deadline))
            .and_then(|()| self.send_positions(consumer, positions, deadline))
            .and_then(|()| self.end_transaction(deadline))
            .map_err(|failure| self.root_cause(failure));
        match result {
            Ok(()) => Ok(()),
            Err(CommitFailure::Transient(reason)) => self.abort(&reason).and(Err(LogError::Aborted(reason))),
            Err(CommitFailure::Permanent(reason)) => self.abort(&reason).and(Err(LogError::Fatal(reason))),
            Err(CommitFailure::Final(reason)) => Err(LogError::Fenced(reason)),
        }
    }

    fn commit_without_transaction(
        &self,
        consumer: &GroupConsumer,
        outputs: &Outputs,
        positions: &TopicPartitionList,
    ) -> Result<(), LogError> {
        let deadline = Instant::now() + self.timeout;
        let delivered = self.send(outputs, deadline).and_then(|()| self.deliver(deadline));
        match delivered {
            Ok(()) => {}
            Err(CommitFailure::Transient(reason)) => return Err(LogError::Aborted(reason)),
            Err(CommitFailure::Permanent(reason)) => return Err(LogError::Fatal(reason)),
            Err(CommitFailure::Final(reason)) => return Err(LogError::Fenced(reason)),
        }
        if positions.count() == 0 {
            return Ok(());
        }
        consumer.commit(positions, CommitMode::Sync).map_err(|error| {
            let text = format!("committing positions: {}", errors::describe(&error));
            match error.rdkafka_error_code() {
                Some(code) if errors::is_permanent(code) => LogError::Fatal(text),
                Some(Code::Fatal | Code::FencedInstanceId) => LogError::Fenced(text),
                _ => LogError::Aborted(text),
            }
        })
    }

    fn send(&self, outputs: &Outputs, deadline: Instant) -> Result<(), CommitFailure> {
        for record in outputs.records() {
            self.send_one(outputs, record, deadline)?;
        }
        Ok(())
    }

    fn send_one(&self, outputs: &Outputs, output: &OutputRecord, deadline: Instant) -> Result<(), CommitFailure> {
        let topic = &self.topics[output.topic];
        let mut record = BaseRecord::<[u8], [u8]>::to(topic);
        record.key = outputs.key(output);
        record.payload = outputs.value(output);
        record.partition = output.partition;
        record.timestamp = output.timestamp;
        record.headers = headers(outputs, output);
        loop {
            let (error, unsent) = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            if error.rdkafka_error_code() != Some(Code::QueueFull) {
                let size = outputs.value(output).map_or(0, <[u8]>::len);
                return Err(CommitFailure::of_record(&error, topic, size));
            }
            if Instant::now() >= deadline {
                return Err(CommitFailure::Transient(format!(
                    "writing to topic {topic} takes too long"
                )));
            }
            native::flush(self.producer.client(), Duration::from_millis(5));
            self.serve();
            record = unsent;
        }
    }

    fn send_positions(
        &self,
        consumer: &GroupConsumer,
        positions: &TopicPartitionList,
        deadline: Instant,
    ) -> Result<(), CommitFailure> {
        if positions.count() == 0 {
            return Ok(());
        }
        let group = consumer
            .group_metadata()
            .ok_or_else(|| CommitFailure::Final("the consumer belongs to no group".to_owned()))?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.producer.send_offsets_to_transaction(positions, &group, left) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && !left.is_zero() => {
                    std::thread::sleep(RETRY_PAUSE);
                }
                Err(error) => return Err(CommitFailure::of_transaction("committing positions", &error)),
            }
        }
    }

    /// Waits until all records are delivered.
    fn deliver(&self, deadline: Instant) -> Result<(), CommitFailure> {
        while !native::flush(self.producer.client(), Duration::from_millis(100)) {
            self.serve();
            if Instant::now() >= deadline {
                return Err(CommitFailure::Transient(
                    "records were not delivered in time".to_owned(),
                ));
            }
        }
        self.serve_all();
        match self.take_undelivered() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Waits for the deliveries, then commits.
    fn end_transaction(&self, deadline: Instant) -> Result<(), CommitFailure> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Short timeouts: failed deliveries count as in flight until their callbacks have run.
            let timeout = left.min(Duration::from_millis(100));
            let Err(error) = native::commit_transaction(self.producer.client(), timeout) else {
                return Ok(());
            };
            let text = format!("committing the transaction: {}", error.text);
            if left.is_zero() && error.is_retriable {
                let text = "the brokers do not answer, it is not known whether the transaction was committed";
                return Err(CommitFailure::Final(text.to_owned()));
            } else if errors::is_permanent(error.code) {
                return Err(CommitFailure::Permanent(text));
            } else if error.is_fatal {
                return Err(CommitFailure::Final(text));
            } else if error.requires_abort {
                return Err(CommitFailure::Transient(text));
            } else if !error.is_retriable {
                return Err(CommitFailure::Final(format!("the result is not known: {text}")));
            }
            self.serve_all();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Aborts the open transaction, which failed for `reason`. If this does not succeed soon the brokers cannot be
    /// reached; then the start of a successor aborts it, or the brokers do after its timeout.
    fn abort(&self, reason: &str) -> Result<(), LogError> {
        let deadline = Instant::now() + self.timeout / 4;
        loop {
            // Short timeouts: the callbacks of purged deliveries have to run in between.
            match self.producer.abort_transaction(Duration::from_millis(20)) {
                Ok(()) => break,
                Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < deadline => {
                    self.serve_all();
                }
                Err(error) => {
                    let text = errors::describe(&error);
                    return Err(LogError::Fenced(format!("{reason}; aborting the transaction: {text}")));
                }
            }
        }
        self.serve_all();
        self.take_undelivered();
        Ok(())
    }

    /// Runs the callbacks of all failed deliveries known so far.
    fn serve_all(&self) {
        let mut before = i32::MAX;
        while self.producer.in_flight_count() < before {
            before = self.producer.in_flight_count();
            self.serve();
        }
    }

    /// The failure of a record, if there is one: it is the cause of the failure of the transaction.
    fn root_cause(&self, failure: CommitFailure) -> CommitFailure {
        self.serve_all();
        match (failure, self.take_undelivered()) {
            (CommitFailure::Transient(_) | CommitFailure::Permanent(_), Some(cause)) => cause,
            (failure, _) => failure,
        }
    }

    fn take_undelivered(&self) -> Option<CommitFailure> {
        let context = self.producer.context();
        context
            .undelivered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

fn headers(outputs: &Outputs, output: &OutputRecord) -> Option<OwnedHeaders> {
    let mut headers = outputs.headers(output).peekable();
    headers.peek()?;
    let empty = OwnedHeaders::new();
    Some(headers.fold(empty, |all, (key, value)| {
        all.insert(Header {
            key,
            value: Some(value),
        })
    }))
}
