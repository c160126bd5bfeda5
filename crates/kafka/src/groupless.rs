//! Consumers that join no group. librdkafka's messages about these clients are logged at debug level.

use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use riskstream_pipeline::log::LogError;

use crate::bootstrap::Bootstrap;
use crate::errors;
use crate::options::KafkaOptions;
use crate::outage::Outage;

/// How long a command waits for a broker.
const REACH_TIMEOUT: Duration = Duration::from_secs(5);

/// A client context that logs all messages and errors at debug level, and keeps why brokers cannot be reached.
pub(crate) struct GrouplessContext {
    bootstrap: Bootstrap,
    outage: Outage,
}

impl ClientContext for GrouplessContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(target: "riskstream::kafka::librdkafka", ?level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "riskstream::kafka", %error, reason);
        self.bootstrap.note(&error);
        if let Some(code) = error.rdkafka_error_code()
            && errors::is_connection(code)
        {
            self.outage.note(code, reason);
        }
    }
}

impl ConsumerContext for GrouplessContext {}

impl GrouplessContext {
    pub(crate) fn bootstrap(&self) -> &Bootstrap {
        &self.bootstrap
    }
}

pub(crate) type GrouplessConsumer = BaseConsumer<GrouplessContext>;

/// A consumer that does not wait for transactions, to ask for positions.
pub(crate) fn uncommitted_consumer(options: &KafkaOptions) -> Result<GrouplessConsumer, LogError> {
    let mut config = options.consumer()?;
    config.set("isolation.level", "read_uncommitted");
    create(&config, options)
}

/// A consumer of committed records. If retention deletes records while it reads, it continues with the oldest that is
/// left.
pub(crate) fn consumer(options: &KafkaOptions) -> Result<GrouplessConsumer, LogError> {
    let mut config = options.consumer()?;
    config.set("auto.offset.reset", "earliest");
    create(&config, options)
}

/// A consumer of committed records that fails if retention deletes records before it has read them.
pub(crate) fn gapless_consumer(options: &KafkaOptions) -> Result<GrouplessConsumer, LogError> {
    let mut config = options.consumer()?;
    // The last offsets of a partition may be transaction markers: that nothing follows is known once a fetch comes back empty.
    config.set("fetch.wait.max.ms", "10");
    create(&config, options)
}

/// A client with these properties.
pub(crate) fn create(config: &ClientConfig, options: &KafkaOptions) -> Result<GrouplessConsumer, LogError> {
    let context = GrouplessContext {
        bootstrap: Bootstrap::new(&options.brokers),
        outage: Outage::new(options),
    };
    config
        .create_with_context(context)
        .map_err(|error| errors::configuration_error(&error))
}

/// Waits until a broker answers.
///
/// # Errors
/// `Unavailable`: none has answered within five seconds, or before that a broker cannot be reached for a reason that does
/// not go away by itself.
pub(crate) fn reach(consumer: &GrouplessConsumer) -> Result<(), LogError> {
    let deadline = Instant::now() + REACH_TIMEOUT;
    let outage = &consumer.context().outage;
    loop {
        if consumer.client().fetch_cluster_id(Duration::from_millis(100)).is_some() {
            return Ok(());
        }
        // Runs callbacks. Nothing is assigned, so there are no records.
        let _ = consumer.poll(Duration::ZERO);
        if let Some(reason) = outage.lasting() {
            return Err(LogError::Unavailable(reason));
        }
        if Instant::now() >= deadline {
            return Err(LogError::Unavailable(outage.with_reason("no broker answers")));
        }
    }
}
