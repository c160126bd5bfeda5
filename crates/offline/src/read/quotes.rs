//! Detects a quoted cell of a CSV file that does not end. All lines after it would be part of the cell, and the CSV reader
//! reports no error.

use std::io::{self, Read};

/// Where in a file a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the beginning of a cell.
    Beginning,
    /// In a cell without quotes, or after the end of its quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// After a quote between quotes: it is their end, unless another one follows.
    Quote,
}

/// Hands on what it reads, and follows the quotes.
pub(super) struct Quotes<R> {
    text: R,
    delimiter: u8,
    place: Place,
    line: u64,
    /// The line of the quote that was opened last.
    opened: u64,
}

impl<R: Read> Quotes<R> {
    pub(super) fn new(text: R, delimiter: u8) -> Quotes<R> {
        Quotes {
            text,
            delimiter,
            place: Place::Beginning,
            line: 1,
            opened: 0,
        }
    }

    /// The line of a quote that is still open, from 1.
    pub(super) fn open_since(&self) -> Option<u64> {
        (self.place == Place::Quoted).then_some(self.opened)
    }

    fn follow(&mut self, byte: u8) {
        self.line += u64::from(byte == b'\n');
        let ends_cell = byte == self.delimiter || matches!(byte, b'\n' | b'\r');
        self.place = match (self.place, byte) {
            (Place::Beginning, b'"') => {
                self.opened = self.line;
                Place::Quoted
            }
            (Place::Quoted, b'"') => Place::Quote,
            (Place::Quote, b'"') | (Place::Quoted, _) => Place::Quoted,
            _ if ends_cell => Place::Beginning,
            _ => Place::Plain,
        };
    }
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.text.read(buffer)?;
        buffer[..read].iter().for_each(|byte| self.follow(*byte));
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_that_stays_open_is_found() {
        for (text, expected) in [
            ("a,b\n1,2\n", None),
            ("a,b\n\"1\n2\",\"3\"\n", None),
            ("a,b\n\"say \"\"1\"\"\",2", None),
            ("a,b\nsay \"1,2\n", None),
            ("a,b\n\"1\" x,2\n", None),
            ("a,b\n1,\"2\n3,4\n", Some(2)),
            ("a,b\r\n1,2\r\n\"3,4\r\n5,6", Some(3)),
            ("a,b\n1,\"2\"\"\n3,4\n", Some(2)),
            ("a,b\n1,\"", Some(2)),
            ("\"a,b\n1,2\n", Some(1)),
        ] {
            let mut quotes = Quotes::new(text.as_bytes(), b',');
            io::copy(&mut quotes, &mut io::sink()).unwrap();
            assert_eq!(quotes.open_since(), expected, "{text:?}");
        }
    }
}
