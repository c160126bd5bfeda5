//! A recording as the log of a worker: it returns the recorded records, and passes on the records that the worker writes.

use super::ReplayError;
use crate::recording::{Manifest, Record, Records};
use riskstream_pipeline::log::{
    AssignmentChange, Committed, Log, LogError, LogTopic, Outputs, RecordRef, SCHEMA_ID_HEADER, TopicPartition,
};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Takes the records that a worker writes.
pub(crate) trait OutputSink {
    /// Rows for later stages.
    fn appended(&mut self, records: &Outputs) -> Result<(), ReplayError>;

    /// Decisions. `is_expected`: whether they must have been made when they were recorded.
    fn committed(&mut self, outputs: &Outputs, is_expected: bool) -> Result<(), ReplayError>;
}

/// What is held back, and how much was handed out, seen from outside the worker.
#[derive(Default)]
pub(crate) struct ReleaseControl {
    /// Whether records are handed out that the pipeline had not decided on when they were recorded.
    is_open: Cell<bool>,
    /// Offsets handed out.
    passed: Cell<u64>,
}

impl ReleaseControl {
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.get()
    }

    pub(crate) fn open(&self) {
        self.is_open.set(true);
    }

    pub(crate) fn passed(&self) -> u64 {
        self.passed.get()
    }
}

/// See the module.
pub(crate) struct RecordedLog {
    directory: PathBuf,
    manifest: Rc<Manifest>,
    topics: HashMap<Arc<str>, LogTopic>,
    partitions: BTreeMap<TopicPartition, Reading>,
    is_assigned: bool,
    gate: Rc<ReleaseControl>,
    written: Rc<RefCell<dyn OutputSink>>,
    /// The names of headers that are read.
    headers: Vec<String>,
    lent: Record,
    lent_headers: Vec<Option<Vec<u8>>>,
}

/// A partition that is read.
struct Reading {
    records: Records,
    next: Option<Record>,
    position: i64,
    begin: i64,
    end: i64,
    /// Records from this offset on are handed out when the gate is open.
    held_from: i64,
}

impl Reading {
    fn has_records(&self, gate: &ReleaseControl) -> bool {
        let next = self.next.as_ref();
        next.is_some_and(|record| gate.is_open() || record.offset < self.held_from)
    }

    fn advance(&mut self) -> Result<(), LogError> {
        self.next = self.records.read_next().map_err(fatal)?;
        Ok(())
    }
}

fn fatal(error: impl ToString) -> LogError {
    LogError::Fatal(error.to_string())
}

impl RecordedLog {
    /// A log of these partitions of a recording. Records of those in `held` are held back from the given offsets on.
    pub(crate) fn open(
        directory: &Path,
        manifest: Rc<Manifest>,
        read: Vec<TopicPartition>,
        held: &HashMap<TopicPartition, i64>,
        gate: Rc<ReleaseControl>,
        written: Rc<RefCell<dyn OutputSink>>,
    ) -> Result<RecordedLog, LogError> {
        let topics = manifest.topics.iter();
        let mut log = RecordedLog {
            directory: directory.to_owned(),
            topics: topics
                .map(|topic| (topic.name.as_str().into(), topic.as_logged()))
                .collect(),
            manifest: Rc::clone(&manifest),
            partitions: BTreeMap::new(),
            is_assigned: false,
            gate,
            written,
            headers: Vec::new(),
            lent: Record::default(),
            lent_headers: Vec::new(),
        };
        for at in read {
            let recorded = manifest.topic(&at.topic).filter(|topic| topic.left_out.is_none());
            let Some(partition) = recorded.and_then(|topic| topic.partitions.get(at.partition as usize)) else {
                continue;
            };
            let mut reading = Reading {
                records: Records::of(directory, &manifest, &at.topic, at.partition as usize),
                next: None,
                position: partition.begin,
                begin: partition.begin,
                end: partition.end(),
                held_from: held.get(&at).copied().unwrap_or(i64::MAX),
            };
            reading.advance()?;
            log.partitions.insert(at, reading);
        }
        Ok(log)
    }

    /// Reads the headers with these names as well.
    pub(crate) fn reading_headers(mut self, names: Vec<String>) -> RecordedLog {
        self.headers = names;
        self
    }

