//! The state of the connection to the brokers, as reported by the two clients of a log.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use riskstream_pipeline::log::LogError;

use crate::bootstrap::Bootstrap;
use crate::errors;
use crate::options::KafkaOptions;
use crate::outage::{Outage, are_all_down};
use crate::rights::{self, Right};

/// The state of the connection, shared by the consumer and the producer of a log.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    name: String,
    group: String,
    transactional_id: String,
    servers: String,
    is_lost: AtomicBool,
    failure: Mutex<Option<LogError>>,
    outage: Outage,
    /// The topics that transactions may not write to.
    refused_topics: Mutex<BTreeSet<String>>,
}

impl Connection {
    pub(crate) fn new(options: &KafkaOptions) -> Self {
        Self {
            name: options.client_id.clone(),
            group: options.group.clone(),
            transactional_id: options.transactional_id(),
            servers: options.brokers.clone(),
            outage: Outage::new(options),
            ..Self::default()
        }
    }

    /// The name of this member in logs.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The bootstrap servers, for one client.
    pub(crate) fn bootstrap(&self) -> Bootstrap {
        Bootstrap::new(&self.servers)
    }

    /// Handles an error that librdkafka reports outside of calls. It retries most of them itself.
    pub(crate) fn on_error(&self, error: &KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        match code {
            Code::PartitionEOF => {}
            // The group has assigned this member's partitions to others.
            Code::Fatal | Code::PollExceeded => self.fail(LogError::Fenced(reason.to_owned())),
            Code::AllBrokersDown if are_all_down(reason) => self.lost(&self.outage.with_reason(reason)),
            Code::AllBrokersDown => {}
            code if errors::is_connection(code) => {
                tracing::debug!(target: "riskstream::kafka", client = self.name, reason);
                self.outage.note(code, reason);
                // Not fatal: it may be a wrong password, but also a broker that restarts.
                if matches!(code, Code::Authentication | Code::SaslAuthenticationFailed) {
                    self.lost(reason);
                }
            }
            code if errors::is_permanent(code) => {
                let reason = self.refused(code).unwrap_or_else(|| reason.to_owned());
                self.fail(LogError::Fatal(reason));
            }
            _ => tracing::debug!(target: "riskstream::kafka", client = self.name, %code, reason),
        }
    }

    /// Logs a line of librdkafka's log at debug level; errors are also reported to [`Connection::on_error`].
    pub(crate) fn on_log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(target: "riskstream::kafka::librdkafka", client = self.name, ?level, facility, line);
        if let Some(topic) = rights::refused_topic(line) {
            let mut topics = self.refused_topics.lock().unwrap_or_else(PoisonError::into_inner);
            topics.insert(topic.to_owned());
        }
    }

    /// The right that the brokers refuse by this code; `None` if it is about something else, or about a topic that is
    /// not known here.
    pub(crate) fn refused(&self, code: Code) -> Option<String> {
        match code {
            Code::TopicAuthorizationFailed => {
                let topics = self.refused_topics.lock().unwrap_or_else(PoisonError::into_inner);
                let refused: Vec<String> = topics.iter().map(|topic| Right::Write(topic).to_string()).collect();
                (!refused.is_empty()).then(|| refused.join("; "))
            }
            Code::GroupAuthorizationFailed => Some(Right::Group(&self.group).to_string()),
            Code::TransactionalIdAuthorizationFailed => {
                Some(Right::TransactionalId(&self.transactional_id).to_string())
            }
            Code::ClusterAuthorizationFailed => Some(Right::IdempotentWrite.to_string()),
            _ => None,
        }
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
            self.outage.end();
            tracing::info!(target: "riskstream::kafka", client = self.name, "Kafka can be reached again");
        }
    }

    /// `text` with the reason why no broker can be reached, if one is known.
    pub(crate) fn with_reason(&self, text: &str) -> String {
        self.outage.with_reason(text)
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
