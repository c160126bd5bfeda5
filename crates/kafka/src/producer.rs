//! A producer of records, with or without transactions.

use std::sync::atomic::{AtomicUsize, Ordering};
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

use crate::bootstrap::Bootstrap;
use crate::connection::Connection;
use crate::errors;
use crate::native;
use crate::rights::Right;

/// The callbacks of the producer. They record failed deliveries.
pub(crate) struct ProducerCallbacks {
    connection: Arc<Connection>,
    bootstrap: Bootstrap,
    /// The number of callbacks that have run. A poll that ran none has found the queue empty.
    events: AtomicUsize,
    undelivered: Mutex<Option<WriteFailure>>,
}

impl ProducerCallbacks {
    fn count(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }
}

impl ClientContext for ProducerCallbacks {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.count();
        self.connection.on_log(level, facility, line);
    }

    fn stats_raw(&self, _: &[u8]) {
        self.count();
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.count();
        self.bootstrap.note(&error);
        self.connection.on_error(&error, reason);
    }
}

impl ProducerContext for ProducerCallbacks {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.count();
        if let Err((error, message)) = result {
            let failure = WriteFailure::of_record(error, message.topic(), message.payload_len());
            let mut first = self.undelivered.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(*first, None | Some(WriteFailure::Dropped(_))) {
                *first = Some(failure);
            }
        }
    }
}

/// Why records were not written, and what has to follow.
#[derive(Debug)]
pub(crate) enum WriteFailure {
    /// librdkafka gave up the record because of another failure, which is the one to report.
    Dropped(String),
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
            Some(Code::TopicAuthorizationFailed) => Self::Permanent(Right::Write(topic).to_string()),
            // In the state of an error a transaction takes no record.
            Some(Code::PurgeQueue | Code::PurgeInflight | Code::State) => Self::Dropped(text),
            Some(Code::MessageSizeTooLarge) => Self::Permanent(format!(
                "a record of {size} bytes is too large for topic {topic}: raise its max.message.bytes"
            )),
            Some(Code::Fatal | Code::Fenced) => Self::Final(text),
            Some(code) if errors::is_permanent(code) => Self::Permanent(text),
            _ => Self::Transient(text),
        }
    }
}

/// See the module.
pub(crate) struct RecordProducer {
    pub(crate) producer: Arc<BaseProducer<ProducerCallbacks>>,
    connection: Arc<Connection>,
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
            connection: Arc::clone(&connection),
            bootstrap: connection.bootstrap(),
            events: AtomicUsize::new(0),
            undelivered: Mutex::default(),
        };
        let producer = config
            .create_with_context(callbacks)
            .map_err(|error| errors::configuration_error(&error))?;
        Ok(Self {
            producer: Arc::new(producer),
            connection,
            topics,
        })
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(String::as_str)
    }

    /// How many partitions a topic has.
    ///
    /// # Errors
    /// `Fenced`: the brokers do not say.
    pub(crate) fn partitions(&self, topic: &str, timeout: Duration) -> Result<i32, LogError> {
        let fenced = |error| LogError::Fenced(format!("looking up {topic}: {}", errors::describe(&error)));
        let metadata = self.client().fetch_metadata(Some(topic), timeout).map_err(fenced)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        Ok(found.map_or(0, |found| found.partitions().len() as i32))
    }

    /// How often all brokers were reported to be down.
    pub(crate) fn outages(&self) -> usize {
        self.producer.context().bootstrap.outages()
    }

    pub(crate) fn client(&self) -> &Client<ProducerCallbacks> {
        self.producer.client()
    }

    /// Runs pending callbacks. Never blocks.
    pub(crate) fn serve(&self) {
        self.producer.poll(Duration::ZERO);
        self.producer.context().bootstrap.serve(self.client());
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

    /// Sends a record without key and value to each of these partitions.
    pub(crate) fn send_empty(&self, partitions: &[(String, i32)]) -> Result<(), WriteFailure> {
        for (topic, partition) in partitions {
            let record = BaseRecord::<[u8], [u8]>::to(topic).partition(*partition);
            let sent = self.producer.send(record);
            sent.map_err(|(error, _)| WriteFailure::of_record(&error, topic, 0))?;
        }
        Ok(())
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

    /// Runs all pending callbacks.
    pub(crate) fn serve_all(&self) {
        let events = &self.producer.context().events;
        loop {
            let before = events.load(Ordering::Relaxed);
            self.serve();
            if events.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }

    /// The failure of a record, if there is one: it is the cause of the failure of the transaction.
    pub(crate) fn root_cause(&self, failure: WriteFailure) -> WriteFailure {
        self.serve_all();
        match (failure, self.take_undelivered()) {
            (failure, None | Some(WriteFailure::Dropped(_))) => failure,
            (WriteFailure::Final(reason), _) => WriteFailure::Final(reason),
            (_, Some(cause)) => cause,
        }
    }

    /// The failure of a step of a transaction.
    pub(crate) fn transaction_failure(&self, what: &str, error: &KafkaError) -> WriteFailure {
        let text = format!("{what}: {}", errors::describe(error));
        match error {
            KafkaError::Transaction(error) if errors::is_permanent(error.code()) => {
                WriteFailure::Permanent(self.explain(error.code(), text))
            }
            KafkaError::Transaction(error) if error.is_fatal() => WriteFailure::Final(text),
            KafkaError::Transaction(error) if error.txn_requires_abort() || error.is_retriable() => {
                WriteFailure::Transient(text)
            }
            _ => WriteFailure::Final(text),
        }
    }

    /// The right that the brokers refuse, if that is what the code says; else `text`.
    pub(crate) fn explain(&self, code: Code, text: String) -> String {
        // The log may name what the code does not.
        self.serve_all();
        self.connection.refused(code).unwrap_or(text)
    }

    /// Why this producer cannot be used any more, if a right or a setting has to be changed. A fatal error of librdkafka
    /// does not say so by itself.
    pub(crate) fn permanent_failure(&self) -> Option<String> {
        native::flush(self.client(), Duration::from_millis(100));
        self.serve_all();
        if let Some(WriteFailure::Permanent(reason)) = self.take_undelivered() {
            return Some(reason);
        }
        let (code, text) = self.client().fatal_error()?;
        errors::is_permanent(code).then(|| self.explain(code, text))
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