    /// Offsets to be handed out.
    pub(crate) fn total(&self) -> u64 {
        let partitions = self.partitions.values();
        partitions
            .map(|reading| (reading.end - reading.begin).max(0) as u64)
            .sum()
    }

    fn reading(&mut self, at: &TopicPartition) -> Result<&mut Reading, LogError> {
        let reading = self.partitions.get_mut(at);
        reading.ok_or_else(|| LogError::Fatal(format!("{at} is not recorded")))
    }
}

impl Log for RecordedLog {
    fn wait(&mut self, _: Duration) -> Result<Vec<AssignmentChange>, LogError> {
        let is_first = !std::mem::replace(&mut self.is_assigned, true);
        let all = || AssignmentChange::Assigned(self.partitions.keys().cloned().collect());
        Ok(is_first.then(all).into_iter().collect())
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, LogError> {
        Ok(vec![None; partitions.len()])
    }

    fn bounds(&mut self, partition: &TopicPartition) -> Result<(i64, i64), LogError> {
        let reading = self.reading(partition)?;
        Ok((reading.begin, reading.end))
    }

    fn start(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        for (at, position) in positions {
            let (directory, manifest) = (self.directory.clone(), Rc::clone(&self.manifest));
            let reading = self.reading(at)?;
            if reading.position == *position {
                continue;
            }
            reading.records = Records::of(&directory, &manifest, &at.topic, at.partition as usize);
            reading.advance()?;
            while reading.next.as_ref().is_some_and(|record| record.offset < *position) {
                reading.advance()?;
            }
            reading.position = *position;
        }
        Ok(())
    }

    fn stop(&mut self, _: &[TopicPartition]) -> Result<(), LogError> {
        Ok(())
    }

    fn take(&mut self, at: &TopicPartition) -> Result<Option<RecordRef<'_>>, LogError> {
        let gate = Rc::clone(&self.gate);
        let reading = self.reading(at)?;
        if !reading.has_records(&gate) {
            return Ok(None);
        }
        let Some(record) = reading.next.take() else {
            return Ok(None);
        };
        reading.advance()?;
        let before = reading.position;
        reading.position = match reading.next {
            Some(_) => record.offset + 1,
            None => reading.end.max(record.offset + 1),
        };
        gate.passed
            .set(gate.passed.get() + (reading.position - before).max(0) as u64);
        self.lent = record;
        let lent = &self.lent;
        let headers = self.headers.iter().map(|name| lent.header(name).map(<[u8]>::to_vec));
        self.lent_headers = headers.collect();
        Ok(Some(RecordRef {
            offset: lent.offset,
            timestamp: lent.timestamp,
            key: lent.key.as_deref(),
            value: lent.value.as_deref(),
            schema_id: lent.header(SCHEMA_ID_HEADER),
            headers: &self.lent_headers,
        }))
    }

    fn has_records(&self, at: &TopicPartition) -> bool {
        let reading = self.partitions.get(at);
        reading.is_some_and(|reading| reading.has_records(&self.gate))
    }

    fn position(&self, at: &TopicPartition) -> Option<i64> {
        self.partitions.get(at).map(|reading| reading.position)
    }

    fn lag(&self, at: &TopicPartition) -> Option<i64> {
        self.partitions.get(at).map(|reading| reading.end - reading.position)
    }

    fn topic(&mut self, topic: &str) -> Result<LogTopic, LogError> {
        let found = self.topics.get(topic).cloned();
        found.ok_or_else(|| LogError::Fatal(format!("{topic} is not in the recording")))
    }

    fn generation(&self) -> u64 {
        1
    }

    fn is_transactional(&self) -> bool {
        true
    }

    fn append(&mut self, records: &Outputs) -> Result<(), LogError> {
        self.written.borrow_mut().appended(records).map_err(fatal)
    }

    fn commit(&mut self, outputs: &Outputs, _: &[(TopicPartition, Committed)]) -> Result<(), LogError> {
        let is_expected = !self.gate.is_open();
        self.written.borrow_mut().committed(outputs, is_expected).map_err(fatal)
    }
}
