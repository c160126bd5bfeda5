//! The trait `Log`: ordered partitions to read from a position, records that are appended, and an atomic commit of outputs
//! together with positions. Kafka, the in-process log and the faulty log of the simulation implement it.

pub use riskstream_events::framing::SCHEMA_ID_HEADER;
use std::sync::Arc;
use std::time::Duration;

/// One partition of one topic. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// Which of the topics that have had a name is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicIdentity {
    /// The log's id of the topic: another one after the topic was deleted and created again. None: the log has no ids, or an
    /// earlier version did not keep it.
    pub id: Option<Arc<str>>,
    /// The number of its partitions; 0 if an earlier version did not keep it.
    pub partitions: i32,
    /// Grows when the user says that another topic of this name is to be read.
    pub epoch: u32,
    /// The chain of tasks that the topic is read by, as [`Topology::chain`](crate::Topology::chain) names it. None: an earlier
    /// version did not keep it, or the position is of no task.
    pub chain: Option<Arc<str>>,
    /// Of a repartition topic: the ids and epochs of the topics that are written to it, in their order. The log forgets the
    /// positions of a topic that is deleted, but not these.
    pub sources: Vec<(Option<Arc<str>>, u32)>,
    /// If states began with what files held: which offsets of the inputs follow the files, as
    /// [`CutOver::word`](crate::CutOver::word) names them. Such a state cannot be built from the log alone.
    pub cut_over: Option<Arc<str>>,
}

/// A topic as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogTopic {
    /// The log's id of the topic.
    pub id: Option<Arc<str>>,
    /// The number of its partitions.
    pub partitions: i32,
    /// Which topics of this name the group's positions belong to; each once.
    pub committed: Vec<TopicIdentity>,
}

/// A position as a group commits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read.
    pub offset: i64,
    /// The reader's watermark there, in microseconds of event time, if it keeps it nowhere else.
    pub watermark: Option<i64>,
    /// How the reader's models have been doing, if any failed last: a word without spaces, of 3,100 bytes at most.
    pub circuits: Option<String>,
    /// Records before this offset were decided once, before the position was set back; `None` if it is not behind.
    pub decided: Option<i64>,
    /// The topic that the offset belongs to.
    pub topic: TopicIdentity,
}

impl From<i64> for Committed {
    fn from(offset: i64) -> Committed {
        Committed {
            offset,
            watermark: None,
            circuits: None,
            decided: None,
            topic: TopicIdentity::default(),
        }
    }
}

/// A record as the log lends it out: valid until the next call.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// The record's offset. Offsets have gaps (transaction markers, compaction).
    pub offset: i64,
    /// The log's timestamp in milliseconds since the epoch, if it has one.
    pub timestamp: Option<i64>,
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// The record's value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The value of the last header [`SCHEMA_ID_HEADER`].
    pub schema_id: Option<&'a [u8]>,
    /// The values of the last headers with the names that the log was opened with, in their order. Other headers are not read.
    pub headers: &'a [Option<Vec<u8>>],
}

/// A change of what this member reads. Partitions change hands only inside [`Log::wait`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssignmentChange {
    /// These partitions are now this member's to read. Nothing is read before [`Log::start`].
    Assigned(Vec<TopicPartition>),
    /// These partitions must be given up: answer with [`Log::stop`] as soon as their state is closed.
    Revoked(Vec<TopicPartition>),
}

/// A record to be written, its bytes in [`Outputs`]' buffer.
#[derive(Clone, Debug)]
pub struct OutputRecord {
    /// Index into the topics that the log was opened with for writing.
    pub topic: usize,
    /// The partition, or `None`: by the hash of the key as Kafka's own clients do (murmur2).
    pub partition: Option<i32>,
    /// The log's timestamp in milliseconds since the epoch, or `None`: the time of writing.
    pub timestamp: Option<i64>,
    key: Option<(usize, usize)>,
    value: Option<(usize, usize)>,
    headers: (usize, usize),
}

/// Everything that one commit writes: one buffer for all bytes, no allocation per record once warm.
#[derive(Debug, Default)]
pub struct Outputs {
    bytes: Vec<u8>,
    records: Vec<OutputRecord>,
    /// The places of names in `names`, and the places of values in `bytes`.
    headers: Vec<((usize, usize), (usize, usize))>,
    names: String,
}

impl Outputs {
    /// Adds a record. `value` appends its bytes to the buffer it is given.
    pub fn push(
        &mut self,
        topic: usize,
        partition: Option<i32>,
        timestamp: Option<i64>,
        key: Option<&[u8]>,
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        self.push_tombstone(topic, partition, timestamp, key);
        let start = self.bytes.len();
        value(&mut self.bytes);
        let record = self.records.last_mut().expect("it was pushed just now");
        record.value = Some((start, self.bytes.len()));
    }

    /// Adds a record without a value.
    pub fn push_tombstone(&mut self, topic: usize, partition: Option<i32>, timestamp: Option<i64>, key: Option<&[u8]>) {
        let key = key.map(|key| self.append(key));
        let headers = (self.headers.len(), self.headers.len());
        self.records.push(OutputRecord {
            topic,
            partition,
            timestamp,
            key,
            value: None,
            headers,
        });
    }

    /// Adds a header to the record pushed last.
    pub fn header(&mut self, name: &str, value: &[u8]) {
        let value = self.append(value);
        let start = self.names.len();
        self.names.push_str(name);
        self.headers.push(((start, self.names.len()), value));
        let record = self.records.last_mut().expect("a header follows its record");
        record.headers.1 = self.headers.len();
    }

