//! The writing half of a log: one idempotent producer, with transactions for exactly once.

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
use crate::failure;
use crate::native;
use crate::options::{Delivery, KafkaOptions};
use crate::positions;
use crate::watch::TransactionWatch;

/// Between attempts that were refused at once.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// The producer's callbacks: failed deliveries are written down.
pub(crate) struct WriterContext {
    connection: Arc<Connection>,
    undelivered: Mutex<Option<Failure>>,
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
            let failure = Failure::of_record(error, message.topic(), message.payload_len());
            self.undelivered
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert(failure);
        }
    }
}

/// Why a commit did not come about, and what has to follow.
#[derive(Debug)]
enum Failure {
    /// Abort; trying again may help.
    Passing(String),
    /// Abort; trying again does not help.
    Permanent(String),
    /// The producer can do nothing any more, or nobody knows what it did.
    Final(String),
}

impl Failure {
    fn of_record(error: &KafkaError, topic: &str, size: usize) -> Self {
        let text = format!("writing to topic {topic}: {}", failure::describe(error));
        match error.rdkafka_error_code() {
            Some(Code::MessageSizeTooLarge) => Self::Permanent(format!(
                "a record of {size} bytes is too large for topic {topic}: raise its max.message.bytes"
            )),
            Some(Code::Fatal | Code::Fenced) => Self::Final(text),
            Some(code) if failure::is_permanent(code) => Self::Permanent(text),
            _ => Self::Passing(text),
        }
    }

