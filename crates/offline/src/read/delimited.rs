//! CSV with a header line. Nested fields are columns named by their path joined with dots.

use super::error::{ReadError, io, malformed};
use super::field_columns::find;
use super::quotes::Quotes;
use super::rows::{Next, Rows};
use super::text_file;
use riskstream_events::{InputFields, ReasonCode, Rejection, Row};
use std::io::BufRead;
use std::path::{Path, PathBuf};

pub(super) struct Delimited {
    path: PathBuf,
    reader: csv::Reader<Quotes<Box<dyn BufRead>>>,
    fields: InputFields,
    /// The column of each field; none if the file lacks it and it is not required.
    columns: Vec<Option<usize>>,
    record: csv::ByteRecord,
    /// Records read.
    read: u64,
}

const OPEN_QUOTE: &str = "a cell begins with a quote that does not end: all lines after it were read as part of it. Write \"\" for a \
                          quote within quotes";

/// What separates cells.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

impl Delimited {
    pub(super) fn open(path: &Path, fields: &InputFields) -> Result<Delimited, ReadError> {
        let mut text = text_file::open(path)?;
        let wanted: Vec<String> = fields.fields.iter().map(|field| field.path.join(".")).collect();
        let delimiter = delimiter(text.fill_buf().map_err(io(path))?, &wanted);
        let text = Quotes::new(text, delimiter);
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text);
        let names = header(reader.byte_headers().map_err(|error| malformed(path, error))?);
        let columns = find(path, fields, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(Delimited {
            path: path.to_owned(),
            reader,
            fields: fields.clone(),
            columns,
            record: csv::ByteRecord::new(),
            read: 0,
        })
    }

    fn fill(&self, row: &mut Row) -> Result<(), Rejection> {
        self.fields.reset(row);
        for (field, column) in self.columns.iter().enumerate() {
            let Some(cell) = column.and_then(|column| self.record.get(column)) else {
                continue;
            };
            if is_null(cell) {
                continue;
            }
            let text = std::str::from_utf8(cell).map_err(|_| self.fields.not_utf8(field))?;
            self.fields.set_text(field, text, row)?;
        }
        self.fields.finish(row)
    }
}

/// The names of the columns of a CSV file.
pub(super) fn names(path: &Path) -> Result<Vec<String>, ReadError> {
    let mut text = text_file::open(path)?;
    let delimiter = delimiter(text.fill_buf().map_err(io(path))?, &[]);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text);
    Ok(header(reader.byte_headers().map_err(|error| malformed(path, error))?))
}

/// Whether a cell stands for an absent value in a column of any type. CSV has no other way to write one. In columns that are
/// not text more words do: see [`is_null_word`](riskstream_events::convert::is_null_word).
fn is_null(cell: &[u8]) -> bool {
    matches!(cell, b"" | b"NULL" | b"null" | b"\\N" | b"NaN")
}

/// The delimiter by which a file's first line has most of the wanted columns; of equal ones that of most columns.
fn delimiter(beginning: &[u8], wanted: &[String]) -> u8 {
    let end = beginning.iter().position(|byte| *byte == b'\n');
    let line = &beginning[..end.unwrap_or(beginning.len())];
    let columns = |delimiter: u8| {
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(line);
        let names = reader.byte_headers().map(header).unwrap_or_default();
        (names.iter().filter(|name| wanted.contains(name)).count(), names.len())
    };
    // The last of equal ones is found.
    let delimiters = DELIMITERS.into_iter().rev();
    delimiters.max_by_key(|delimiter| columns(*delimiter)).unwrap_or(b',')
}

fn header(record: &csv::ByteRecord) -> Vec<String> {
    let name = |cell: &[u8]| String::from_utf8_lossy(cell.trim_ascii()).into_owned();
    record.iter().map(name).collect()
}

impl Rows for Delimited {
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError> {
        let read = self.reader.read_byte_record(&mut self.record);
        self.read += 1;
        match read {
            Ok(false) => match self.reader.get_ref().open_since() {
                None => Ok(Next::End),
                Some(line) => Err(malformed(&self.path, format_args!("line {line}: {OPEN_QUOTE}"))),
            },
            Ok(true) => Ok(match self.fill(row) {
                Ok(()) => Next::Row,
                Err(rejection) => Next::Rejected(self.read, rejection),
            }),
            Err(error) if matches!(error.kind(), csv::ErrorKind::UnequalLengths { .. }) => {
                let detail = "the line has another number of cells than the header";
                Ok(Next::Rejected(self.read, Rejection::new(ReasonCode::WrongType, detail)))
            }
            Err(error) => Err(malformed(&self.path, error)),
        }
    }
}
