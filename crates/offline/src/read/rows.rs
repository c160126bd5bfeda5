//! The records of a file.

use super::error::ReadError;
use riskstream_events::{Rejection, Row};

/// What came next in a file.
pub enum Next {
    /// A row was filled.
    Row,
    /// A record that cannot be used: its number in the file, from 1, and why.
    Rejected(u64, Rejection),
    /// Nothing more.
    End,
}

/// The records of a file, in the file's order.
pub trait Rows {
    /// Fills `row` with the next record.
    ///
    /// # Errors
    /// The file cannot be read on.
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError>;
}
