//! Ends what a worker that is gone has left open.

use std::sync::Arc;
use std::time::Duration;

use riskstream_pipeline::log::LogError;

use crate::committer::Committer;
use crate::connection::Connection;
use crate::options::{Delivery, KafkaOptions};

/// How long the brokers may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Ends the open transaction of the worker with these options, which is gone: otherwise readers of committed data, and who takes
/// over its partitions, wait until it times out. A worker that lives begins anew after this.
///
/// # Errors
/// The brokers cannot be reached or refuse.
pub fn end_transaction_of(options: &KafkaOptions) -> Result<(), LogError> {
    match options.delivery {
        Delivery::ExactlyOnce => Committer::new(options, Arc::new(Connection::new(options)))?.init(TIMEOUT),
        Delivery::AtLeastOnce => Ok(()),
    }
}
