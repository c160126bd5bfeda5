//! JSON Lines: one object a line.

use super::error::{ReadError, io};
use super::rows::{Next, Rows};
use riskstream_events::{DecodeError, InputFields, JsonDecoder, Row};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

pub(super) struct JsonLines {
    path: PathBuf,
    reader: BufReader<File>,
    decoder: JsonDecoder,
    line: Vec<u8>,
    /// Of the line read last, from 1.
    number: u64,
}

impl JsonLines {
    pub(super) fn open(path: &Path, fields: &InputFields) -> Result<JsonLines, ReadError> {
        let file = File::open(path).map_err(io(path))?;
        let reader = BufReader::with_capacity(1 << 20, file);
        let decoder = JsonDecoder::new(fields);
        Ok(JsonLines {
            path: path.to_owned(),
            reader,
            decoder,
            line: Vec::new(),
            number: 0,
        })
    }
}

impl Rows for JsonLines {
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError> {
        loop {
            self.line.clear();
            let read = self.reader.read_until(b'\n', &mut self.line).map_err(io(&self.path))?;
            if read == 0 {
                return Ok(Next::End);
            }
            self.number += 1;
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            return Ok(match self.decoder.decode(&self.line, row) {
                Ok(()) => Next::Row,
                Err(DecodeError::Rejected(rejection)) => Next::Rejected(self.number, rejection),
                Err(DecodeError::Unavailable(_)) => unreachable!("JSON needs no registry"),
            });
        }
    }
}
