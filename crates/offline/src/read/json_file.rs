//! JSON files as rows.

use super::error::ReadError;
use super::json_records::JsonRecords;
use super::rows::{Next, Rows};
use riskstream_events::{DecodeError, InputFields, JsonDecoder, Row};
use std::path::Path;

pub(super) struct JsonFile {
    records: JsonRecords,
    decoder: JsonDecoder,
}

impl JsonFile {
    pub(super) fn open(path: &Path, fields: &InputFields) -> Result<JsonFile, ReadError> {
        Ok(JsonFile {
            records: JsonRecords::open(path)?,
            decoder: JsonDecoder::new(fields),
        })
    }
}

impl Rows for JsonFile {
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError> {
        let Some((number, record)) = self.records.next()? else {
            return Ok(Next::End);
        };
        Ok(match self.decoder.decode(record, row) {
            Ok(()) => Next::Row,
            Err(DecodeError::Rejected(rejection)) => Next::Rejected(number, rejection),
            Err(DecodeError::Unavailable(_)) => unreachable!("JSON needs no registry"),
        })
    }
}
