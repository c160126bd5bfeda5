//! The callbacks of a consumer. They record what happened; the owner of the log acts on it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use riskstream_pipeline::log::{LogError, TopicPartition};

use crate::bootstrap::Bootstrap;
use crate::connection::Connection;
use crate::errors;
use crate::signal::Signal;

/// A rebalance announced by the group's coordinator. librdkafka waits for the acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rebalance {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
    Lost(Vec<TopicPartition>),
}

impl Rebalance {
    /// Logs it in one line.
    pub(crate) fn log(&self, connection: &Connection, generation: u64) {
        let (what, partitions) = match self {
            Rebalance::Assigned(partitions) => ("partitions assigned", partitions),
            Rebalance::Revoked(partitions) => ("partitions revoked", partitions),
            Rebalance::Lost(partitions) => ("partitions lost, the session had timed out", partitions),
        };
        let count = partitions.len();
        let partitions: Vec<String> = partitions.iter().map(TopicPartition::to_string).collect();
        let (client, partitions) = (connection.name(), partitions.join(" "));
        tracing::info!(target: "riskstream::kafka", client, generation, count, partitions, "rebalance: {what}");
    }
}

/// The callbacks' records.
#[derive(Debug)]
pub(crate) struct GroupContext {
    connection: Arc<Connection>,
    bootstrap: Bootstrap,
    topics: Vec<Arc<str>>,
    rebalances: Mutex<VecDeque<Rebalance>>,
    events: AtomicUsize,
    closing: AtomicBool,
    /// Whether a rebalance was acknowledged since the consumer closes.
    acknowledged: AtomicBool,
}

pub(crate) type GroupConsumer = BaseConsumer<GroupContext>;

/// Creates a consumer that raises `signal` when a callback can run. Does not wait for a broker.
pub(crate) fn open(
    config: &ClientConfig,
    context: GroupContext,
    signal: &Arc<Signal>,
) -> Result<GroupConsumer, LogError> {
    let created = config.create_with_context(context);
    let mut consumer: GroupConsumer = created.map_err(|error| errors::configuration_error(&error))?;
    let waker = Arc::clone(signal);
    consumer.set_nonempty_callback(move || waker.raise());
    Ok(consumer)
}

impl GroupContext {
    pub(crate) fn new(connection: Arc<Connection>, topics: Vec<Arc<str>>) -> Self {
        Self {
            bootstrap: connection.bootstrap(),
            connection,
            topics,
            rebalances: Mutex::default(),
            events: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            acknowledged: AtomicBool::new(false),
        }
    }

    pub(crate) fn bootstrap(&self) -> &Bootstrap {
        &self.bootstrap
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The number of callbacks that have run. A poll that ran none has found the queue empty.
    pub(crate) fn events(&self) -> usize {
        self.events.load(Ordering::Relaxed)
    }

    /// Takes the oldest recorded rebalance.
    pub(crate) fn next_rebalance(&self) -> Option<Rebalance> {
        self.rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }

    /// Makes callbacks acknowledge rebalances themselves: the owner no longer acts on them.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    fn count(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    fn partitions(&self, list: &TopicPartitionList) -> Vec<TopicPartition> {
        let mut partitions: Vec<_> = list
            .elements()
            .iter()
            .map(|element| TopicPartition {
                topic: self.shared_name(element.topic()),
                partition: element.partition(),
            })
            .collect();
        partitions.sort();
        partitions
    }

    fn shared_name(&self, topic: &str) -> Arc<str> {
        match self.topics.iter().find(|known| known.as_ref() == topic) {
            Some(known) => Arc::clone(known),
            None => Arc::from(topic),
        }
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.count();
        self.connection.on_log(level, facility, line);
    }

    fn stats_raw(&self, _: &[u8]) {
        self.count();
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.count();
        self.bootstrap.note(&error);
        self.connection.on_error(&error, reason);
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        self.count();
        if self.closing.load(Ordering::Relaxed) {
            // While a consumer closes, any acknowledgement gives up all partitions. A second one may come when its group has
            // ended, and librdkafka would never return from it.
            if !self.acknowledged.swap(true, Ordering::Relaxed) {
                let _ = consumer.incremental_unassign(list);
            }
            return;
        }
        let partitions = self.partitions(list);
        let rebalance = match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assigned(partitions),
            _ if consumer.assignment_lost() => Rebalance::Lost(partitions),
            _ => Rebalance::Revoked(partitions),
        };
        self.rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(rebalance);
    }

    fn commit_callback(&self, _: Result<(), KafkaError>, _: &TopicPartitionList) {
        self.count();
    }
}