    fn of_transaction(what: &str, error: &KafkaError) -> Self {
        let text = format!("{what}: {}", failure::describe(error));
        match error {
            KafkaError::Transaction(error) if failure::is_permanent(error.code()) => Self::Permanent(text),
            KafkaError::Transaction(error) if error.is_fatal() => Self::Final(text),
            KafkaError::Transaction(error) if error.txn_requires_abort() || error.is_retriable() => Self::Passing(text),
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
            .map_err(|error| failure::of_configuration(&error))?;
        Ok(Self {
            producer,
            topics: options.outputs.clone(),
            delivery: options.delivery,
            timeout: options.transaction_timeout,
            watch,
        })
    }

    /// Fences whoever used this transactional id before, and aborts what they left open. To be repeated
    /// while the brokers are out of reach.
    pub(crate) fn init(&self, timeout: Duration) -> Result<(), LogError> {
        if self.delivery == Delivery::AtLeastOnce {
            return Ok(());
        }
        let _running = self.watch.enter();
        self.producer.init_transactions(timeout).map_err(|error| {
            let text = format!("preparing transactions: {}", failure::describe(&error));
            match &error {
                KafkaError::Transaction(error) if error.is_retriable() => LogError::Unavailable(text),
                KafkaError::Transaction(error) if failure::is_permanent(error.code()) => LogError::Fatal(text),
                _ => LogError::Fenced(text),
            }
        })
    }

    /// Runs the callbacks that wait. Never blocks.
    pub(crate) fn serve(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Writes all outputs and positions: all or nothing for exactly once, outputs first for at least once.
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
            Delivery::AtLeastOnce => self.commit_in_turn(consumer, outputs, &positions),
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
            .map_err(|error| LogError::Fenced(failure::describe(&error)))?;
        let result = self
            .send(outputs, deadline)
            // librdkafka may wait for ever to send positions while a coordinator is away (its issues 5456 and
            // 5511). Outputs that were delivered just now show that the brokers are there.
            .and_then(|()| self.deliver(deadline))
            .and_then(|()| self.send_positions(consumer, positions, deadline))
            .and_then(|()| self.end_transaction(deadline))
            .map_err(|failure| self.explained(failure));
        match result {
            Ok(()) => Ok(()),
            Err(Failure::Passing(reason)) => self.abort(&reason).and(Err(LogError::Aborted(reason))),
            Err(Failure::Permanent(reason)) => self.abort(&reason).and(Err(LogError::Fatal(reason))),
            Err(Failure::Final(reason)) => Err(LogError::Fenced(reason)),
        }
    }

    fn commit_in_turn(
        &self,
        consumer: &GroupConsumer,
        outputs: &Outputs,
        positions: &TopicPartitionList,
    ) -> Result<(), LogError> {
        let deadline = Instant::now() + self.timeout;
        let delivered = self.send(outputs, deadline).and_then(|()| self.deliver(deadline));
        match delivered {
            Ok(()) => {}
            Err(Failure::Passing(reason)) => return Err(LogError::Aborted(reason)),
            Err(Failure::Permanent(reason)) => return Err(LogError::Fatal(reason)),
            Err(Failure::Final(reason)) => return Err(LogError::Fenced(reason)),
        }
        if positions.count() == 0 {
            return Ok(());
        }
        consumer.commit(positions, CommitMode::Sync).map_err(|error| {
            let text = format!("committing positions: {}", failure::describe(&error));
            match error.rdkafka_error_code() {
                Some(code) if failure::is_permanent(code) => LogError::Fatal(text),
                Some(Code::Fatal | Code::FencedInstanceId) => LogError::Fenced(text),
                _ => LogError::Aborted(text),
            }
        })
    }

    fn send(&self, outputs: &Outputs, deadline: Instant) -> Result<(), Failure> {
        for record in outputs.records() {
            self.send_one(outputs, record, deadline)?;
        }
        Ok(())
    }

    fn send_one(&self, outputs: &Outputs, output: &OutputRecord, deadline: Instant) -> Result<(), Failure> {
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
                return Err(Failure::of_record(&error, topic, size));
            }
            if Instant::now() >= deadline {
                return Err(Failure::Passing(format!("writing to topic {topic} takes too long")));
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
    ) -> Result<(), Failure> {
        if positions.count() == 0 {
            return Ok(());
        }
        let group = consumer
            .group_metadata()
            .ok_or_else(|| Failure::Final("the consumer belongs to no group".to_owned()))?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.producer.send_offsets_to_transaction(positions, &group, left) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && !left.is_zero() => {
                    std::thread::sleep(RETRY_PAUSE);
                }
                Err(error) => return Err(Failure::of_transaction("committing positions", &error)),
            }
        }
    }

    /// Waits until every record was delivered.
    fn deliver(&self, deadline: Instant) -> Result<(), Failure> {
        while !native::flush(self.producer.client(), Duration::from_millis(100)) {
            self.serve();
            if Instant::now() >= deadline {
                return Err(Failure::Passing("records were not delivered in time".to_owned()));
            }
        }
        self.serve_all();
        match self.take_undelivered() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Waits for the deliveries and commits.
    fn end_transaction(&self, deadline: Instant) -> Result<(), Failure> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Not longer at a time: deliveries that failed count as under way until they are served.
            let timeout = left.min(Duration::from_millis(100));
            let Err(error) = native::commit_transaction(self.producer.client(), timeout) else {
                return Ok(());
            };
            let text = format!("committing the transaction: {}", error.text);
            if left.is_zero() && error.is_retriable {
                let text = "the brokers do not answer, it is not known whether the transaction was committed";
                return Err(Failure::Final(text.to_owned()));
            } else if failure::is_permanent(error.code) {
                return Err(Failure::Permanent(text));
            } else if error.is_fatal {
                return Err(Failure::Final(text));
            } else if error.requires_abort {
                return Err(Failure::Passing(text));
            } else if !error.is_retriable {
                return Err(Failure::Final(format!("the result is not known: {text}")));
            }
            self.serve_all();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes everything of the open transaction back, which failed for `reason`. If that does not succeed
    /// soon the brokers are away, and a successor's start or the brokers' own timeout does it.
    fn abort(&self, reason: &str) -> Result<(), LogError> {
        let deadline = Instant::now() + self.timeout / 4;
        loop {
            // A short timeout: the deliveries that are given up have to be served in between.
            match self.producer.abort_transaction(Duration::from_millis(20)) {
                Ok(()) => break,
                Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < deadline => {
                    self.serve_all();
                }
                Err(error) => {
                    let text = failure::describe(&error);
                    return Err(LogError::Fenced(format!("{reason}; aborting the transaction: {text}")));
                }
            }
        }
        self.serve_all();
        self.take_undelivered();
        Ok(())
    }

    /// Runs the callbacks of all failed deliveries that are known by now.
    fn serve_all(&self) {
        let mut before = i32::MAX;
        while self.producer.in_flight_count() < before {
            before = self.producer.in_flight_count();
            self.serve();
        }
    }

    /// The failure of a record says more than that of its transaction.
    fn explained(&self, failure: Failure) -> Failure {
        self.serve_all();
        match (failure, self.take_undelivered()) {
            (Failure::Passing(_) | Failure::Permanent(_), Some(cause)) => cause,
            (failure, _) => failure,
        }
    }

    fn take_undelivered(&self) -> Option<Failure> {
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
