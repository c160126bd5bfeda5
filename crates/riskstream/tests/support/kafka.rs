//! A Kafka client that shares no code with riskstream: it writes inputs and reads committed records.

use super::process::{DEADLINE, Environment, run, wait_for};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Kafka's address.
///
/// # Panics
/// KAFKA_BOOTSTRAP_SERVERS is not set.
pub fn brokers() -> String {
    std::env::var("KAFKA_BOOTSTRAP_SERVERS")
        .expect("this test needs a Kafka: export KAFKA_BOOTSTRAP_SERVERS=$(scripts/kafka start)")
}

fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("message.max.bytes", "33554432");
    config
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Creates a topic.
pub fn create_topic(brokers: &str, name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = config(brokers).create().unwrap();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let topic = settings
        .iter()
        .fold(topic, |topic, (name, value)| topic.set(name, value));
    let options = AdminOptions::new().operation_timeout(Some(DEADLINE));
    let results = block_on(admin.create_topics([&topic], &options)).unwrap();
    for result in results {
        result.unwrap_or_else(|(name, code)| panic!("topic {name}: {code}"));
    }
}

/// Creates the missing topics of a pipeline with `riskstream topics create`.
pub fn create_topics_of(pipeline: &Path, partitions: i32, environment: &Environment) {
    let partitions = partitions.to_string();
    let arguments = [
        "topics",
        "create",
        pipeline.to_str().unwrap(),
        "--partitions",
        &partitions,
        "--replication-factor",
        "1",
    ];
    let (code, _, errors) = run(&arguments, environment);
    assert_eq!(code, Some(0), "{errors}");
}

/// Deletes all topics whose names contain `part`: tests of this size fill disks.
pub fn delete_topics(brokers: &str, part: &str) {
    let admin: AdminClient<DefaultClientContext> = config(brokers).create().unwrap();
    let metadata = admin.inner().fetch_metadata(None, DEADLINE).unwrap();
    let names: Vec<&str> = metadata
        .topics()
        .iter()
        .map(|topic| topic.name())
        .filter(|name| name.contains(part))
        .collect();
    let _ = block_on(admin.delete_topics(&names, &AdminOptions::new()));
}

/// Adds partitions to a topic until it has `partitions`.
pub fn grow_topic(brokers: &str, name: &str, partitions: usize) {
    let admin: AdminClient<DefaultClientContext> = config(brokers).create().unwrap();
    let grown = NewPartitions::new(name, partitions);
    for result in block_on(admin.create_partitions([&grown], &AdminOptions::new())).unwrap() {
        result.unwrap_or_else(|(name, code)| panic!("topic {name}: {code}"));
    }
}

/// Deletes a topic and creates it again.
pub fn recreate_topic(brokers: &str, name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = config(brokers).create().unwrap();
    for result in block_on(admin.delete_topics(&[name], &AdminOptions::new())).unwrap() {
        result.unwrap_or_else(|(name, code)| panic!("topic {name}: {code}"));
    }
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    // The brokers delete it after they have answered.
    wait_for("the deletion of a topic", || {
        let results = block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
        results.iter().all(|result| result.is_ok()).then_some(())
    });
}

/// Deletes a consumer group with its committed positions. It must have no members.
pub fn delete_group(brokers: &str, group: &str) {
    let deleted = try_delete_group(brokers, group);
    deleted.unwrap_or_else(|code| panic!("group {group}: {code}"));
}

/// The same where it may have members for a little longer.
pub fn try_delete_group(brokers: &str, group: &str) -> Result<(), RDKafkaErrorCode> {
    let admin: AdminClient<DefaultClientContext> = config(brokers).create().unwrap();
    let mut results = block_on(admin.delete_groups(&[group], &AdminOptions::new())).unwrap();
    results.remove(0).map(|_| ()).map_err(|(_, code)| code)
}

/// Sets the position of a group in a partition, as `kafka-consumer-groups --reset-offsets` does. It must have no members.
pub fn set_position(brokers: &str, group: &str, topic: &str, partition: i32, offset: i64) {
    let consumer: BaseConsumer = config(brokers).set("group.id", group).create().unwrap();
    let mut positions = TopicPartitionList::new();
    positions
        .add_partition_offset(topic, partition, Offset::Offset(offset))
        .unwrap();
    // The brokers notice the end of a member a little later.
    wait_for("the group to have no members", || {
        consumer.commit(&positions, CommitMode::Sync).ok()
    });
}

/// Whether a group has committed that it has read all records of a topic.
pub fn is_committed(brokers: &str, group: &str, topic: &str, partitions: i32) -> bool {
    let consumer: BaseConsumer = config(brokers).set("group.id", group).create().unwrap();
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition_range(topic, 0, partitions - 1);
    let committed = consumer.committed_offsets(wanted, DEADLINE).unwrap();
    (0..partitions).all(|partition| {
        let (_, end) = consumer.fetch_watermarks(topic, partition, DEADLINE).unwrap();
        let position = committed.find_partition(topic, partition).map(|found| found.offset());
        end == 0 || matches!(position, Some(Offset::Offset(position)) if position >= end)
    })
}

/// The sum of the end offsets of a topic's partitions, including records of open and aborted transactions.
pub struct Ends(BaseConsumer);

impl Ends {
    pub fn new(brokers: &str) -> Ends {
        Ends(
            config(brokers)
                .set("isolation.level", "read_uncommitted")
                .create()
                .unwrap(),
        )
    }

