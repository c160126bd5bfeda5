//! The in-process log: topics, a consumer group and atomic commits in memory. The demo, the examples of pipeline files and
//! the tests run the whole pipeline on it, with the same worker that runs on Kafka.

use crate::log::{
    AssignmentChange, Committed, Log, LogError, LogTopic, Outputs, RecordRef, SCHEMA_ID_HEADER, TopicIdentity,
    TopicPartition,
};
use crate::partitioner;
use crate::stored_record::StoredPartition;
pub use crate::stored_record::StoredRecord;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Default)]
struct Inner {
    topics: BTreeMap<Arc<str>, Vec<StoredPartition>>,
    /// Ids of the topics, by their names.
    ids: HashMap<Arc<str>, u64>,
    next_id: u64,
    committed: HashMap<TopicPartition, Committed>,
    members: Vec<(u64, HashSet<Arc<str>>)>,
    owners: HashMap<TopicPartition, u64>,
    next_member: u64,
    /// The event time up to which topics have been written.
    written_until: HashMap<Arc<str>, i64>,
    /// Grows with every change of the members.
    generation: u64,
}

/// Topics in memory, shared by all who write and read them.
#[derive(Clone, Default)]
pub struct Broker {
    inner: Arc<(Mutex<Inner>, Condvar)>,
}

impl Broker {
    /// A broker without topics.
    pub fn new() -> Broker {
        Broker::default()
    }

    /// Makes a topic. One of this name that there is already is deleted first.
    pub fn create(&self, topic: &str, partitions: i32) {
        let partitions = (0..partitions).map(|_| StoredPartition::default()).collect();
        let mut inner = self.lock();
        inner.next_id += 1;
        let (topic, id): (Arc<str>, u64) = (topic.into(), inner.next_id);
        inner.ids.insert(Arc::clone(&topic), id);
        // As Kafka does with the positions of a topic that is deleted.
        inner.committed.retain(|at, _| at.topic != topic);
        inner.topics.insert(topic, partitions);
    }

    /// Adds partitions to a topic until it has `partitions`.
    pub fn grow(&self, topic: &str, partitions: i32) {
        let mut inner = self.lock();
        let all = inner.topics.get_mut(topic).expect("the topic was created");
        all.resize_with(partitions as usize, StoredPartition::default);
    }

    /// Forgets what the group has committed, as Kafka does with a group that has had no members for long.
    pub fn forget_positions(&self) {
        self.lock().committed.clear();
    }

    /// Commits a position for the group from outside.
    pub fn commit(&self, partition: TopicPartition, position: Committed) {
        self.lock().committed.insert(partition, position);
    }

    /// Writes one record outside any transaction; the key decides on the partition.
    pub fn produce(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>, timestamp: Option<i64>) {
        self.produce_record(
            topic,
            StoredRecord {
                timestamp,
                key: key.map(Arc::from),
                value: value.map(Arc::from),
                headers: Vec::new(),
            },
        );
    }

    /// The same for a record with headers.
    pub fn produce_record(&self, topic: &str, record: StoredRecord) {
        let mut inner = self.lock();
        let partitions = inner.topics.get_mut(topic).expect("the topic was created");
        let key = record.key.as_deref();
        let partition = key.map_or(0, |key| partitioner::partition(key, partitions.len() as i32));
        partitions[partition as usize].records.push_back(record);
        drop(inner);
        self.inner.1.notify_all();
    }

    /// Tells readers up to which event time (microseconds) these topics have been written: see [`Log::written_until`]. Who
    /// begins with `i64::MIN` before the first record has to end with `i64::MAX` after the last one.
    pub fn set_written_until(&self, topics: &[Arc<str>], time: i64) {
        let mut inner = self.lock();
        for topic in topics {
            inner.written_until.insert(Arc::clone(topic), time);
        }
        drop(inner);
        self.inner.1.notify_all();
    }

