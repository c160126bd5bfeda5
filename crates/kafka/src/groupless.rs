//! Consumers that join no group. librdkafka's messages about these clients are logged at debug level.

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use riskstream_pipeline::log::LogError;

use crate::errors;
use crate::options::KafkaOptions;

/// A client context that logs all messages and errors at debug level.
pub(crate) struct DebugLogContext;

impl ClientContext for DebugLogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(target: "riskstream::kafka::librdkafka", ?level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "riskstream::kafka", %error, reason);
    }
}

impl ConsumerContext for DebugLogContext {}

/// A consumer that does not wait for transactions, to ask for positions.
pub(crate) fn uncommitted_consumer(options: &KafkaOptions) -> Result<BaseConsumer<DebugLogContext>, LogError> {
    let mut config = options.consumer()?;
    config.set("isolation.level", "read_uncommitted");
    config
        .create_with_context(DebugLogContext)
        .map_err(|error| errors::configuration_error(&error))
}

/// A consumer of committed records. If retention deletes records while it reads, it continues with the oldest that is
/// left.
pub(crate) fn consumer(options: &KafkaOptions) -> Result<BaseConsumer<DebugLogContext>, LogError> {
    let mut config = options.consumer()?;
    config.set("auto.offset.reset", "earliest");
    config
        .create_with_context(DebugLogContext)
        .map_err(|error| errors::configuration_error(&error))
}
