//! The records of a JSON file, undecoded: one object a line, objects over several lines, or an array of objects.

use super::error::{ReadError, io, malformed};
use super::json_values::{Found, next_value};
use super::text_file;
use serde::de::IgnoredAny;
use std::io::{BufRead, Cursor, Read};
use std::path::{Path, PathBuf};

pub(super) struct JsonRecords {
    path: PathBuf,
    text: Box<dyn BufRead>,
    layout: Layout,
    record: Vec<u8>,
    /// Records read.
    read: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Lines,
    Objects,
    Array,
}

impl JsonRecords {
    pub(super) fn open(path: &Path) -> Result<JsonRecords, ReadError> {
        let mut text = text_file::open(path)?;
        skip_space(&mut text).map_err(io(path))?;
        let (layout, text) = match text.fill_buf().map_err(io(path))?.first() {
            Some(b'[') => {
                text.consume(1);
                (Layout::Array, text)
            }
            _ => lines_or_objects(text).map_err(io(path))?,
        };
        Ok(JsonRecords {
            path: path.to_owned(),
            text,
            layout,
            record: Vec::new(),
            read: 0,
        })
    }

    /// The next record and its number, from 1; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &[u8])>, ReadError> {
        let found = match self.layout {
            Layout::Lines => self.next_line(),
            Layout::Objects => next_value(&mut self.text, false, &mut self.record),
            Layout::Array => next_value(&mut self.text, true, &mut self.record),
        };
        match found.map_err(io(&self.path))? {
            Found::Value => {
                self.read += 1;
                Ok(Some((self.read, &self.record)))
            }
            Found::End => Ok(None),
            Found::Broken(why) => Err(malformed(&self.path, format!("after record {}: {why}", self.read))),
        }
    }

    fn next_line(&mut self) -> std::io::Result<Found> {
        loop {
            self.record.clear();
            if self.text.read_until(b'\n', &mut self.record)? == 0 {
                return Ok(Found::End);
            }
            if !self.record.trim_ascii().is_empty() {
                return Ok(Found::Value);
            }
        }
    }
}

fn skip_space(text: &mut dyn BufRead) -> std::io::Result<()> {
    loop {
        let chunk = text.fill_buf()?;
        let space = chunk.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let is_over = chunk.is_empty() || space < chunk.len();
        text.consume(space);
        if is_over {
            return Ok(());
        }
    }
}

/// Objects over several lines if the first line ends within an object and the second one does not begin another. The text is
/// given back whole.
fn lines_or_objects(mut text: Box<dyn BufRead>) -> std::io::Result<(Layout, Box<dyn BufRead>)> {
    let mut first = Vec::new();
    text.read_until(b'\n', &mut first)?;
    let mut second = Vec::new();
    text.read_until(b'\n', &mut second)?;
    let is_cut = serde_json::from_slice::<IgnoredAny>(&first).is_err_and(|error| error.is_eof());
    let layout = match is_cut && !second.trim_ascii_start().starts_with(b"{") {
        true => Layout::Objects,
        false => Layout::Lines,
    };
    first.extend_from_slice(&second);
    Ok((layout, Box::new(Cursor::new(first).chain(text))))
}
