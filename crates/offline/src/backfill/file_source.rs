//! A file as a source of events.

use crate::read::{Next, ReadError, Rows};
use riskstream_engine::{Engine, Event};
use riskstream_events::{Rejection, Row, Value};
use riskstream_pipeline::input_source::Admission;

/// A file as an input of the pipeline.
pub struct InputFile {
    /// Index of the input in the plan.
    pub input: u8,
    /// Its records.
    pub rows: Box<dyn Rows>,
}

/// A file, with its next event at hand.
pub(super) struct FileSource {
    input: u8,
    rows: Box<dyn Rows>,
    admission: Admission,
    next: Option<Event>,
    /// Records read.
    records: u64,
}

impl FileSource {
    pub(super) fn new(file: InputFile) -> FileSource {
        FileSource {
            input: file.input,
            rows: file.rows,
            admission: Admission::new(file.input),
            next: None,
            records: 0,
        }
    }

    /// The next event; none at the end of the file.
    pub(super) fn next(&self) -> Option<&Event> {
        self.next.as_ref()
    }

    /// Takes the next event.
    pub(super) fn take(&mut self) -> Option<Event> {
        self.next.take()
    }

    /// Number of records read.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Reads on to the next usable record, into `row`. Gives `row` back at the end of the file. `reject` is told of
    /// records that cannot be used: the input, the record's number in the file, why.
    pub(super) fn advance(
        &mut self,
        engine: &Engine,
        mut row: Row,
        mut reject: impl FnMut(u8, u64, &Rejection),
    ) -> Result<Option<Row>, ReadError> {
        loop {
            row.clear();
            row.resize(engine.plan().slots.len(), Value::Null);
            let next = self.rows.next(&mut row)?;
            self.records += u64::from(!matches!(next, Next::End));
            match next {
                Next::End => return Ok(Some(row)),
                Next::Rejected(number, rejection) => reject(self.input, number, &rejection),
                Next::Row => match self.admission.admit(engine, None, row) {
                    Ok(event) => {
                        self.next = Some(event);
                        return Ok(None);
                    }
                    Err((unused, rejection)) => {
                        reject(self.input, self.records, &rejection);
                        row = unused;
                    }
                },
            }
        }
    }
}