    /// Adds the record pushed last again, for another topic. The two share their bytes.
    pub fn repeat(&mut self, topic: usize) {
        let last = self.records.last().expect("a record is repeated after it was pushed");
        let record = OutputRecord { topic, ..last.clone() };
        self.records.push(record);
    }

    fn append(&mut self, bytes: &[u8]) -> (usize, usize) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        (start, self.bytes.len())
    }

    /// The records, in the order in which they are to be written.
    pub fn records(&self) -> &[OutputRecord] {
        &self.records
    }

    /// A copy of the first `count` records.
    pub fn first(&self, count: usize) -> Outputs {
        Outputs {
            bytes: self.bytes.clone(),
            records: self.records[..count].to_vec(),
            headers: self.headers.clone(),
            names: self.names.clone(),
        }
    }

    /// A record's key.
    pub fn key(&self, record: &OutputRecord) -> Option<&[u8]> {
        record.key.map(|(start, end)| &self.bytes[start..end])
    }

    /// A record's value; `None` is a tombstone.
    pub fn value(&self, record: &OutputRecord) -> Option<&[u8]> {
        record.value.map(|(start, end)| &self.bytes[start..end])
    }

    /// A record's headers.
    pub fn headers(&self, record: &OutputRecord) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers[record.headers.0..record.headers.1]
            .iter()
            .map(|&(name, value)| (&self.names[name.0..name.1], &self.bytes[value.0..value.1]))
    }

    /// Bytes of keys, values and headers.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets the records, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.headers.clear();
        self.names.clear();
    }
}

/// Why a log did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Nothing was written or committed; the caller goes back to the committed positions and tries again.
    #[error("the transaction was aborted: {0}")]
    Aborted(String),
    /// This member is fenced, or the result is not known: close the tasks, open them again under a new
    /// member; the committed positions then tell what happened.
    #[error("this worker has to restart: {0}")]
    Fenced(String),
    /// Nothing was committed, as the group is being rebalanced: try again after the next `wait`.
    #[error("the group is being rebalanced")]
    Rebalancing,
    /// The log no longer holds the position asked for.
    #[error("{partition}: position {position} is gone, the log now starts at {low}")]
    OutOfRange {
        /// Where.
        partition: TopicPartition,
        /// The position asked for.
        position: i64,
        /// The first offset still there.
        low: i64,
    },
    /// For now out of reach; the log keeps trying by itself.
    #[error("the log is out of reach for now: {0}")]
    Unavailable(String),
    /// Nothing that waiting would mend: configuration, authorisation, a topic that does not exist.
    #[error("{0}")]
    Fatal(String),
}

/// A member's view of the log. Single-threaded: one worker owns it.
///
/// The order of calls for a partition: `wait` reports it assigned, `start` begins reading, `take`
/// hands out records, `append` writes what other tasks read, `commit` writes outputs and positions in one transaction,
/// `wait` reports it revoked, `stop` gives it up. A partition changes hands only in `wait`.
pub trait Log {
    /// Waits until a record can be taken, an assignment changes, or `timeout` passes. Must be called
    /// regularly: it is also the heartbeat.
    fn wait(&mut self, timeout: Duration) -> Result<Vec<AssignmentChange>, LogError>;

    /// The committed positions of `partitions`, `None` where nothing was committed.
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, LogError>;

    /// The first offset and the end (offset of the next record to be written) of a partition.
    fn bounds(&mut self, partition: &TopicPartition) -> Result<(i64, i64), LogError>;

    /// Begins (or begins again elsewhere: after an abort) to read partitions from the given positions.
    fn start(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), LogError>;

    /// Gives partitions up after they were revoked.
    fn stop(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// The next record of a partition if it is already here; never blocks. A record that a reader of
    /// committed data must not see is not handed out.
    fn take(&mut self, partition: &TopicPartition) -> Result<Option<RecordRef<'_>>, LogError>;

    /// Whether [`Log::take`] may give a record now. Costs next to nothing.
    fn has_records(&self, partition: &TopicPartition) -> bool;

    /// The position after all records taken from (or skipped in) this partition: what to commit.
    /// It may run past the last record's offset + 1, over transaction markers.
    fn position(&self, partition: &TopicPartition) -> Option<i64>;

    /// How many records of this partition are known to wait behind the position, if known.
    fn lag(&self, partition: &TopicPartition) -> Option<i64>;

    /// The event time up to which a partition has been written, in microseconds, if the log knows: no record that is written
    /// later has a smaller one. `i64::MAX` if no record follows. Only a log whose one writer tells it knows; where it does,
    /// the order of rows depends on what was written alone, and no wall clock tells which source has nothing to send.
    fn written_until(&self, _partition: &TopicPartition) -> Option<i64> {
        None
    }

    /// A topic that the log reads or writes. It stays the same as long as the log: when a topic changes, [`Log::wait`] is
    /// `Fenced`.
    fn topic(&mut self, topic: &str) -> Result<LogTopic, LogError>;

    /// The number of this member as an owner of partitions: a later owner of a partition has a larger one.
    fn generation(&self) -> u64;

    /// Whether the partitions are others', who write what comes of their records: these are applied to state only.
    fn is_follower(&self) -> bool {
        false
    }

    /// Whether [`Log::commit`] writes outputs and positions all or nothing. If not, outputs may as well be appended.
    fn is_transactional(&self) -> bool;

    /// Writes records outside any transaction, without waiting until they are durable: [`Log::commit`] does. After an error
    /// some may have been written or be written later; but never one without those before it in the same partition.
    fn append(&mut self, records: &Outputs) -> Result<(), LogError>;

    /// Waits until all appended records are durable, then writes outputs and positions, all or nothing.
    fn commit(&mut self, outputs: &Outputs, positions: &[(TopicPartition, Committed)]) -> Result<(), LogError>;
}
