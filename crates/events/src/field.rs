//! A field of a record that is decoded, and the slot of the row that it goes to.

use crate::value::{Slot, ValueType};

/// The unit of a timestamp that is a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampUnit {
    /// Seconds since the epoch.
    Seconds,
    /// Milliseconds since the epoch.
    Millis,
    /// Microseconds since the epoch.
    Micros,
}

impl TimestampUnit {
    /// Microseconds in one unit.
    pub fn micros(self) -> i64 {
        match self {
            TimestampUnit::Seconds => 1_000_000,
            TimestampUnit::Millis => 1_000,
            TimestampUnit::Micros => 1,
        }
    }
}

/// One field to decode.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name in the pipeline file, for error messages.
    pub name: String,
    /// Where it lies in the record: names from the outside in.
    pub path: Vec<String>,
    /// What the slot holds. [`ValueType::List`] cannot be decoded.
    pub value_type: ValueType,
    /// Where it goes.
    pub slot: Slot,
    /// Whether a record without it (or with null in it) is rejected.
    pub required: bool,
    /// Whether it is personal data. Then it must be text, and its pseudonym enters the row.
    pub personal: bool,
    /// The unit of a number in a [`ValueType::Timestamp`]; milliseconds if not declared. The unit of the writer's type
    /// (Avro's timestamp-micros) takes precedence.
    pub timestamp_unit: Option<TimestampUnit>,
}