    /// The records of a topic that were not forgotten, partition by partition.
    pub fn all_records(&self, topic: &str) -> Vec<StoredRecord> {
        let inner = self.lock();
        let partitions = inner.topics.get(topic).into_iter().flatten();
        partitions.flat_map(|partition| &partition.records).cloned().collect()
    }

    /// The records of a partition that were not forgotten, with their offsets.
    pub fn records(&self, topic: &str, partition: i32) -> Vec<(i64, StoredRecord)> {
        let inner = self.lock();
        let partition = inner.topics.get(topic).and_then(|all| all.get(partition as usize));
        let records = partition.into_iter();
        let records = records.flat_map(|partition| (partition.low..).zip(partition.records.iter().cloned()));
        records.collect()
    }

    /// Number of partitions of a topic.
    pub fn partitions(&self, topic: &str) -> Option<i32> {
        self.lock().topics.get(topic).map(|partitions| partitions.len() as i32)
    }

    /// Hands out all records of a topic and forgets them, partition by partition.
    pub fn drain(&self, topic: &str) -> Vec<StoredRecord> {
        let mut inner = self.lock();
        let mut drained = Vec::new();
        for partition in inner.topics.get_mut(topic).into_iter().flatten() {
            partition.low = partition.end();
            drained.extend(partition.records.drain(..));
        }
        drained
    }

    /// Forgets the records before `offset`, as retention does.
    pub fn trim(&self, topic: &str, partition: i32, offset: i64) {
        let mut inner = self.lock();
        let partitions = inner.topics.get_mut(topic).expect("the topic was created");
        partitions[partition as usize].trim(offset);
    }

    /// Forgets what the group has committed on these topics, and returns how many records are left on them.
    pub fn forget_consumed(&self, topics: &[Arc<str>]) -> usize {
        let mut inner = self.lock();
        let Inner {
            topics: all, committed, ..
        } = &mut *inner;
        let mut left = 0;
        for topic in topics {
            for (number, partition) in all.get_mut(topic).into_iter().flatten().enumerate() {
                let at = TopicPartition {
                    topic: Arc::clone(topic),
                    partition: number as i32,
                };
                partition.trim(committed.get(&at).map_or(0, |committed| committed.offset));
                left += partition.records.len();
            }
        }
        left
    }

    /// The group's committed position.
    pub fn committed(&self, partition: &TopicPartition) -> Option<Committed> {
        self.lock().committed.get(partition).cloned()
    }

    /// Whether the group has committed everything that these topics hold.
    pub fn is_consumed(&self, topics: &[Arc<str>]) -> bool {
        let inner = self.lock();
        topics.iter().all(|topic| {
            inner.topics[topic].iter().enumerate().all(|(number, partition)| {
                let at = TopicPartition {
                    topic: Arc::clone(topic),
                    partition: number as i32,
                };
                partition.end() == inner.committed.get(&at).map_or(0, |committed| committed.offset)
            })
        })
    }

    /// Reads any partition, and is given none.
    pub fn observe(&self) -> MemoryLog {
        self.join(Vec::new(), Vec::new())
    }

    /// Joins the group as a member that reads `inputs` and writes `outputs`.
    pub fn join(&self, inputs: Vec<Arc<str>>, outputs: Vec<Arc<str>>) -> MemoryLog {
        let mut inner = self.lock();
        inner.next_member += 1;
        inner.generation += 1;
        let member = inner.next_member;
        inner.members.push((member, inputs.into_iter().collect()));
        MemoryLog {
            broker: self.clone(),
            member,
            outputs,
            headers: Vec::new(),
            lent_headers: Vec::new(),
            reading: HashMap::new(),
            leaving: Vec::new(),
            lent: None,
            generation: 0,
        }
    }

