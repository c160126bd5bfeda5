//! An entity's key as text.

use riskstream_events::Value;
use std::fmt::Write;

/// Writes an entity key into `buffer`: keys are text; integers are written in decimal so that 42 and "42" are the same entity.
pub fn write_key<'k>(value: &Value, buffer: &'k mut String) -> Option<&'k str> {
    buffer.clear();
    match value {
        Value::Text(text) => buffer.push_str(text),
        Value::Int(number) => write!(buffer, "{number}").expect("writing to a String succeeds"),
        _ => return None,
    }
    Some(buffer)
}
