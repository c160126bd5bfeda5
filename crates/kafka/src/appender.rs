//! Writes records outside transactions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use riskstream_pipeline::log::{LogError, Outputs};

use crate::connection::Connection;
use crate::options::KafkaOptions;
use crate::producer::{RecordProducer, WriteFailure};

/// See the module. After a record that could not be written it writes no other.
pub(crate) struct Appender {
    pub(crate) records: RecordProducer,
    timeout: Duration,
    /// Whether records may not be acknowledged yet.
    is_waiting: bool,
}

impl Appender {
    pub(crate) fn new(options: &KafkaOptions, connection: Arc<Connection>) -> Result<Self, LogError> {
        Ok(Self {
            records: RecordProducer::new(&options.appender()?, options.outputs.clone(), connection)?,
            timeout: options.transaction_timeout,
            is_waiting: false,
        })
    }

    /// Runs pending callbacks. Never blocks.
    pub(crate) fn serve(&self) {
        self.records.serve();
    }

    /// Hands over records, to be written in this order. After an error some may have been written.
    pub(crate) fn append(&mut self, records: &Outputs) -> Result<(), LogError> {
        let deadline = Instant::now() + self.timeout;
        self.is_waiting |= !records.is_empty();
        self.records
            .send(records, deadline)
            .map_err(|failure| self.log_error(failure))
    }

    /// Waits until all records are acknowledged. Without records it does nothing: a flush wakes all threads of the client.
    pub(crate) fn settle(&mut self) -> Result<(), LogError> {
        if !self.is_waiting {
            return Ok(());
        }
        let deadline = Instant::now() + self.timeout;
        self.records
            .deliver(deadline)
            .map_err(|failure| self.log_error(failure))?;
        self.is_waiting = false;
        Ok(())
    }

    fn log_error(&self, failure: WriteFailure) -> LogError {
        match failure {
            WriteFailure::Dropped(reason) | WriteFailure::Transient(reason) => LogError::Aborted(reason),
            WriteFailure::Permanent(reason) => LogError::Fatal(reason),
            // The records before this one may tell why the producer writes no more.
            WriteFailure::Final(reason) => match self.records.permanent_failure() {
                Some(cause) => LogError::Fatal(cause),
                None => LogError::Fenced(reason),
            },
        }
    }
}
