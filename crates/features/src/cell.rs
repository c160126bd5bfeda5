//! Values as logs and accumulators store them.

use crate::number::from_ordered;
use compact_str::CompactString;
use riskstream_events::{Value, ValueType};

/// A value taken from an entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Cell {
    Word(i64),
    Text(CompactString),
}

/// The type of [`Value`] that a stored value becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Float,
    Int,
    Bool,
    Timestamp,
    Text,
}

impl Form {
    pub(crate) fn of(value_type: ValueType) -> Form {
        match value_type {
            ValueType::Float => Form::Float,
            ValueType::Bool => Form::Bool,
            ValueType::Timestamp => Form::Timestamp,
            ValueType::Text => Form::Text,
            ValueType::Int | ValueType::List => Form::Int,
        }
    }

    /// The value of a cell.
    pub(crate) fn of_cell(self, cell: &Cell) -> Value {
        match cell {
            Cell::Word(word) => self.of_word(*word),
            Cell::Text(text) => Value::Text(CompactString::clone(text)),
        }
    }

    /// The value of a word.
    pub(crate) fn of_word(self, word: i64) -> Value {
        match self {
            Form::Float => Value::Float(from_ordered(word)),
            Form::Bool => Value::Bool(word != 0),
            Form::Timestamp => Value::Timestamp(word),
            Form::Int | Form::Text => Value::Int(word),
        }
    }

    /// The number of a word.
    pub(crate) fn number_of_word(self, word: i64) -> f64 {
        match self {
            Form::Float => from_ordered(word),
            _ => word as f64,
        }
    }
}

/// A list, or none if it would be empty.
pub(crate) fn list(values: impl Iterator<Item = Value>) -> Option<Value> {
    let values: Vec<Value> = values.collect();
    (!values.is_empty()).then(|| Value::List(values.into()))
}
