//! Conversion from a record's values to a slot's: the one place for all formats. docs/conversions.md has it as a table.
//!
//! | in the record | bool | int | float | text | timestamp |
//! | --- | --- | --- | --- | --- | --- |
//! | boolean | as it is | 0 or 1 | 0 or 1 | – | – |
//! | integer | if 0 or 1 | as it is | nearest | in decimal | by the field's unit |
//! | decimal | if 0 or 1 | if whole | nearest | if whole, in decimal | by the field's unit, to the microsecond |
//! | float | if 0 or 1 | if whole, below 2^53 | as it is | if whole, below 2^53 | by the field's unit, to the microsecond |
//! | text | if a word for it | if one, or true or false | nearest, or true or false | as it is | if one ([`time::parse_in`]), or a number in the field's unit |
//! | text, with `decimal_scale` | – | base64 of a decimal, if whole | base64 of a decimal | – | – |
//! | local time | – | – | – | – | in the field's zone, or else UTC |
//! | time | – | – | – | – | as it is |
//!
//! NaN is null, and so is a text that stands for an absent value ([`is_null_word`]), except where the field is text. Infinities
//! are rejected, and so are times outside the years 1 to 9999.

use crate::decimal::{Decimal, NotAnInteger, nearest_float};
use crate::field::{Field, TimestampUnit};
use crate::pseudonym::Pseudonymizer;
use crate::reason::ReasonCode;
use crate::time::{self, MAX_MICROS, MIN_MICROS};
use crate::twos_complement;
use crate::uuid::uuid_text;
use crate::value::{Value, ValueType};
use crate::zone::from_local;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use compact_str::{CompactString, ToCompactString};

/// From here on neighbouring integers are the same float.
const INEXACT: f64 = 9_007_199_254_740_992.0;

/// The most bytes of a decimal. Leading bytes may repeat its sign.
const MAX_DECIMAL_BYTES: usize = 64;

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
    /// Infinite.
    NotFinite,
    /// Too large.
    OutOfRange(ValueType),
    /// A text that is no base64 of a number of up to 128 bits.
    NotABase64Decimal,
    /// A text that is no time.
    NotATime,
    /// A text that is not UTF-8.
    NotUtf8,
}

impl Problem {
    /// The reason code.
    pub fn code(self) -> ReasonCode {
        match self {
            Problem::WrongType { .. } | Problem::NotANumber | Problem::NotABase64Decimal => ReasonCode::WrongType,
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
            Problem::NotABase64Decimal => "text that is not the base64 of a number of up to 128 bits".into(),
            Problem::NotATime => "text that is not a time like 2026-01-31T23:59:59Z".into(),
            Problem::NotUtf8 => "text that is not UTF-8".into(),
        }
    }
}

