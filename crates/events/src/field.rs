//! A field of a record that is decoded, and the slot of the row that it goes to.

use crate::value::{Slot, ValueType};
use crate::zone::TimeZone;

/// The unit of a timestamp that is a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampUnit {
    /// Seconds since the epoch.
    Seconds,
    /// Milliseconds since the epoch.
    Millis,
    /// Microseconds since the epoch.
    Micros,
    /// Nanoseconds since the epoch.
    Nanos,
}

impl TimestampUnit {
    /// The power of ten by which a number is multiplied to give microseconds.
    pub fn power(self) -> i32 {
        match self {
            TimestampUnit::Seconds => 6,
            TimestampUnit::Millis => 3,
            TimestampUnit::Micros => 0,
            TimestampUnit::Nanos => -3,
        }
    }

    /// Microseconds since the epoch, rounded down. Saturates; the limits are out of range.
    pub fn to_micros(self, number: i64) -> i64 {
        match self {
            TimestampUnit::Seconds => number.saturating_mul(1_000_000),
            TimestampUnit::Millis => number.saturating_mul(1_000),
            TimestampUnit::Micros => number,
            TimestampUnit::Nanos => number.div_euclid(1_000),
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
    /// The zone of a [`ValueType::Timestamp`] that is a local time: a text without an offset, or Avro's local timestamps. UTC
    /// if not declared.
    pub zone: Option<TimeZone>,
    /// The scale of a number that is a text: the base64 of the bytes of an integer, which is divided by 10^scale.
    pub decimal_scale: Option<u8>,
}

impl Field {
    /// A field at a path with dots, which is its name. It is not required and not personal.
    pub fn at(path: &str, value_type: ValueType, slot: Slot) -> Field {
        Field {
            name: path.to_owned(),
            path: path.split('.').map(str::to_owned).collect(),
            value_type,
            slot,
            required: false,
            personal: false,
            timestamp_unit: None,
            zone: None,
            decimal_scale: None,
        }
    }
}
