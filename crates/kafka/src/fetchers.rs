//! Consumers that fetch records. They belong to no group; the group's consumer fetches nothing.
//!
//! librdkafka names all partitions of a consumer in each fetch request (it has no fetch sessions, KIP-227), and the broker looks
//! at all of them for each request and for each answer. With hundreds of partitions in one consumer that is most of the
//! broker's work, even if they are quiet. So a fetcher has some partitions of one topic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use riskstream_pipeline::log::{LogError, TopicPartition};

use crate::bootstrap::Bootstrap;
use crate::connection::Connection;
use crate::errors;
use crate::options::KafkaOptions;

/// Partitions of a fetcher at most.
const MOST_PARTITIONS: usize = 16;

/// The callbacks of a fetcher.
pub(crate) struct FetchContext {
    connection: Arc<Connection>,
    bootstrap: Bootstrap,
}

impl ClientContext for FetchContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.connection.on_log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.bootstrap.note(&error);
        self.connection.on_error(&error, reason);
    }
}

impl ConsumerContext for FetchContext {}

pub(crate) type FetchConsumer = BaseConsumer<FetchContext>;

struct Fetcher {
    consumer: Arc<FetchConsumer>,
    topic: Arc<str>,
    partitions: BTreeSet<i32>,
}

/// See the module.
pub(crate) struct Fetchers {
    config: ClientConfig,
    connection: Arc<Connection>,
    fetchers: Vec<Fetcher>,
}

impl Fetchers {
    pub(crate) fn new(options: &KafkaOptions, connection: Arc<Connection>) -> Result<Self, LogError> {
        Ok(Self {
            config: options.fetcher()?,
            connection,
            fetchers: Vec::new(),
        })
    }

    /// The consumer that is to fetch a partition.
    pub(crate) fn add(&mut self, partition: &TopicPartition) -> Result<Arc<FetchConsumer>, LogError> {
        let has_room =
            |fetcher: &&mut Fetcher| fetcher.topic == partition.topic && fetcher.partitions.len() < MOST_PARTITIONS;
        if let Some(fetcher) = self.fetchers.iter_mut().find(has_room) {
            fetcher.partitions.insert(partition.partition);
            return Ok(Arc::clone(&fetcher.consumer));
        }
        let context = FetchContext {
            connection: Arc::clone(&self.connection),
            bootstrap: self.connection.bootstrap(),
        };
        let consumer: FetchConsumer = self
            .config
            .create_with_context(context)
            .map_err(|error| errors::configuration_error(&error))?;
        let consumer = Arc::new(consumer);
        self.fetchers.push(Fetcher {
            consumer: Arc::clone(&consumer),
            topic: Arc::clone(&partition.topic),
            partitions: [partition.partition].into(),
        });
        Ok(consumer)
    }

    /// Fetches added partitions from these positions on.
    pub(crate) fn start(&self, positions: &[(&TopicPartition, i64)]) -> Result<(), LogError> {
        self.in_lists(positions, |consumer, list| consumer.incremental_assign(list))
    }

    /// Fetches partitions that are being fetched from other positions on.
    pub(crate) fn seek(&self, positions: &[(&TopicPartition, i64)], timeout: Duration) -> Result<(), LogError> {
        self.in_lists(positions, |consumer, list| {
            let moved = consumer.seek_partitions(list.clone(), timeout)?;
            moved.elements().iter().try_for_each(|element| element.error())
        })
    }

    /// Fetches these partitions no more. Their readers are dropped before.
    pub(crate) fn remove(&mut self, partitions: &[&TopicPartition]) -> Result<(), LogError> {
        let positions: Vec<_> = partitions.iter().map(|partition| (*partition, 0)).collect();
        self.in_lists(&positions, |consumer, list| consumer.incremental_unassign(list))?;
        for partition in partitions {
            if let Some(index) = self.index(partition) {
                self.fetchers[index].partitions.remove(&partition.partition);
            }
        }
        self.fetchers.retain(|fetcher| !fetcher.partitions.is_empty());
        Ok(())
    }

    /// Runs pending callbacks. Never blocks.
    pub(crate) fn serve(&self) {
        for Fetcher { consumer, .. } in &self.fetchers {
            // This never returns records: every partition has its own queue before it is assigned.
            let _ = consumer.poll(Duration::ZERO);
            consumer.context().bootstrap.serve(consumer.client());
        }
    }

    fn index(&self, partition: &TopicPartition) -> Option<usize> {
        self.fetchers
            .iter()
            .position(|fetcher| fetcher.topic == partition.topic && fetcher.partitions.contains(&partition.partition))
    }

    /// Calls `act` once for each fetcher, with those of its partitions that are named.
    fn in_lists(
        &self,
        positions: &[(&TopicPartition, i64)],
        act: impl Fn(&FetchConsumer, &TopicPartitionList) -> Result<(), KafkaError>,
    ) -> Result<(), LogError> {
        let mut lists: BTreeMap<usize, TopicPartitionList> = BTreeMap::new();
        for (partition, position) in positions {
            let Some(index) = self.index(partition) else { continue };
            let list = lists.entry(index).or_default();
            list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(*position))
                .map_err(|error| LogError::Fatal(errors::describe(&error)))?;
        }
        for (index, list) in &lists {
            act(&self.fetchers[*index].consumer, list).map_err(|error| LogError::Fenced(errors::describe(&error)))?;
        }
        Ok(())
    }
}
