//! The log as one reads it who keeps a copy of other owners' state: the records that the group has committed, and nothing is written.
//!
//! A worker on it applies records to state only, as in a replay. So a copy is never ahead of what its next owner may replay
//! (docs/adr/0031-standby.md).

use crate::log::{AssignmentChange, Committed, Log, LogError, LogTopic, Outputs, RecordRef, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Says which partitions are to be followed now.
pub type Wanted = Box<dyn Fn() -> BTreeSet<TopicPartition> + Send>;

/// See the module.
pub struct Follower<L: Log> {
    /// Reads partitions that are others' in the group.
    log: L,
    wanted: Wanted,
    followed: BTreeMap<TopicPartition, Followed>,
    /// The record that was held and is lent out.
    lent: Option<HeldRecord>,
}

/// A partition that is followed.
#[derive(Default)]
struct Followed {
    /// Records from this offset on are not handed out: the group has committed what is before it.
    limit: i64,
    /// A record that was taken from the log and lies beyond the limit.
    held: Option<HeldRecord>,
}

/// A copy of a record.
struct HeldRecord {
    offset: i64,
    timestamp: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    schema_id: Option<Vec<u8>>,
    headers: Vec<Option<Vec<u8>>>,
}

impl HeldRecord {
    fn of(record: RecordRef<'_>) -> HeldRecord {
        HeldRecord {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            schema_id: record.schema_id.map(<[u8]>::to_vec),
            headers: record.headers.to_vec(),
        }
    }

    fn lend(&self) -> RecordRef<'_> {
        RecordRef {
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            schema_id: self.schema_id.as_deref(),
            headers: &self.headers,
        }
    }
}

impl<L: Log> Follower<L> {
    /// Follows what `wanted` says in `log`, which reads any partition and is given none by the group.
    pub fn new(log: L, wanted: Wanted) -> Follower<L> {
        Follower {
            log,
            wanted,
            followed: BTreeMap::new(),
            lent: None,
        }
    }

    fn changes(&self) -> Vec<AssignmentChange> {
        let wanted = (self.wanted)();
        let revoked: Vec<_> = self
            .followed
            .keys()
            .filter(|at| !wanted.contains(at))
            .cloned()
            .collect();
        let is_new = |at: &TopicPartition| !self.followed.contains_key(at);
        let assigned: Vec<_> = wanted.into_iter().filter(is_new).collect();
        let revoked = (!revoked.is_empty()).then_some(AssignmentChange::Revoked(revoked));
        let assigned = (!assigned.is_empty()).then_some(AssignmentChange::Assigned(assigned));
        revoked.into_iter().chain(assigned).collect()
    }

    /// Moves the limits to what the group has committed.
    fn look(&mut self) -> Result<(), LogError> {
        let partitions: Vec<_> = self.followed.keys().cloned().collect();
        if !partitions.is_empty() {
            self.committed(&partitions)?;
        }
        Ok(())
    }
}

impl<L: Log> Log for Follower<L> {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<AssignmentChange>, LogError> {
        self.log.wait(timeout)?;
        self.look()?;
        let changes = self.changes();
        for change in &changes {
            if let AssignmentChange::Assigned(partitions) = change {
                let new = partitions.iter().map(|at| (at.clone(), Followed::default()));
                self.followed.extend(new);
            }
        }
        Ok(changes)
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, LogError> {
        let committed = self.log.committed(partitions)?;
        for (partition, committed) in partitions.iter().zip(&committed) {
            if let (Some(followed), Some(committed)) = (self.followed.get_mut(partition), committed) {
                followed.limit = followed.limit.max(committed.offset);
            }
        }
        Ok(committed)
    }

    fn bounds(&mut self, partition: &TopicPartition) -> Result<(i64, i64), LogError> {
        self.log.bounds(partition)
    }

    fn start(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        for (partition, position) in positions {
            let followed = self.followed.entry(partition.clone()).or_default();
            followed.held = None;
            followed.limit = followed.limit.max(*position);
        }
        self.log.start(positions)
    }

    fn stop(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.followed.retain(|partition, _| !partitions.contains(partition));
        self.log.stop(partitions)
    }

    fn take(&mut self, partition: &TopicPartition) -> Result<Option<RecordRef<'_>>, LogError> {
        let Some(followed) = self.followed.get_mut(partition) else {
            return Ok(None);
        };
        let limit = followed.limit;
        if let Some(held) = followed.held.take_if(|held| held.offset < limit) {
            return Ok(Some(self.lent.insert(held).lend()));
        }
        if followed.held.is_some() {
            return Ok(None);
        }
        match self.log.take(partition)? {
            Some(record) if record.offset >= limit => {
                followed.held = Some(HeldRecord::of(record));
                Ok(None)
            }
            taken => Ok(taken),
        }
    }

    fn has_records(&self, partition: &TopicPartition) -> bool {
        self.followed
            .get(partition)
            .is_some_and(|followed| match &followed.held {
                Some(held) => held.offset < followed.limit,
                None => self.log.has_records(partition),
            })
    }

    fn position(&self, partition: &TopicPartition) -> Option<i64> {
        let followed = self.followed.get(partition)?;
        let position = match &followed.held {
            Some(held) => held.offset,
            // It may have passed over transaction markers that the group has not committed yet.
            None => self.log.position(partition)?,
        };
        Some(position.min(followed.limit))
    }

    fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        let followed = self.followed.get(partition)?;
        Some(followed.limit - self.position(partition)?)
    }

    fn topic(&mut self, topic: &str) -> Result<LogTopic, LogError> {
        self.log.topic(topic)
    }

    fn generation(&self) -> u64 {
        self.log.generation()
    }

    fn is_follower(&self) -> bool {
        true
    }

    fn is_transactional(&self) -> bool {
        self.log.is_transactional()
    }

    fn append(&mut self, _: &Outputs) -> Result<(), LogError> {
        Ok(())
    }

    fn commit(&mut self, _: &Outputs, _: &[(TopicPartition, Committed)]) -> Result<(), LogError> {
        Ok(())
    }
}
