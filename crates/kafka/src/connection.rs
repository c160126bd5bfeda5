//! The state of the connection to the brokers, as reported by the two clients of a log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use riskstream_pipeline::log::LogError;

use crate::errors;

/// The state of the connection, shared by the consumer and the producer of a log.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    name: String,
    is_lost: AtomicBool,
    failure: Mutex<Option<LogError>>,
    last_reason: Mutex<String>,
}

impl Connection {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Handles an error that librdkafka reports outside of calls. It retries most of them itself.
    pub(crate) fn on_error(&self, error: &KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        match code {
            Code::PartitionEOF => {}
            // The group has assigned this member's partitions to others.
            Code::Fatal | Code::PollExceeded => self.fail(LogError::Fenced(reason.to_owned())),
            Code::AllBrokersDown => self.lost(reason),
            Code::BrokerTransportFailure
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::SSL
            | Code::BrokerNotAvailable
            | Code::NodeUpdate => {
                *self.last_reason.lock().unwrap_or_else(PoisonError::into_inner) = reason.to_owned();
                tracing::debug!(target: "riskstream::kafka", client = self.name, reason);
            }
            // Not fatal: it may be a wrong password, but also a broker that restarts.
            Code::Authentication | Code::SaslAuthenticationFailed => {
                *self.last_reason.lock().unwrap_or_else(PoisonError::into_inner) = reason.to_owned();
                self.lost(reason);
            }
            code if errors::is_permanent(code) => self.fail(LogError::Fatal(reason.to_owned())),
            _ => tracing::debug!(target: "riskstream::kafka", client = self.name, %code, reason),
        }
    }

    /// Logs a line of librdkafka's log at debug level; errors are also reported to [`Connection::on_error`].
    pub(crate) fn on_log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(target: "riskstream::kafka::librdkafka", client = self.name, ?level, facility, line);
    }

    /// Marks the brokers as unreachable. Logged once until one is reached again.
    pub(crate) fn lost(&self, reason: &str) {
        if !self.is_lost.swap(true, Ordering::Relaxed) {
            tracing::warn!(target: "riskstream::kafka", client = self.name, reason, "Kafka cannot be reached, retrying");
        }
    }

    /// Marks the brokers as reachable, because one has answered.
    pub(crate) fn reached(&self) {
        if self.is_lost.load(Ordering::Relaxed) && self.is_lost.swap(false, Ordering::Relaxed) {
            tracing::info!(target: "riskstream::kafka", client = self.name, "Kafka can be reached again");
        }
    }

    /// The latest reason why a broker could not be reached; empty if there was none.
    pub(crate) fn last_reason(&self) -> String {
        self.last_reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, error: LogError) {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
    }

    /// Returns, once, an error after which the owner cannot continue.
    pub(crate) fn take_failure(&self) -> Result<(), LogError> {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
