//! The pipeline's log on one member of a consumer group.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use riskstream_pipeline::log::{
    AssignmentChange, Committed, Log, LogError, LogTopic, Outputs, RecordRef, TopicPartition,
};

use crate::agreement::Agreement;
use crate::appender::Appender;
use crate::committer::Committer;
use crate::connection::Connection;
use crate::consumer::{self, GroupConsumer, GroupContext, Rebalance};
use crate::errors;
use crate::hanging;
use crate::native;
use crate::options::{Delivery, KafkaOptions};
use crate::position_committer::PositionCommitter;
use crate::positions;
use crate::producer::RecordProducer;
use crate::readers::Readers;
use crate::requests::{self, REQUEST_TIMEOUT, RETRY_PAUSE, list_of, retry};
use crate::signal::Signal;
use crate::topic_watch::TopicWatch;
use crate::watch::TransactionWatch;

/// How long a topic that the brokers do not list is looked up again: a broker that has just started, or that has just
/// been told of a new topic, may not list it yet.
const UNKNOWN_TOPIC_GRACE: Duration = Duration::from_secs(3);

/// How often librdkafka is made to look at the group. By itself its main thread does so once a second at least, whatever
/// `heartbeat.interval.ms` is, and a rebalance waits for the member that hears of it last.
const LOOK_AT_GROUP: Duration = Duration::from_millis(80);

/// How long partitions that are to move are kept. librdkafka lets a second pass between two joins of a member (`rkcg_join_intvl`),
/// so the others cannot complete the rebalance sooner after that which revoked them, and nobody would read them meanwhile.
const KEEP_REVOKED: Duration = Duration::from_millis(850);

/// Why this log ends: its partitions are other members'.
const SESSION_LOST: &str = "the session in the group had timed out";

/// The incarnation is the lower part of the generation with which rows are written. Rows of builds whose workers were static
/// members, which return within a generation, need it; the form stays, so that later rows count as later.
const INCARNATION_BITS: u32 = 20;

/// The pipeline's log on Kafka: a consumer in a group, and a producer.
///
/// Opening it does not connect. [`Log::wait`] connects, and retries while the brokers cannot be reached. An assignment
/// of partitions is acknowledged before they are started, so a task that takes long to restore does not block the
/// group. Revoked partitions remain this member's until all of them have been given to [`Log::stop`].
///
/// `wait` returns if there is a record that the owner has not seen: it arrived in a partition whose queue was empty, or
/// follows the records taken since the last `wait`. A partition from which the owner takes nothing does not end every
/// `wait`.
pub struct KafkaLog {
    options: KafkaOptions,
    // In the order in which they are to be dropped: the member of the group ends first.
    positions: PositionCommitter,
    consumer: Arc<GroupConsumer>,
    readers: Readers,
    appender: Appender,
    /// None for at least once.
    committer: Option<Committer>,
    connection: Arc<Connection>,
    agreement: Agreement,
    signal: Arc<Signal>,
    watch: TransactionWatch,
    subscribed: bool,
    /// The group's generation as of the last assignment.
    generation: u64,
    topics: TopicWatch,
    /// Partitions that were revoked or lost, and not yet stopped.
    revoked: BTreeSet<TopicPartition>,
    /// Partitions that are to be revoked, and when.
    revoking: Option<(Instant, Vec<TopicPartition>)>,
    looked_at_group: Instant,
}

impl KafkaLog {
    /// Creates the clients.
    ///
    /// # Errors
    /// `Fatal`: librdkafka does not know a property or refuses its value.
    pub fn open(options: KafkaOptions) -> Result<Self, LogError> {
        let connection = Arc::new(Connection::new(&options));
        let signal = Arc::new(Signal::default());
        let watch = TransactionWatch::new(options.transaction_timeout * 2 + REQUEST_TIMEOUT);
        let names = options.inputs.iter().map(|name| Arc::from(name.as_str())).collect();
        let context = GroupContext::new(Arc::clone(&connection), names);
        let consumer = consumer::open(&options.member()?, context, &signal)?;
        let readers = Readers::new(&options, &connection, &signal)?;
        let appender = Appender::new(&options, Arc::clone(&connection))?;
        let committer = match options.delivery {
            Delivery::ExactlyOnce => Some(Committer::new(&options, Arc::clone(&connection))?),
            Delivery::AtLeastOnce => None,
        };
        let agreement = Agreement::new(&options);
        let consumer = Arc::new(consumer);
        let positions = PositionCommitter::new(Arc::clone(&consumer));
        Ok(Self {
            options,
            positions,
            consumer,
            readers,
            appender,
            committer,
            connection,
            agreement,
            signal,
            watch,
            subscribed: false,
            generation: 0,
            topics: TopicWatch::new(),
            revoked: BTreeSet::new(),
            revoking: None,
            looked_at_group: Instant::now(),
        })
    }

