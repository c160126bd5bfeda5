//! An idempotent producer for programs that only write: `riskstream generate` and tests.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext};
use riskstream_pipeline::log::LogError;

use crate::options::KafkaOptions;
use std::sync::Mutex;
use std::time::Duration;

/// Records the first error of a delivery.
#[derive(Default)]
struct Deliveries {
    failure: Mutex<Option<String>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut failure = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            failure.get_or_insert_with(|| error.to_string());
        }
    }
}

/// Writes records. The key determines the partition as in Kafka's Java clients.
pub struct Producer {
    inner: ThreadedProducer<Deliveries>,
}

impl Producer {
    /// A producer for these brokers (`host:port,host:port`).
    ///
    /// # Errors
    /// When librdkafka refuses the settings.
    pub fn open(brokers: &str) -> Result<Producer, LogError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers);
        Producer::create(config)
    }

    /// A producer with the connection settings of a pipeline.
    ///
    /// # Errors
    /// When a setting is refused.
    pub fn open_with(options: &KafkaOptions) -> Result<Producer, LogError> {
        Producer::create(options.client()?)
    }

    fn create(mut config: ClientConfig) -> Result<Producer, LogError> {
        let inner = config
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .set("compression.type", "lz4")
            .create_with_context(Deliveries::default())
            .map_err(|error| LogError::Fatal(error.to_string()))?;
        Ok(Producer { inner })
    }

    /// Adds a record to the producer's queue. Waits while the queue is full.
    ///
    /// # Errors
    /// When the record can never be sent.
    pub fn send(&self, topic: &str, key: &[u8], value: &[u8]) -> Result<(), LogError> {
        self.enqueue(BaseRecord::to(topic).key(key).payload(value))
    }

    /// Adds a tombstone, as [`Producer::send`] does a record.
    ///
    /// # Errors
    /// When the record can never be sent.
    pub fn remove(&self, topic: &str, key: &[u8]) -> Result<(), LogError> {
        self.enqueue(BaseRecord::to(topic).key(key))
    }

    fn enqueue(&self, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<(), LogError> {
        loop {
            match self.inner.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    record = refused;
                    self.inner.poll(Duration::from_millis(20));
                }
                Err((error, _)) => return Err(LogError::Fatal(error.to_string())),
            }
        }
    }

    /// Waits until all records are delivered.
    ///
    /// # Errors
    /// When some records were not delivered within 60 seconds.
    pub fn finish(self) -> Result<(), LogError> {
        let flushed = self.inner.flush(Duration::from_secs(60));
        flushed.map_err(|error| LogError::Unavailable(format!("not all records were delivered: {error}")))?;
        let failure = self
            .inner
            .context()
            .failure
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        match failure {
            Some(error) => {
                // After a fatal error, such as a right that is missing, records are only purged.
                let fatal = self.inner.client().fatal_error();
                let why = fatal.map_or(error, |(_, why)| why);
                Err(LogError::Fatal(format!("not all records were delivered: {why}")))
            }
            None => Ok(()),
        }
    }
}
