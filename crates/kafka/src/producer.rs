//! A producer of records, with or without transactions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use riskstream_pipeline::log::{LogError, OutputRecord, Outputs};

use crate::connection::Connection;
use crate::errors;
use crate::native;

/// The callbacks of the producer. They record failed deliveries.
pub(crate) struct ProducerCallbacks {
    connection: Arc<Connection>,
    undelivered: Mutex<Option<WriteFailure>>,
}

impl ClientContext for ProducerCallbacks {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.connection.on_log(level, facility, line);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.connection.on_error(&error, reason);
    }
}

impl ProducerContext for ProducerCallbacks {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let failure = WriteFailure::of_record(error, message.topic(), message.payload_len());
            self.undelivered
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert(failure);
        }
    }
}

/// Why records were not written, and what has to follow.
#[derive(Debug)]
pub(crate) enum WriteFailure {
    /// Abort the transaction; a retry may succeed.
    Transient(String),
    /// Abort the transaction; a retry cannot succeed.
    Permanent(String),
    /// The producer cannot be used any more, or the result of the commit is not known.
    Final(String),
}

impl WriteFailure {
    pub(crate) fn of_record(error: &KafkaError, topic: &str, size: usize) -> Self {
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

    pub(crate) fn of_transaction(what: &str, error: &KafkaError) -> Self {
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

/// See the module.
pub(crate) struct RecordProducer {
    pub(crate) producer: BaseProducer<ProducerCallbacks>,
    topics: Vec<String>,
}

impl RecordProducer {
    /// A producer to these topics, which records name by their index.
    pub(crate) fn new(
        config: &ClientConfig,
        topics: Vec<String>,
        connection: Arc<Connection>,
    ) -> Result<Self, LogError> {
        let callbacks = ProducerCallbacks {
            connection,
            undelivered: Mutex::default(),
        };
        let producer = config
            .create_with_context(callbacks)
            .map_err(|error| errors::configuration_error(&error))?;
        Ok(Self { producer, topics })
    }

    pub(crate) fn client(&self) -> &Client<ProducerCallbacks> {
        self.producer.client()
    }

    /// Runs pending callbacks. Never blocks.
    pub(crate) fn serve(&self) {
        self.producer.poll(Duration::ZERO);
    }

    pub(crate) fn send(&self, outputs: &Outputs, deadline: Instant) -> Result<(), WriteFailure> {
        for record in outputs.records() {
            self.send_one(outputs, record, deadline)?;
        }
        Ok(())
    }

    fn send_one(&self, outputs: &Outputs, output: &OutputRecord, deadline: Instant) -> Result<(), WriteFailure> {
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
                return Err(WriteFailure::of_record(&error, topic, size));
            }
            if Instant::now() >= deadline {
                return Err(WriteFailure::Transient(format!(
                    "writing to topic {topic} takes too long"
                )));
            }
            native::flush(self.client(), Duration::from_millis(5));
            self.serve();
            record = unsent;
        }
    }

    /// Waits until all records are delivered.
    pub(crate) fn deliver(&self, deadline: Instant) -> Result<(), WriteFailure> {
        while !native::flush(self.client(), Duration::from_millis(100)) {
            self.serve();
            if Instant::now() >= deadline {
                return Err(WriteFailure::Transient("records were not delivered in time".to_owned()));
            }
        }
        self.serve_all();
        match self.take_undelivered() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Runs the callbacks of all failed deliveries known so far.
    pub(crate) fn serve_all(&self) {
        let mut before = i32::MAX;
        while self.producer.in_flight_count() < before {
            before = self.producer.in_flight_count();
            self.serve();
        }
    }

    /// The failure of a record, if there is one: it is the cause of the failure of the transaction.
    pub(crate) fn root_cause(&self, failure: WriteFailure) -> WriteFailure {
        self.serve_all();
        match (failure, self.take_undelivered()) {
            (WriteFailure::Transient(_) | WriteFailure::Permanent(_), Some(cause)) => cause,
            (failure, _) => failure,
        }
    }

    pub(crate) fn take_undelivered(&self) -> Option<WriteFailure> {
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