/// Whether a text stands for an absent value, where the field is not text: what databases and programs write for it.
pub fn is_null_word(text: &str) -> bool {
    const WORDS: [&str; 9] = ["", "null", r"\N", "nan", "none", "nat", "na", "n/a", "<na>"];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// The boolean that a text stands for.
fn bool_word(text: &str) -> Option<bool> {
    const WORDS: [(&str, bool); 8] = [
        ("true", true),
        ("false", false),
        ("t", true),
        ("f", false),
        ("yes", true),
        ("no", false),
        ("y", true),
        ("n", false),
    ];
    let word = WORDS.into_iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
    word.map(|(_, bool)| bool)
}

/// 1 or 0, for the words `true` and `false` where a number is expected.
fn truth_number(text: &str) -> Option<i64> {
    let words = [("false", 0), ("true", 1)];
    words
        .into_iter()
        .find(|(word, _)| text.eq_ignore_ascii_case(word))
        .map(|(_, number)| number)
}

impl Field {
    /// The field's value from a boolean.
    pub(crate) fn bool_value(&self, bool: bool) -> Result<Value, Problem> {
        match self.value_type {
            ValueType::Bool => Ok(Value::Bool(bool)),
            ValueType::Int => Ok(Value::Int(bool.into())),
            ValueType::Float => Ok(Value::Float(f64::from(u8::from(bool)))),
            _ => Err(self.wrong_type("a boolean")),
        }
    }

    /// The field's value from an integer.
    pub(crate) fn int_value(&self, int: i64, pseudonymizer: Option<&Pseudonymizer>) -> Result<Value, Problem> {
        match self.value_type {
            ValueType::Int => Ok(Value::Int(int)),
            ValueType::Float => Ok(Value::Float(int as f64)),
            ValueType::Timestamp => timestamp(self.unit().to_micros(int)),
            ValueType::Text => Ok(Value::Text(self.mask(int.to_compact_string(), pseudonymizer))),
            ValueType::Bool if int == 0 || int == 1 => Ok(Value::Bool(int == 1)),
            ValueType::Bool => Err(self.wrong_type("an integer other than 0 and 1")),
            ValueType::List => Err(self.wrong_type("an integer")),
        }
    }

    /// The field's value from `unscaled` / 10^`scale`.
    pub(crate) fn scaled_value(
        &self,
        unscaled: i128,
        scale: i64,
        pseudonymizer: Option<&Pseudonymizer>,
    ) -> Result<Value, Problem> {
        if self.value_type == ValueType::Float {
            return match nearest_float(unscaled, scale) {
                float if float.is_finite() => Ok(Value::Float(float)),
                _ => Err(Problem::OutOfRange(ValueType::Float)),
            };
        }
        let digits = unscaled.unsigned_abs().to_compact_string();
        match Decimal::scaled(unscaled < 0, digits.as_bytes(), scale) {
            Some(decimal) => self.decimal_value(decimal, pseudonymizer),
            None => Err(Problem::NotANumber),
        }
    }

    /// The field's value from a decimal number.
    pub(crate) fn decimal_value(
        &self,
        decimal: Decimal<'_>,
        pseudonymizer: Option<&Pseudonymizer>,
    ) -> Result<Value, Problem> {
        match self.value_type {
            ValueType::Float => match decimal.to_float() {
                float if float.is_finite() => Ok(Value::Float(float)),
                _ => Err(Problem::OutOfRange(ValueType::Float)),
            },
            ValueType::Text => {
                let text = decimal.to_text().map_err(|why| self.not_an_integer(why))?;
                Ok(Value::Text(self.mask(text, pseudonymizer)))
            }
            ValueType::Timestamp => match decimal.to_int() {
                Ok(int) => self.int_value(int, None),
                Err(_) => {
                    let micros = decimal.rounded(self.unit().power().into());
                    timestamp(micros.ok_or(Problem::OutOfRange(ValueType::Timestamp))?)
                }
            },
            _ => self.int_value(decimal.to_int().map_err(|why| self.not_an_integer(why))?, None),
        }
    }

    /// The field's value from a float.
    pub(crate) fn float_value(&self, float: f64, pseudonymizer: Option<&Pseudonymizer>) -> Result<Value, Problem> {
        if float.is_nan() {
            return Ok(Value::Null);
        }
        if float.is_infinite() {
            return Err(Problem::NotFinite);
        }
        match self.value_type {
            ValueType::Float => Ok(Value::Float(float)),
            ValueType::Timestamp => {
                // The cast saturates; the limits are out of range.
                let micros = match self.unit() {
                    // 1e-3 is not exact as a float, 1e3 is.
                    TimestampUnit::Nanos => float / 1e3,
                    unit => float * 10_f64.powi(unit.power()),
                };
                timestamp(micros.round() as i64)
            }
            _ if float.fract() != 0.0 => Err(self.not_an_integer(NotAnInteger::Fraction)),
            _ if float.abs() >= INEXACT => Err(self.not_an_integer(NotAnInteger::OutOfRange)),
            _ => self.int_value(float as i64, pseudonymizer),
        }
    }

    /// The field's value from a text.
    pub(crate) fn text_value(&self, text: &str, pseudonymizer: Option<&Pseudonymizer>) -> Result<Value, Problem> {
        let value = match self.value_type {
            ValueType::Text => {
                return Ok(Value::Text(match (self.personal, pseudonymizer) {
                    (true, Some(pseudonymizer)) => pseudonymizer.pseudonym(text.as_bytes()),
                    _ => CompactString::from(text),
                }));
            }
            ValueType::Bool => self.bool_in(text),
            ValueType::Int | ValueType::Float if self.decimal_scale.is_some() => self.base64_in(text),
            ValueType::Int => self.int_in(text),
            ValueType::Float => self.float_in(text),
            ValueType::Timestamp => self.timestamp_in(text),
            ValueType::List => Err(self.wrong_type("text")),
        };
        match value {
            Err(_) if is_null_word(text) => Ok(Value::Null),
            value => value,
        }
    }

    /// The field's value from a UUID.
    pub(crate) fn uuid_value(&self, bytes: &[u8; 16], pseudonymizer: Option<&Pseudonymizer>) -> Result<Value, Problem> {
        self.text_value(uuid_text(bytes, &mut [0; 36]), pseudonymizer)
    }

    fn bool_in(&self, text: &str) -> Result<Value, Problem> {
        if let Some(bool) = bool_word(text) {
            return Ok(Value::Bool(bool));
        }
        let decimal = Decimal::parse(text).ok_or_else(|| self.wrong_type("text that is neither true nor false"))?;
        self.decimal_value(decimal, None)
    }

    fn int_in(&self, text: &str) -> Result<Value, Problem> {
        if let Some(int) = text.parse().ok().or_else(|| truth_number(text)) {
            return Ok(Value::Int(int));
        }
        if let Some(decimal) = Decimal::parse(text) {
            return self.decimal_value(decimal, None);
        }
        // NaN and infinities.
        self.float_value(text.parse().map_err(|_| Problem::NotANumber)?, None)
    }

    fn float_in(&self, text: &str) -> Result<Value, Problem> {
        match (text.parse::<f64>(), truth_number(text)) {
            (Ok(float), _) => self.float_value(float, None),
            (Err(_), Some(int)) => Ok(Value::Float(int as f64)),
            (Err(_), None) => Err(Problem::NotANumber),
        }
    }

    /// A decimal as Kafka Connect writes it in JSON: the base64 of the bytes of an integer.
    fn base64_in(&self, text: &str) -> Result<Value, Problem> {
        let mut bytes = [0; MAX_DECIMAL_BYTES];
        let length = STANDARD.decode_slice(text, &mut bytes);
        let bytes = &bytes[..length.map_err(|_| Problem::NotABase64Decimal)?];
        let unscaled = twos_complement::integer(bytes).ok_or(Problem::NotABase64Decimal)?;
        self.scaled_value(unscaled, self.decimal_scale.unwrap_or_default().into(), None)
    }

    fn timestamp_in(&self, text: &str) -> Result<Value, Problem> {
        if let Some(micros) = time::parse_in(text, self.zone.as_ref()) {
            return timestamp(micros);
        }
        self.decimal_value(Decimal::parse(text).ok_or(Problem::NotATime)?, None)
    }

    /// The field's value from a point in time in microseconds.
    pub(crate) fn timestamp_value(&self, micros: i64) -> Result<Value, Problem> {
        match self.value_type {
            ValueType::Timestamp => timestamp(micros),
            _ => Err(self.wrong_type("a timestamp")),
        }
    }

    /// The field's value from a local time, which is given in microseconds as if it were UTC.
    pub(crate) fn local_time_value(&self, micros: i64) -> Result<Value, Problem> {
        match &self.zone {
            None => self.timestamp_value(micros),
            Some(zone) => {
                let utc = from_local(micros, zone);
                self.timestamp_value(utc.ok_or(Problem::OutOfRange(ValueType::Timestamp))?)
            }
        }
    }

    fn unit(&self) -> TimestampUnit {
        self.timestamp_unit.unwrap_or(TimestampUnit::Millis)
    }

    fn wrong_type(&self, found: &'static str) -> Problem {
        let expected = self.value_type;
        Problem::WrongType { expected, found }
    }

    fn not_an_integer(&self, why: NotAnInteger) -> Problem {
        match why {
            NotAnInteger::Fraction => self.wrong_type("a number with a fraction"),
            NotAnInteger::OutOfRange => Problem::OutOfRange(self.value_type),
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