    /// Shows another thread how long the current call has been running.
    pub fn watch(&self) -> TransactionWatch {
        self.watch.clone()
    }

    /// Looks up the topics, prepares transactions, and joins the group. In this order a predecessor is fenced and its
    /// transaction ended before positions are read.
    fn join(&mut self, deadline: Instant) -> Result<(), LogError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = left.clamp(Duration::from_millis(50), Duration::from_secs(5));
            let result = self.find_topics(timeout).and_then(|()| self.init(timeout));
            match result {
                Ok(()) => break,
                Err(LogError::Unavailable(why)) => {
                    self.serve();
                    self.take_failure()?;
                    if left.is_zero() {
                        return Err(self.unavailable(&why));
                    }
                    // A coordinator that is not ready yet rejects the request at once.
                    self.signal
                        .wait_until(deadline.min(Instant::now() + Duration::from_millis(50)));
                }
                Err(error) => return Err(error),
            }
        }
        let inputs: Vec<_> = self.options.inputs.iter().map(String::as_str).collect();
        if !inputs.is_empty() {
            self.consumer
                .subscribe(&inputs)
                .map_err(|error| LogError::Fatal(errors::describe(&error)))?;
        }
        self.connection.reached();
        tracing::info!(target: "riskstream::kafka", client = self.connection.name(), group = self.options.group, "joining the group");
        self.subscribed = true;
        Ok(())
    }

    fn find_topics(&mut self, timeout: Duration) -> Result<(), LogError> {
        let deadline = Instant::now() + UNKNOWN_TOPIC_GRACE;
        loop {
            let KafkaOptions { inputs, outputs, .. } = &self.options;
            let names = inputs.iter().chain(outputs).map(String::as_str);
            let missing = self.topics.look_up(names, &self.consumer, &self.options, timeout)?;
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(LogError::Fatal(format!("no such topic: {}", missing.join(", "))));
            }
            std::thread::sleep(RETRY_PAUSE);
        }
    }

    /// `Unavailable`, with librdkafka's reason if it gave one. Logged once until a broker is reached.
    fn unavailable(&self, why: &str) -> LogError {
        let text = self.connection.with_reason(why);
        self.connection.lost(&text);
        LogError::Unavailable(text)
    }

    fn init(&mut self, timeout: Duration) -> Result<(), LogError> {
        let _running = self.watch.enter();
        let Some(committer) = &mut self.committer else {
            return Ok(());
        };
        committer.init(timeout)?;
        committer.abort_leftovers(&self.consumer)
    }

    /// Runs all pending callbacks of the clients.
    fn serve(&self) {
        self.appender.serve();
        if let Some(committer) = &self.committer {
            committer.serve();
        }
        self.readers.serve();
        let context = self.consumer.context();
        context.bootstrap().serve(self.consumer.client());
        loop {
            let before = context.events();
            // This never returns records: nothing is assigned to the group's consumer.
            let _ = self.consumer.poll(Duration::ZERO);
            if context.events() == before {
                return;
            }
        }
    }

    /// Returns, once, an error after which the owner cannot continue. The producers know whether a new start would help.
    fn take_failure(&self) -> Result<(), LogError> {
        self.connection.take_failure().map_err(|error| {
            let committer = self.committer.iter().map(|committer| &committer.records);
            let mut producers = committer.chain([&self.appender.records]);
            let permanent = producers.find_map(RecordProducer::permanent_failure);
            permanent.map_or(error, LogError::Fatal)
        })
    }

    fn changes(&mut self) -> Result<Vec<AssignmentChange>, LogError> {
        let mut changes = Vec::new();
        while let Some(rebalance) = self.consumer.context().next_rebalance() {
            self.generation = native::generation(self.consumer.client());
            rebalance.log(&self.connection, self.generation);
            match rebalance {
                Rebalance::Assigned(partitions) => {
                    // Acknowledged with no partitions: fetchers read them, each when its task starts it.
                    self.consumer
                        .incremental_assign(&TopicPartitionList::new())
                        .map_err(|error| LogError::Fenced(errors::describe(&error)))?;
                    changes.push(AssignmentChange::Assigned(partitions));
                }
                Rebalance::Revoked(partitions) if partitions.is_empty() => self.acknowledge_revocation()?,
                Rebalance::Revoked(partitions) => self.revoking = Some((Instant::now() + KEEP_REVOKED, partitions)),
                Rebalance::Lost(partitions) => {
                    if partitions.is_empty() {
                        self.acknowledge_revocation()?;
                    }
                    self.revoked = partitions.into_iter().collect();
                    return Err(LogError::Fenced(SESSION_LOST.to_owned()));
                }
            }
        }
        if let Some((_, partitions)) = self.revoking.take_if(|(at, _)| Instant::now() >= *at) {
            self.revoked = partitions.iter().cloned().collect();
            changes.push(AssignmentChange::Revoked(partitions));
        }
        changes.retain(|change| match change {
            AssignmentChange::Assigned(list) | AssignmentChange::Revoked(list) => !list.is_empty(),
        });
        Ok(changes)
    }

    fn acknowledge_revocation(&self) -> Result<(), LogError> {
        self.consumer
            .incremental_unassign(&TopicPartitionList::new())
            .map_err(|error| LogError::Fenced(errors::describe(&error)))
    }
}