    /// Takes a member for dead, as Kafka does when its session times out. The member does not hear of it: it goes on with its
    /// partitions, and cannot commit.
    pub fn expel(&self, member: u64) {
        let mut inner = self.lock();
        inner.members.retain(|(other, _)| *other != member);
        inner.owners.retain(|_, owner| *owner != member);
        inner.generation += 1;
        drop(inner);
        self.inner.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is complete before the lock is let go, also by a panic elsewhere.
        self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Who should own each partition: round robin over the members that read the topic.
    fn target(&self, topic: &Arc<str>, partition: i32) -> Option<u64> {
        let readers: Vec<u64> = self
            .members
            .iter()
            .filter(|(_, topics)| topics.contains(topic))
            .map(|(member, _)| *member)
            .collect();
        (!readers.is_empty()).then(|| readers[partition as usize % readers.len()])
    }

    /// What has changed for a member. `leaving` are the partitions that it has heard it has to give up, and has not given up yet.
    fn changes(&mut self, member: u64, leaving: &mut Vec<TopicPartition>) -> Vec<AssignmentChange> {
        let mut assigned = Vec::new();
        let mut revoked = Vec::new();
        for (topic, partitions) in &self.topics {
            for partition in 0..partitions.len() as i32 {
                let target = self.target(topic, partition);
                let at = TopicPartition {
                    topic: Arc::clone(topic),
                    partition,
                };
                match self.owners.get(&at) {
                    Some(owner) if *owner == member && target != Some(member) && !leaving.contains(&at) => {
                        revoked.push(at);
                    }
                    None if target == Some(member) => assigned.push(at),
                    _ => {}
                }
            }
        }
        for at in &assigned {
            self.owners.insert(at.clone(), member);
        }
        leaving.extend(revoked.iter().cloned());
        let revoked = (!revoked.is_empty()).then_some(AssignmentChange::Revoked(revoked));
        let assigned = (!assigned.is_empty()).then_some(AssignmentChange::Assigned(assigned));
        revoked.into_iter().chain(assigned).collect()
    }

    fn append(&mut self, topics: &[Arc<str>], outputs: &Outputs) {
        for record in outputs.records() {
            let topic = &topics[record.topic];
            let partitions = self.topics.get_mut(topic).expect("output topics were created");
            let count = partitions.len() as i32;
            let key = outputs.key(record);
            let by_key = || key.map_or(0, |key| partitioner::partition(key, count));
            let partition = record.partition.unwrap_or_else(by_key);
            partitions[partition as usize].records.push_back(StoredRecord {
                timestamp: record.timestamp,
                key: key.map(Arc::from),
                value: outputs.value(record).map(Arc::from),
                headers: outputs
                    .headers(record)
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
            });
        }
    }

    fn partition(&self, at: &TopicPartition) -> &StoredPartition {
        &self.topics[&at.topic][at.partition as usize]
    }

    fn topic(&self, topic: &str) -> Option<LogTopic> {
        let positions = self.committed.iter().filter(|(at, _)| &*at.topic == topic);
        let mut committed = Vec::new();
        for (_, Committed { topic, .. }) in positions {
            if *topic != TopicIdentity::default() && !committed.contains(topic) {
                committed.push(topic.clone());
            }
        }
        Some(LogTopic {
            id: Some(self.ids.get(topic)?.to_string().into()),
            partitions: self.topics.get(topic)?.len() as i32,
            committed,
        })
    }
}

/// A member of the broker's group.
pub struct MemoryLog {
    broker: Broker,
    member: u64,
    outputs: Vec<Arc<str>>,
    /// The names of headers that are read.
    headers: Vec<String>,
    lent_headers: Vec<Option<Vec<u8>>>,
    reading: HashMap<TopicPartition, i64>,
    /// Partitions that it has heard it has to give up, and has not given up yet.
    leaving: Vec<TopicPartition>,
    lent: Option<StoredRecord>,
    /// As of the last change of the assignment.
    generation: u64,
}

impl MemoryLog {
    /// The number of this member in the group.
    pub fn member(&self) -> u64 {
        self.member
    }

