//! Consumers beside those of the service: they join no group, and what librdkafka says of them is for whoever looks for it.

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use riskstream_pipeline::log::LogError;

use crate::failure;
use crate::options::KafkaOptions;

/// A context that logs nothing but to whoever looks for it.
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(target: "riskstream::kafka::librdkafka", ?level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "riskstream::kafka", %error, reason);
    }
}

impl ConsumerContext for Quiet {}

/// A reader of committed records. What retention takes away while it reads is not there to be found: it goes on after that.
pub(crate) fn reader(options: &KafkaOptions) -> Result<BaseConsumer<Quiet>, LogError> {
    let mut config = options.consumer()?;
    config.set("auto.offset.reset", "earliest");
    config
        .create_with_context(Quiet)
        .map_err(|error| failure::of_configuration(&error))
}
