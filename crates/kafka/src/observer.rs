//! The log for one who is no member of the group: reads any partition, and what the group has committed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use riskstream_pipeline::log::{
    AssignmentChange, Committed, Log, LogError, LogTopic, Outputs, RecordRef, TopicPartition,
};

use crate::connection::Connection;
use crate::consumer::{self, GroupConsumer, GroupContext};
use crate::errors;
use crate::native::CommittedPositions;
use crate::options::KafkaOptions;
use crate::positions;
use crate::readers::Readers;
use crate::requests::{self, REQUEST_TIMEOUT, list_of};
use crate::signal::Signal;
use crate::topic_watch::TopicWatch;

/// How often the group's positions are asked for.
const INTERVAL: Duration = Duration::from_millis(500);

/// A log that is given no partitions, and to which nothing is written. Opening it does not connect.
///
/// [`Log::committed`] is as of the last half second for partitions that were asked for before, and never waits for
/// transactions that are open.
pub struct KafkaObserver {
    options: KafkaOptions,
    /// Joins no group; asks for positions and topics.
    consumer: Arc<GroupConsumer>,
    readers: Readers,
    connection: Arc<Connection>,
    signal: Arc<Signal>,
    topics: TopicWatch,
    committed: HashMap<TopicPartition, Option<Committed>>,
    request: Option<CommittedPositions>,
    next_look: Instant,
}

impl KafkaObserver {
    /// Creates the clients.
    ///
    /// # Errors
    /// `Fatal`: librdkafka does not know a property or refuses its value.
    pub fn open(options: KafkaOptions) -> Result<Self, LogError> {
        let connection = Arc::new(Connection::new(&options));
        let signal = Arc::new(Signal::default());
        let context = GroupContext::new(Arc::clone(&connection), Vec::new());
        let consumer = consumer::open(&options.consumer()?, context, &signal)?;
        Ok(Self {
            readers: Readers::new(&options, &connection, &signal)?,
            consumer: Arc::new(consumer),
            options,
            connection,
            signal,
            topics: TopicWatch::new(),
            committed: HashMap::new(),
            request: None,
            next_look: Instant::now(),
        })
    }

    fn serve(&self) {
        self.readers.serve();
        let _ = self.consumer.poll(Duration::ZERO);
        self.consumer.context().bootstrap().serve(self.consumer.client());
    }

    fn request(&self, partitions: &[TopicPartition]) -> CommittedPositions {
        let list = list_of(partitions);
        CommittedPositions::request(&self.consumer, &self.options.group, &list)
    }

    fn note(&mut self, partitions: &[TopicPartition], answer: &TopicPartitionList) {
        for partition in partitions {
            let element = answer.find_partition(&partition.topic, partition.partition);
            if let Some(element) = element.filter(|element| element.error().is_ok()) {
                self.committed.insert(partition.clone(), positions::committed(&element));
            }
        }
    }

    /// Asks again now and then, without waiting. What is not answered is asked again.
    fn refresh(&mut self, partitions: &[TopicPartition]) {
        if let Some(request) = &self.request {
            let Some(answer) = request.poll(Duration::ZERO) else {
                return;
            };
            self.request = None;
            if let Ok(answer) = answer {
                self.note(partitions, &answer);
            }
        } else if Instant::now() >= self.next_look {
            self.next_look = Instant::now() + INTERVAL;
            self.request = Some(self.request(partitions));
        }
    }
}

impl Log for KafkaObserver {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<AssignmentChange>, LogError> {
        let deadline = Instant::now() + timeout;
        loop {
            self.serve();
            self.connection.take_failure()?;
            self.topics.check(&self.consumer)?;
            if self.readers.have_unseen_records() || !self.signal.wait_until(deadline) {
                return Ok(Vec::new());
            }
        }
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, LogError> {
        if partitions
            .iter()
            .all(|partition| self.committed.contains_key(partition))
        {
            self.refresh(partitions);
        } else {
            let answer = self.request(partitions).poll(REQUEST_TIMEOUT);
            let failed = |code| {
                let error = KafkaError::MetadataFetch(code);
                errors::request_error("reading the committed positions", &error)
            };
            let answer = answer.unwrap_or(Err(Code::OperationTimedOut)).map_err(failed)?;
            self.note(partitions, &answer);
        }
        let known = |partition| self.committed.get(partition).cloned().flatten();
        Ok(partitions.iter().map(known).collect())
    }

    fn bounds(&mut self, partition: &TopicPartition) -> Result<(i64, i64), LogError> {
        requests::bounds(&self.consumer, partition)
    }

    fn start(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        self.readers.start(positions)
    }

    fn stop(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.committed.retain(|partition, _| !partitions.contains(partition));
        self.readers.stop(partitions)
    }

    fn take(&mut self, partition: &TopicPartition) -> Result<Option<RecordRef<'_>>, LogError> {
        self.readers.take(partition)
    }

    fn has_records(&self, partition: &TopicPartition) -> bool {
        self.readers.has_records(partition)
    }

    fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.readers.position(partition)
    }

    fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        self.readers.lag(partition)
    }

    fn topic(&mut self, topic: &str) -> Result<LogTopic, LogError> {
        self.topics.require(topic, &self.consumer, &self.options)
    }

    fn generation(&self) -> u64 {
        0
    }

    fn is_transactional(&self) -> bool {
        true
    }

    fn append(&mut self, _: &Outputs) -> Result<(), LogError> {
        Err(nothing_is_written())
    }

    fn commit(&mut self, _: &Outputs, _: &[(TopicPartition, Committed)]) -> Result<(), LogError> {
        Err(nothing_is_written())
    }
}

fn nothing_is_written() -> LogError {
    LogError::Fatal("an observer of a group writes nothing".to_owned())
}