    /// Reads the headers with these names as well.
    pub fn reading_headers(mut self, names: Vec<String>) -> MemoryLog {
        self.headers = names;
        self
    }
}

impl Drop for MemoryLog {
    fn drop(&mut self) {
        self.broker.expel(self.member);
    }
}

impl Log for MemoryLog {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<AssignmentChange>, LogError> {
        let broker = self.broker.clone();
        let mut inner = broker.lock();
        let changes = inner.changes(self.member, &mut self.leaving);
        self.generation = inner.generation;
        let ready = !changes.is_empty()
            || self
                .reading
                .iter()
                .any(|(at, position)| *position < inner.partition(at).end());
        if ready || timeout.is_zero() {
            return Ok(changes);
        }
        let waited = broker.inner.1.wait_timeout(inner, timeout);
        let (mut inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.generation = inner.generation;
        Ok(inner.changes(self.member, &mut self.leaving))
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, LogError> {
        Ok(partitions.iter().map(|at| self.broker.committed(at)).collect())
    }

    fn bounds(&mut self, at: &TopicPartition) -> Result<(i64, i64), LogError> {
        let inner = self.broker.lock();
        let partition = inner.partition(at);
        Ok((partition.low, partition.end()))
    }

    fn start(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        self.reading.extend(positions.iter().cloned());
        Ok(())
    }

    fn stop(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        let mut inner = self.broker.lock();
        for at in partitions {
            self.reading.remove(at);
            self.leaving.retain(|leaving| leaving != at);
            inner.owners.remove(at);
        }
        drop(inner);
        self.broker.inner.1.notify_all();
        Ok(())
    }

    fn take(&mut self, at: &TopicPartition) -> Result<Option<RecordRef<'_>>, LogError> {
        let Some(position) = self.reading.get_mut(at) else {
            return Ok(None);
        };
        let inner = self.broker.lock();
        let partition = inner.partition(at);
        if *position < partition.low {
            return Err(LogError::OutOfRange {
                partition: at.clone(),
                position: *position,
                low: partition.low,
            });
        }
        let Some(record) = partition.get(*position) else {
            return Ok(None);
        };
        let offset = *position;
        *position += 1;
        let lent = self.lent.insert(record.clone());
        let headers = self.headers.iter().map(|name| lent.header(name).map(<[u8]>::to_vec));
        self.lent_headers = headers.collect();
        Ok(Some(RecordRef {
            offset,
            timestamp: lent.timestamp,
            key: lent.key.as_deref(),
            value: lent.value.as_deref(),
            schema_id: lent.header(SCHEMA_ID_HEADER),
            headers: &self.lent_headers,
        }))
    }

    fn has_records(&self, at: &TopicPartition) -> bool {
        let position = self.reading.get(at);
        position.is_some_and(|position| *position < self.broker.lock().partition(at).end())
    }

    fn position(&self, at: &TopicPartition) -> Option<i64> {
        self.reading.get(at).copied()
    }

    fn lag(&self, at: &TopicPartition) -> Option<i64> {
        let position = self.reading.get(at)?;
        Some(self.broker.lock().partition(at).end() - position)
    }

    fn written_until(&self, at: &TopicPartition) -> Option<i64> {
        self.broker.lock().written_until.get(&at.topic).copied()
    }

    fn topic(&mut self, topic: &str) -> Result<LogTopic, LogError> {
        let topic = self.broker.lock().topic(topic);
        topic.ok_or_else(|| LogError::Fatal("there is no such topic".to_owned()))
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn is_transactional(&self) -> bool {
        true
    }

    fn append(&mut self, records: &Outputs) -> Result<(), LogError> {
        self.broker.lock().append(&self.outputs, records);
        self.broker.inner.1.notify_all();
        Ok(())
    }

    fn commit(&mut self, outputs: &Outputs, positions: &[(TopicPartition, Committed)]) -> Result<(), LogError> {
        let mut inner = self.broker.lock();
        if positions
            .iter()
            .any(|(at, _)| inner.owners.get(at) != Some(&self.member))
        {
            return Err(LogError::Fenced("a partition belongs to another member now".into()));
        }
        inner.append(&self.outputs, outputs);
        for (at, position) in positions {
            inner.committed.insert(at.clone(), position.clone());
        }
        drop(inner);
        self.broker.inner.1.notify_all();
        Ok(())
    }
}
