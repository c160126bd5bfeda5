//! Reconnects a client that has forgotten all brokers.
//!
//! A client of librdkafka 2.10 or later forgets the brokers that a metadata response does not list. A broker that has just
//! started, or that its controller believes to be dead, lists none. If the client knows no other broker, it sends no more
//! requests, and the same response may cancel its return to the bootstrap servers (confluentinc/librdkafka#5301, reported
//! for 2.13). So this module adds the servers again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::native;

/// A client that is silent for this time after all its brokers were down has either reached one, or has forgotten them all. A
/// client that still tries reports each failure.
const SILENCE: Duration = Duration::from_secs(3);

/// The bootstrap servers of one client.
#[derive(Debug)]
pub(crate) struct Bootstrap {
    servers: String,
    /// When all brokers were last reported to be down; `None` after the servers were added.
    down_at: Mutex<Option<Instant>>,
    outages: AtomicUsize,
}

impl Bootstrap {
    /// With these `bootstrap.servers`.
    pub(crate) fn new(servers: &str) -> Bootstrap {
        Bootstrap {
            servers: servers.to_owned(),
            down_at: Mutex::default(),
            outages: AtomicUsize::new(0),
        }
    }

    /// To be called with each error that the client reports.
    pub(crate) fn note(&self, error: &KafkaError) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.outages.fetch_add(1, Ordering::Relaxed);
            *self.down_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// How often all brokers were reported to be down.
    pub(crate) fn outages(&self) -> usize {
        self.outages.load(Ordering::Relaxed)
    }

    /// To be called again and again. Adds the servers once after each outage: a client that knows them ignores it.
    pub(crate) fn serve<C: ClientContext>(&self, client: &Client<C>) {
        let mut down_at = self.down_at.lock().unwrap_or_else(PoisonError::into_inner);
        if down_at.is_some_and(|at| at.elapsed() >= SILENCE) {
            *down_at = None;
            native::add_brokers(client, &self.servers);
        }
    }
}