    pub fn of(&self, topic: &str, partitions: i32) -> i64 {
        let deadline = Instant::now() + DEADLINE;
        // Right after a topic was created, a broker may not know yet that it leads the partition.
        let end = |partition| loop {
            match self.0.fetch_watermarks(topic, partition, DEADLINE) {
                Ok((_, end)) => break end,
                Err(error) => assert!(Instant::now() < deadline, "{topic}: {error}"),
            }
        };
        (0..partitions).map(end).sum()
    }
}

#[derive(Default)]
struct Deliveries {
    failed: AtomicU64,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes keyed records in order, with the partitioner of Kafka's Java client.
pub struct Writer {
    producer: ThreadedProducer<Deliveries>,
}

impl Writer {
    /// A writer with librdkafka's defaults.
    pub fn new(brokers: &str) -> Writer {
        Writer::with(brokers, &[])
    }

    /// A writer with properties of librdkafka.
    pub fn with(brokers: &str, properties: &[(&str, &str)]) -> Writer {
        let mut config = config(brokers);
        config
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("compression.type", "lz4");
        for (name, value) in properties {
            config.set(*name, *value);
        }
        let producer = config.create_with_context(Deliveries::default()).unwrap();
        Writer { producer }
    }

    /// Writes one record; waits while the queue is full.
    pub fn send(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.send_with_header(topic, key, value, None);
    }

    /// Writes one record with this timestamp, in milliseconds since the epoch.
    pub fn send_at(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>, timestamp: i64) {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).timestamp(timestamp);
        record.key = key;
        record.payload = value;
        self.write(record);
    }

    /// The same with a header: its name and value.
    pub fn send_with_header(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        header: Option<(&str, &[u8])>,
    ) {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
        record.key = key;
        record.payload = value;
        record.headers = header.map(|(key, value)| {
            let value = Some(value);
            OwnedHeaders::new().insert(Header { key, value })
        });
        self.write(record);
    }

    fn write(&self, mut record: BaseRecord<'_, [u8], [u8]>) {
        loop {
            record = match self.producer.send(record) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                    std::thread::sleep(Duration::from_millis(5));
                    record
                }
                Err((error, record)) => panic!("{}: {error}", record.topic),
            }
        }
    }

    /// Waits until all records are delivered.
    pub fn flush(&self) {
        self.producer.flush(DEADLINE).unwrap();
        assert_eq!(
            self.producer.context().failed.load(Ordering::Relaxed),
            0,
            "records were not delivered"
        );
    }
}

/// Reads the committed records of a topic from the beginning, without joining a group.
pub struct Reader {
    consumer: BaseConsumer,
    topic: String,
    partitions: BTreeSet<i32>,
    at_end: BTreeSet<i32>,
}

impl Reader {
    /// A reader of all partitions of `topic`.
    pub fn new(brokers: &str, topic: &str) -> Reader {
        let consumer: BaseConsumer = config(brokers)
            .set("group.id", super::unique("reader"))
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.message.max.bytes", "33554432")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), DEADLINE).unwrap();
        let partitions: BTreeSet<i32> = metadata.topics()[0]
            .partitions()
            .iter()
            .map(|partition| partition.id())
            .collect();
        let mut list = TopicPartitionList::new();
        for partition in &partitions {
            list.add_partition_offset(topic, *partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        Reader {
            consumer,
            topic: topic.to_owned(),
            partitions,
            at_end: BTreeSet::new(),
        }
    }

    /// Reads until `count` more records were read; panics if there is none for [`DEADLINE`]. Calls `meanwhile` while there
    /// are none.
    pub fn wait_for(&mut self, count: usize, mut meanwhile: impl FnMut()) {
        let mut read = 0;
        let mut deadline = Instant::now() + DEADLINE;
        while read < count {
            assert!(
                Instant::now() < deadline,
                "{}: {read} of {count} records, then none for {} s",
                self.topic,
                DEADLINE.as_secs()
            );
            if self.next(Duration::from_millis(100)).is_some() {
                read += 1;
                deadline = Instant::now() + DEADLINE;
            } else {
                meanwhile();
            }
        }
    }

    fn next(&mut self, timeout: Duration) -> Option<BorrowedMessage<'_>> {
        match self.consumer.poll(timeout)? {
            Ok(message) => Some(message),
            Err(KafkaError::PartitionEOF(partition)) => {
                self.at_end.insert(partition);
                None
            }
            // The caller's deadline limits how long this may last.
            Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure,
            )) => None,
            Err(error) => panic!("{}: {error}", self.topic),
        }
    }
}

/// Calls `each` with every committed record of `topic`. The records of a partition come in their order.
pub fn read_all(brokers: &str, topic: &str, mut each: impl FnMut(&BorrowedMessage<'_>)) {
    let mut reader = Reader::new(brokers, topic);
    let mut deadline = Instant::now() + DEADLINE;
    while reader.at_end != reader.partitions {
        assert!(Instant::now() < deadline, "{topic}: its end was not reached");
        if let Some(message) = reader.next(Duration::from_millis(100)) {
            each(&message);
            deadline = Instant::now() + DEADLINE;
        }
    }
}

/// A header of a record as text; empty if the record has no such header.
pub fn header(message: &impl Message, name: &str) -> String {
    let found = message
        .headers()
        .and_then(|headers| headers.iter().find(|header| header.key == name));
    String::from_utf8_lossy(found.and_then(|header| header.value).unwrap_or_default()).into_owned()
}
