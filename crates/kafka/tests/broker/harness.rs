//! Shared by the tests: names, plain clients that share no code with the log, and a member that copies records.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use riskstream_kafka::topics::{self, TopicSpec};
use riskstream_kafka::{KafkaLog, KafkaOptions};
use riskstream_pipeline::log::{AssignmentChange, Committed, Log, LogError, Outputs, TopicPartition};

/// How long tests wait for something to happen.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The brokers' address. Also starts logs, with RUST_LOG as their filter.
pub fn brokers() -> String {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .try_init();
    std::env::var("KAFKA_BOOTSTRAP_SERVERS").unwrap_or_else(|_| {
        panic!(
            "KAFKA_BOOTSTRAP_SERVERS is not set. Start a broker: \
             export KAFKA_BOOTSTRAP_SERVERS=$(scripts/kafka start)"
        )
    })
}

/// A name that is unique among tests and runs.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    format!("{name}-{now}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub fn spec(name: &str, partitions: i32) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions,
        replication: None,
        settings: BTreeMap::new(),
    }
}

/// Options of a group with one input and one output topic, both created.
pub fn options(test: &str, partitions: i32) -> KafkaOptions {
    let name = unique(test);
    let mut options = KafkaOptions::new(&brokers(), &name);
    options.inputs = vec![format!("{name}-in")];
    options.outputs = vec![format!("{name}-out")];
    create(
        &options,
        &[
            spec(&options.inputs[0], partitions),
            spec(&options.outputs[0], partitions),
        ],
    );
    options
}

pub fn create(options: &KafkaOptions, specs: &[TopicSpec]) {
    topics::create(options, specs).unwrap();
}

pub fn producer(settings: &[(&str, &str)]) -> BaseProducer {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers())
        .set("message.max.bytes", "20000000");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config.create().unwrap()
}

/// Writes values to one partition and waits until they are delivered.
pub fn produce<V: AsRef<[u8]>>(topic: &str, partition: i32, values: impl IntoIterator<Item = V>) {
    let producer = producer(&[]);
    send(&producer, topic, partition, values);
    producer.flush(LIMIT).unwrap();
}

pub fn send<V: AsRef<[u8]>>(producer: &BaseProducer, topic: &str, partition: i32, values: impl IntoIterator<Item = V>) {
    for value in values {
        let record = BaseRecord::<[u8], [u8]>::to(topic)
            .partition(partition)
            .key(b"key")
            .payload(value.as_ref());
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
}

/// All values of a topic for a reader with this isolation level, in order, for each partition.
pub fn read_all(topic: &str, partitions: i32, isolation: &str) -> Vec<Vec<Vec<u8>>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("group.id", "witness")
        .set("enable.auto.commit", "false")
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let mut values = vec![Vec::new(); partitions as usize];
    let mut ended = 0;
    while ended < partitions {
        match consumer.poll(LIMIT).expect("the topic is read to its end") {
            Ok(record) => {
                values[record.partition() as usize].push(record.payload().unwrap_or(b"").to_vec());
            }
            Err(KafkaError::PartitionEOF(_)) => ended += 1,
            Err(error) => panic!("{error}"),
        }
    }
    values
}

pub fn committed(topic: &str, partitions: i32) -> Vec<Vec<Vec<u8>>> {
    read_all(topic, partitions, "read_committed")
}

