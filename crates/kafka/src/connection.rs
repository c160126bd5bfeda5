//! What both clients of a log tell about the state of their connection, and the one place that logs it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use riskstream_pipeline::log::LogError;

use crate::failure;

/// Shared by the consumer and the producer of a log.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    name: String,
    away: AtomicBool,
    failure: Mutex<Option<LogError>>,
    last: Mutex<String>,
}

impl Connection {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// An error that librdkafka reports outside of any call. Most are retried inside.
    pub(crate) fn on_error(&self, error: &KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        match code {
            Code::PartitionEOF => {}
            // The group has given this member's partitions to others.
            Code::Fatal | Code::PollExceeded => self.fail(LogError::Fenced(reason.to_owned())),
            Code::AllBrokersDown => self.lost(reason),
            Code::BrokerTransportFailure
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::SSL
            | Code::BrokerNotAvailable
            | Code::NodeUpdate => {
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = reason.to_owned();
                tracing::debug!(target: "riskstream::kafka", client = self.name, reason);
            }
            // A wrong password is for somebody to mend; while running it may be a broker that restarts.
            Code::Authentication | Code::SaslAuthenticationFailed => {
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = reason.to_owned();
                self.lost(reason);
            }
            code if failure::is_permanent(code) => self.fail(LogError::Fatal(reason.to_owned())),
            _ => tracing::debug!(target: "riskstream::kafka", client = self.name, %code, reason),
        }
    }

    /// A line of librdkafka's own log: for whoever looks for it, errors are reported in their own right.
    pub(crate) fn on_log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(target: "riskstream::kafka::librdkafka", client = self.name, ?level, facility, line);
    }

    /// No broker can be reached. Logged once until one can.
    pub(crate) fn lost(&self, reason: &str) {
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(target: "riskstream::kafka", client = self.name, reason, "Kafka is out of reach, trying on");
        }
    }

    /// A broker has answered.
    pub(crate) fn reached(&self) {
        if self.away.load(Ordering::Relaxed) && self.away.swap(false, Ordering::Relaxed) {
            tracing::info!(target: "riskstream::kafka", client = self.name, "Kafka is back");
        }
    }

    /// The latest reason why a broker could not be reached; empty if there was none.
    pub(crate) fn last_reason(&self) -> String {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, error: LogError) {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
    }

    /// An error after which the owner cannot go on, reported once.
    pub(crate) fn take_failure(&self) -> Result<(), LogError> {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