impl Log for KafkaLog {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<AssignmentChange>, LogError> {
        let deadline = Instant::now() + timeout;
        if !self.subscribed {
            self.join(deadline)?;
        }
        if self.looked_at_group.elapsed() >= LOOK_AT_GROUP {
            // The question wakes the main thread.
            native::generation(self.consumer.client());
            self.looked_at_group = Instant::now();
        }
        let marker_delay = self.committer.as_ref().map(Committer::marker_delay);
        std::thread::sleep(marker_delay.unwrap_or_default().min(timeout));
        loop {
            self.serve();
            self.take_failure()?;
            self.topics.check(&self.consumer)?;
            let inputs = || self.topics.partitions_of(&self.options.inputs);
            self.agreement.look(&self.consumer, inputs)?;
            let changes = self.changes()?;
            if self.readers.have_unseen_records() || !changes.is_empty() {
                return Ok(changes);
            }
            let until = self.revoking.as_ref().map_or(deadline, |(at, _)| deadline.min(*at));
            if !self.signal.wait_until(until) && Instant::now() >= deadline {
                return Ok(Vec::new());
            }
        }
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, LogError> {
        let what = "reading the committed positions";
        let asked = list_of(partitions);
        let list = retry(what, || {
            let list = self.consumer.committed_offsets(asked.clone(), REQUEST_TIMEOUT)?;
            list.elements().iter().try_for_each(|element| element.error())?;
            Ok(list)
        });
        let list = list.map_err(|error| match error {
            LogError::Fenced(why) if hanging::holds(&self.consumer, &self.options.group, &asked) => {
                LogError::Fenced(format!("{why}: {}", hanging::POSITIONS_ARE_HELD))
            }
            error => error,
        })?;
        self.agreement.check(&list)?;
        let committed = |partition: &TopicPartition| {
            let element = list.find_partition(&partition.topic, partition.partition)?;
            positions::committed(&element)
        };
        Ok(partitions.iter().map(committed).collect())
    }

    fn bounds(&mut self, partition: &TopicPartition) -> Result<(i64, i64), LogError> {
        requests::bounds(&self.consumer, partition)
    }

    fn start(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        let _running = self.watch.enter();
        self.readers.start(positions)
    }

    fn stop(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.readers.stop(partitions)?;
        let before = self.revoked.len();
        self.revoked.retain(|partition| !partitions.contains(partition));
        if self.revoked.is_empty() && before > 0 {
            self.acknowledge_revocation()?;
        }
        Ok(())
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
        let _running = self.watch.enter();
        self.topics.require(topic, &self.consumer, &self.options)
    }

    fn generation(&self) -> u64 {
        self.generation << INCARNATION_BITS | self.options.incarnation & ((1 << INCARNATION_BITS) - 1)
    }

    fn is_transactional(&self) -> bool {
        self.committer.is_some()
    }

    fn append(&mut self, records: &Outputs) -> Result<(), LogError> {
        let _running = self.watch.enter();
        self.appender.append(records)
    }

    fn commit(&mut self, outputs: &Outputs, positions: &[(TopicPartition, Committed)]) -> Result<(), LogError> {
        let _running = self.watch.enter();
        let positions = positions::list(positions, self.agreement.fingerprints())?;
        match &mut self.committer {
            Some(committer) => {
                self.appender.settle()?;
                committer.commit(&self.consumer, outputs, &positions)?;
            }
            None => {
                self.appender.append(outputs)?;
                self.appender.settle()?;
                self.positions.commit(&positions)?;
            }
        }
        self.connection.reached();
        Ok(())
    }
}

impl Drop for KafkaLog {
    /// Leaves the group.
    fn drop(&mut self) {
        // librdkafka does not close a consumer whose rebalance is not acknowledged, such as one that came with an error.
        let _ = self.changes();
        if self.revoking.is_some() || !self.revoked.is_empty() {
            let _ = self.acknowledge_revocation();
        }
        self.consumer.context().close();
    }
}
