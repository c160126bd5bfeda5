//! CSV with a header line. Nested fields are columns named by their path joined with dots.

use super::error::{ReadError, io, malformed};
use super::rows::{Next, Rows};
use riskstream_events::{InputFields, ReasonCode, Rejection, Row};
use std::fs::File;
use std::path::{Path, PathBuf};

pub(super) struct Delimited {
    path: PathBuf,
    reader: csv::Reader<File>,
    fields: InputFields,
    /// The column of each field; none if the file lacks it and it is not required.
    columns: Vec<Option<usize>>,
    record: csv::ByteRecord,
}

impl Delimited {
    pub(super) fn open(path: &Path, fields: &InputFields) -> Result<Delimited, ReadError> {
        let file = File::open(path).map_err(io(path))?;
        let mut reader = csv::ReaderBuilder::new().buffer_capacity(1 << 20).from_reader(file);
        let header = reader.headers().map_err(|error| malformed(path, error))?.clone();
        let columns = super::columns::find(path, fields, &header.iter().collect::<Vec<_>>())?;
        let record = csv::ByteRecord::new();
        Ok(Delimited {
            path: path.to_owned(),
            reader,
            fields: fields.clone(),
            columns,
            record,
        })
    }

    fn fill(&self, row: &mut Row) -> Result<(), Rejection> {
        self.fields.reset(row);
        for (field, column) in self.columns.iter().enumerate() {
            let Some(cell) = column.and_then(|column| self.record.get(column)) else {
                continue;
            };
            if cell.is_empty() {
                continue;
            }
            let text = std::str::from_utf8(cell).map_err(|_| {
                Rejection::new(
                    ReasonCode::InvalidUtf8,
                    format!("field {}", self.fields.fields[field].name),
                )
            })?;
            self.fields.set_text(field, text, row)?;
        }
        self.fields.finish(row)
    }
}

impl Rows for Delimited {
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError> {
        let line = self.reader.position().line();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => Ok(Next::End),
            Ok(true) => Ok(match self.fill(row) {
                Ok(()) => Next::Row,
                Err(rejection) => Next::Rejected(line, rejection),
            }),
            Err(error) if matches!(error.kind(), csv::ErrorKind::UnequalLengths { .. }) => {
                let detail = "the line has another number of cells than the header";
                Ok(Next::Rejected(line, Rejection::new(ReasonCode::WrongType, detail)))
            }
            Err(error) => Err(malformed(&self.path, error)),
        }
    }
}
