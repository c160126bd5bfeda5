//! Conversion from a record's values to a slot's, with the same rules for every format.
//!
//! | in the record | bool | int | float | text | timestamp |
//! | --- | --- | --- | --- | --- | --- |
//! | boolean | as it is | – | – | – | – |
//! | integer | – | as it is | nearest | in decimal | by the field's unit |
//! | float | – | if integral, up to 2^53 | as it is | – | by the field's unit, to the microsecond |
//! | text | – | if it is one | nearest | as it is | RFC 3339, or an integer in the field's unit |
//!
//! NaN and infinities are rejected everywhere, and so are times outside the years 1 to 9999.

use crate::field::{Field, TimestampUnit};
use crate::pseudonym::Pseudonymizer;
use crate::reason::ReasonCode;
use crate::time::{self, MAX_MICROS, MIN_MICROS};
use crate::value::{Value, ValueType};
use compact_str::{CompactString, ToCompactString};

/// Integers up to here are exact as floats.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What is wrong with a value. Does not contain the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The record holds `found` where the field is of type `expected`.
    WrongType {
        /// What the field is declared as.
        expected: ValueType,
        /// What the record holds.
        found: &'static str,
    },
    /// A text that is no number, where a number is expected.
    NotANumber,
    /// NaN or infinite.
    NotFinite,
    /// Too large.
    OutOfRange(ValueType),
    /// A text that is no time.
    NotATime,
    /// A text that is not UTF-8.
    NotUtf8,
}

impl Problem {
    /// The reason code.
    pub fn code(self) -> ReasonCode {
        match self {
            Problem::WrongType { .. } | Problem::NotANumber => ReasonCode::WrongType,
            Problem::NotFinite => ReasonCode::NotFinite,
            Problem::OutOfRange(_) => ReasonCode::OutOfRange,
            Problem::NotATime => ReasonCode::InvalidTimestamp,
            Problem::NotUtf8 => ReasonCode::InvalidUtf8,
        }
    }

    /// What is wrong, in words.
    pub fn text(self) -> String {
        match self {
            Problem::WrongType { expected, found } => {
                format!("{found} where {} is expected", expected.name())
            }
            Problem::NotANumber => "text that is not a number".into(),
            Problem::NotFinite => "NaN or infinite".into(),
            Problem::OutOfRange(value_type) => format!("does not fit {}", value_type.name()),
            Problem::NotATime => "text that is not a time like 2026-01-31T23:59:59Z".into(),
            Problem::NotUtf8 => "text that is not UTF-8".into(),
        }
    }
}

impl Field {
    /// The field's value from a boolean.
    pub(crate) fn bool_value(&self, bool: bool) -> Result<Value, Problem> {
        match self.value_type {
            ValueType::Bool => Ok(Value::Bool(bool)),
            expected => Err(Problem::WrongType {
                expected,
                found: "a boolean",
            }),
        }
    }

    /// The field's value from an integer.
    pub(crate) fn int_value(&self, int: i64, pseudonymizer: Option<&Pseudonymizer>) -> Result<Value, Problem> {
        match self.value_type {
            ValueType::Int => Ok(Value::Int(int)),
            ValueType::Float => Ok(Value::Float(int as f64)),
            ValueType::Timestamp => {
                let unit = self.timestamp_unit.unwrap_or(TimestampUnit::Millis);
                let micros = int
                    .checked_mul(unit.micros())
                    .ok_or(Problem::OutOfRange(ValueType::Timestamp))?;
                timestamp(micros)
            }
            ValueType::Text => Ok(Value::Text(self.mask(int.to_compact_string(), pseudonymizer))),
            expected => Err(Problem::WrongType {
                expected,
                found: "an integer",
            }),
        }
    }

    /// The field's value from an integer above the 64-bit signed ones.
    pub(crate) fn huge_int_value(&self, int: u64) -> Result<Value, Problem> {
        match self.value_type {
            ValueType::Float => Ok(Value::Float(int as f64)),
            ValueType::Bool => Err(Problem::WrongType {
                expected: ValueType::Bool,
                found: "an integer",
            }),
            expected => Err(Problem::OutOfRange(expected)),
        }
    }

    /// The field's value from a float.
    pub(crate) fn float_value(&self, float: f64) -> Result<Value, Problem> {
        if !float.is_finite() {
            return Err(Problem::NotFinite);
        }
        match self.value_type {
            ValueType::Float => Ok(Value::Float(float)),
            ValueType::Int if float.fract() != 0.0 => Err(Problem::WrongType {
                expected: ValueType::Int,
                found: "a number with a fraction",
            }),
            ValueType::Int if float.abs() > EXACT => Err(Problem::OutOfRange(ValueType::Int)),
            ValueType::Int => Ok(Value::Int(float as i64)),
            ValueType::Timestamp => {
                let unit = self.timestamp_unit.unwrap_or(TimestampUnit::Millis);
                // The cast saturates; the limits are out of range.
                timestamp((float * unit.micros() as f64).round() as i64)
            }
            expected => Err(Problem::WrongType {
                expected,
                found: "a number",
            }),
        }
    }

    /// The field's value from a text.
    pub(crate) fn text_value(&self, text: &str, pseudonymizer: Option<&Pseudonymizer>) -> Result<Value, Problem> {
        match self.value_type {
            ValueType::Text => match (self.personal, pseudonymizer) {
                (true, Some(pseudonymizer)) => Ok(Value::Text(pseudonymizer.pseudonym(text.as_bytes()))),
                _ => Ok(Value::Text(CompactString::from(text))),
            },
            ValueType::Float => match text.parse::<f64>() {
                Ok(float) if float.is_finite() => Ok(Value::Float(float)),
                Ok(_) => Err(Problem::NotFinite),
                Err(_) => Err(Problem::NotANumber),
            },
            ValueType::Int => match text.parse::<i64>() {
                Ok(int) => Ok(Value::Int(int)),
                Err(_) => self.float_value(text.parse().map_err(|_| Problem::NotANumber)?),
            },
            ValueType::Timestamp => match time::parse(text) {
                Some(micros) => timestamp(micros),
                None => self.int_value(text.parse().map_err(|_| Problem::NotATime)?, None),
            },
            expected => Err(Problem::WrongType {
                expected,
                found: "text",
            }),
        }
    }

    /// The field's value from a point in time in microseconds.
    pub(crate) fn timestamp_value(&self, micros: i64) -> Result<Value, Problem> {
        match self.value_type {
            ValueType::Timestamp => timestamp(micros),
            expected => Err(Problem::WrongType {
                expected,
                found: "a timestamp",
            }),
        }
    }

    fn mask(&self, clear: CompactString, pseudonymizer: Option<&Pseudonymizer>) -> CompactString {
        match pseudonymizer {
            Some(pseudonymizer) if self.personal => pseudonymizer.pseudonym(clear.as_bytes()),
            _ => clear,
        }
    }
}

fn timestamp(micros: i64) -> Result<Value, Problem> {
    if (MIN_MICROS..=MAX_MICROS).contains(&micros) {
        Ok(Value::Timestamp(micros))
    } else {
        Err(Problem::OutOfRange(ValueType::Timestamp))
    }
}