/// A log that has joined its group.
pub fn joined(options: KafkaOptions) -> KafkaLog {
    let mut log = KafkaLog::open(options).unwrap();
    let deadline = Instant::now() + LIMIT;
    loop {
        match log.wait(Duration::from_secs(1)) {
            Ok(_) => return log,
            Err(LogError::Unavailable(why)) => assert!(Instant::now() < deadline, "{why}"),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A member that copies each record to the same partition of its output topic.
pub struct Member {
    pub log: KafkaLog,
    pub owned: Vec<TopicPartition>,
    /// The start position of each partition each time it was assigned.
    pub starts: Vec<(TopicPartition, i64)>,
    pub copied: usize,
    pub waits: usize,
    /// Limit of records in a commit.
    pub batch: usize,
    outputs: Outputs,
}

impl Member {
    pub fn new(options: KafkaOptions) -> Self {
        Self {
            log: KafkaLog::open(options).unwrap(),
            owned: Vec::new(),
            starts: Vec::new(),
            copied: 0,
            waits: 0,
            batch: usize::MAX,
            outputs: Outputs::default(),
        }
    }

    /// Waits once and handles changes.
    pub fn wait(&mut self, timeout: Duration) -> Result<Vec<AssignmentChange>, LogError> {
        self.waits += 1;
        let changes = match self.log.wait(timeout) {
            // Brokers and coordinators may not be ready yet.
            Err(LogError::Unavailable(_)) => Vec::new(),
            changes => changes?,
        };
        for change in &changes {
            match change {
                AssignmentChange::Assigned(partitions) => {
                    let positions = positions(&mut self.log, partitions)?;
                    self.log.start(&positions)?;
                    self.starts.extend(positions);
                    self.owned.extend(partitions.iter().cloned());
                }
                AssignmentChange::Revoked(partitions) => {
                    self.log.stop(partitions)?;
                    self.owned.retain(|owned| !partitions.contains(owned));
                }
            }
        }
        Ok(changes)
    }

    /// Waits until this member owns `count` partitions.
    pub fn wait_for_partitions(&mut self, count: usize) {
        let deadline = Instant::now() + LIMIT;
        while self.owned.len() != count {
            assert!(Instant::now() < deadline, "owns {:?}", self.owned);
            self.wait(Duration::from_secs(1)).unwrap();
        }
    }

    /// One round: waits, copies the available records, commits. Returns the number of copied records.
    pub fn round(&mut self, timeout: Duration) -> Result<usize, LogError> {
        self.wait(timeout)?;
        self.outputs.clear();
        let mut copied = 0;
        for partition in &self.owned {
            while copied < self.batch
                && let Some(record) = self.log.take(partition)?
            {
                let value = record.value.unwrap_or(b"");
                let number = Some(partition.partition);
                self.outputs.push(0, number, None, record.key, |bytes| {
                    bytes.extend_from_slice(value);
                });
                copied += 1;
            }
        }
        if copied > 0 {
            let positions: Vec<_> = self
                .owned
                .iter()
                .map(|partition| (partition.clone(), self.log.position(partition).unwrap().into()))
                .collect();
            match self.log.commit(&self.outputs, &positions) {
                Err(LogError::Rebalancing) => commit_positions(&mut self.log, &positions)?,
                result => result?,
            }
        }
        self.copied += copied;
        Ok(copied)
    }

    /// Rounds until `count` records were copied in total.
    pub fn copy_until(&mut self, count: usize) {
        let deadline = Instant::now() + LIMIT;
        while self.copied < count {
            assert!(Instant::now() < deadline, "copied {} of {count}", self.copied);
            self.round(Duration::from_secs(1)).unwrap();
        }
    }
}

/// Commits positions alone. A coordinator may be slow to answer.
pub fn commit_positions(log: &mut KafkaLog, positions: &[(TopicPartition, Committed)]) -> Result<(), LogError> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match log.commit(&Outputs::default(), positions) {
            Err(LogError::Rebalancing) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
}

/// The committed positions; without one, the beginning of the partition.
pub fn positions(log: &mut KafkaLog, partitions: &[TopicPartition]) -> Result<Vec<(TopicPartition, i64)>, LogError> {
    let committed = log.committed(partitions)?;
    partitions
        .iter()
        .zip(committed)
        .map(|(partition, committed)| match committed {
            Some(position) => Ok((partition.clone(), position.offset)),
            None => Ok((partition.clone(), log.bounds(partition)?.0)),
        })
        .collect()
}

/// "prefix-0", "prefix-1"…
pub fn numbered(prefix: &str, count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| format!("{prefix}-{number}").into_bytes())
        .collect()
}
