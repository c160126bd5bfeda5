//! The values of fields, features and expressions, and the row of slots that holds them.

use compact_str::CompactString;
use std::sync::Arc;

/// The type of a slot of a [`Row`], declared in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// true or false.
    Bool,
    /// A 64-bit signed integer.
    Int,
    /// A 64-bit float. Decimals are decoded to the nearest float.
    Float,
    /// UTF-8 text; enums and UUIDs are text too. Personal data only ever as a pseudonym.
    Text,
    /// A point in time, in microseconds since 1970-01-01T00:00:00Z.
    Timestamp,
    /// Several values of one type, such as the last k amounts.
    List,
}

impl ValueType {
    /// The word for it in pipeline files and error messages.
    pub fn name(self) -> &'static str {
        match self {
            ValueType::Bool => "bool",
            ValueType::Int => "int",
            ValueType::Float => "float",
            ValueType::Text => "text",
            ValueType::Timestamp => "timestamp",
            ValueType::List => "list",
        }
    }
}

/// One value. `Null` means that the event lacks it or that a feature has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Absent.
    #[default]
    Null,
    /// See [`ValueType::Bool`].
    Bool(bool),
    /// See [`ValueType::Int`].
    Int(i64),
    /// See [`ValueType::Float`].
    Float(f64),
    /// See [`ValueType::Text`].
    Text(CompactString),
    /// Microseconds since the epoch, UTC.
    Timestamp(i64),
    /// See [`ValueType::List`].
    List(Arc<[Value]>),
}

impl Value {
    /// The number for a model or an aggregation: integers and floats as they are, booleans as 0 and 1; `None` for all
    /// others.
    #[inline]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Int(i) => Some(*i as f64),
            Value::Float(f) => Some(*f),
            Value::Bool(b) => Some(f64::from(u8::from(*b))),
            _ => None,
        }
    }

    /// Whether the value is absent.
    #[inline]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The type of the value; `None` if it is absent.
    pub fn value_type(&self) -> Option<ValueType> {
        Some(match self {
            Value::Null => return None,
            Value::Bool(_) => ValueType::Bool,
            Value::Int(_) => ValueType::Int,
            Value::Float(_) => ValueType::Float,
            Value::Text(_) => ValueType::Text,
            Value::Timestamp(_) => ValueType::Timestamp,
            Value::List(_) => ValueType::List,
        })
    }
}

/// The index of a value in a [`Row`]. The plan resolves names to slots.
pub type Slot = usize;

/// The values of one event on its way through the pipeline: one for each slot of the plan (fields of all inputs first, then
/// features and expressions).
pub type Row = Vec<Value>;
