//! An entity's key as text.

use crate::value::Value;
use std::fmt::Write;

/// Writes an entity's key to `buffer`. Integers are written in decimal: 42 and "42" are the same entity. `None` if the value
/// is neither a text nor an integer.
pub fn write_key<'k>(value: &Value, buffer: &'k mut String) -> Option<&'k str> {
    buffer.clear();
    match value {
        Value::Text(text) => buffer.push_str(text),
        Value::Int(number) => write!(buffer, "{number}").expect("writing to a String succeeds"),
        _ => return None,
    }
    Some(buffer)
}
