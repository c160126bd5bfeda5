//! A file as a source of events.

use super::order::Order;
use crate::read::{Next, ReadError, Rows};
use riskstream_engine::{Engine, Event};
use riskstream_events::{InputFields, ReasonCode, Rejection, Row, Slot, Value, write_key};
use riskstream_pipeline::input_source::{Admission, Admitted};
use riskstream_pipeline::partitioner;
use riskstream_pipeline::sources::SourceId;

/// A file as an input of the pipeline.
pub struct InputFile {
    /// Index of the input in the plan.
    pub input: u8,
    /// Its records.
    pub rows: Box<dyn Rows>,
    /// The key of its records on their topic; not needed unless they are to be distributed over partitions.
    pub key: Option<RecordKey>,
}

/// The field that is the key of a record on its topic.
pub struct RecordKey {
    /// The slot that the file's reader fills with it, in clear text.
    pub slot: Slot,
    /// If the field is personal: the fields of the input. Its pseudonym then takes the place of the clear text.
    pub personal: Option<InputFields>,
    /// Whether the service refuses a record without a key.
    pub required: bool,
}

const NO_KEY: &str = "the record's key is absent or null; the service refuses a record without a key on this topic";

impl RecordKey {
    /// The partition of a record.
    fn partition(&self, row: &mut Row, partitions: usize, buffer: &mut String) -> Result<usize, Rejection> {
        let key = match write_key(&row[self.slot], buffer) {
            None if self.required => return Err(Rejection::new(ReasonCode::MissingKey, NO_KEY)),
            key => key.unwrap_or_default(),
        };
        let partition = partitioner::partition(key.as_bytes(), partitions as i32) as usize;
        if let Some(fields) = &self.personal {
            fields.mask(self.slot, row);
        }
        Ok(partition)
    }
}

/// An event and where it came from.
pub(super) struct Sourced {
    /// Its source: a partition of an input, or later of the stage before.
    pub(super) source: SourceId,
    /// The number of its record in the file.
    pub(super) number: u64,
    /// The event.
    pub(super) event: Event,
}

/// The records of files of one input, one file after the other, distributed over partitions of the input.
pub(super) struct FileSource {
    input: u8,
    files: std::vec::IntoIter<InputFile>,
    file: Option<InputFile>,
    /// Records read of the file.
    number: u64,
    first_partition: usize,
    order: Order,
    /// Whether all files say which field is the key.
    is_keyed: bool,
    /// How far each partition is.
    partitions: Vec<Admission>,
    key: String,
}

impl FileSource {
    /// Files of the same input over so many partitions from the first one on.
    pub(super) fn new(
        input: u8,
        files: Vec<InputFile>,
        order: Order,
        first_partition: usize,
        partitions: usize,
    ) -> FileSource {
        let is_keyed = files.iter().all(|file| file.key.is_some());
        let mut files = files.into_iter();
        FileSource {
            input,
            file: files.next(),
            files,
            number: 0,
            first_partition,
            order,
            is_keyed,
            partitions: vec![Admission::new(input); partitions],
            key: String::new(),
        }
    }

    /// What is done with the next record: none at the end of the last file.
    ///
    /// # Errors
    /// The file cannot be read on.
    pub(super) fn next(&mut self, engine: &Engine, mut row: Row) -> Result<Option<ReadResult>, ReadError> {
        while let Some(file) = &mut self.file {
            row.clear();
            row.resize(engine.plan().slots.len(), Value::Null);
            let next = file.rows.next(&mut row)?;
            self.number += 1;
            return Ok(Some(match next {
                Next::Row => self.admit(engine, row),
                Next::Rejected(number, rejection) => ReadResult::Rejected(row, number, rejection),
                Next::End => {
                    self.file = self.files.next();
                    self.number = 0;
                    continue;
                }
            }));
        }
        Ok(None)
    }

    fn admit(&mut self, engine: &Engine, mut row: Row) -> ReadResult {
        let key = self.file.as_ref().and_then(|file| file.key.as_ref());
        // A record that the filter leaves out may lack the key.
        if key.is_some() && !engine.takes(self.input, &row) {
            return ReadResult::Filtered(row);
        }
        let partition = match key.map(|key| key.partition(&mut row, self.partitions.len(), &mut self.key)) {
            Some(Ok(partition)) => partition,
            Some(Err(rejection)) => return ReadResult::Rejected(row, self.number, rejection),
            None => 0,
        };
        let mut event = match self.partitions[partition].admit(engine, None, row) {
            Admitted::Event(event) => event,
            Admitted::Filtered(row) => return ReadResult::Filtered(row),
            Admitted::Rejected(row, rejection) => return ReadResult::Rejected(row, self.number, rejection),
        };
        if self.order == Order::EventTime {
            event.watermark = event.event_time();
        }
        ReadResult::Event(Sourced {
            source: SourceId::new(self.input, (self.first_partition + partition) as i32),
            number: self.number,
            event,
        })
    }

    /// How far each partition is of which records were read. Not known where the key is not that decides on partitions.
    pub(super) fn watermarks(&self) -> impl Iterator<Item = (SourceId, i64)> {
        let is_known = self.is_keyed || self.partitions.len() == 1;
        let partitions = (self.first_partition..).zip(&self.partitions).filter(move |_| is_known);
        let watermarks = partitions.map(|(partition, admission)| (partition, admission.watermark()));
        let reached = watermarks.filter(|(_, watermark)| *watermark != i64::MIN);
        reached.map(|(partition, watermark)| (SourceId::new(self.input, partition as i32), watermark))
    }

    /// The input.
    pub(super) fn input(&self) -> u8 {
        self.input
    }
}

/// What became of a record.
pub(super) enum ReadResult {
    /// It is an event.
    Event(Sourced),
    /// The input's filter leaves it out.
    Filtered(Row),
    /// It cannot be used: its row, its number in the file, and why.
    Rejected(Row, u64, Rejection),
}
