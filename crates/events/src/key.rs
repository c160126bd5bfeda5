//! An entity's key as text.

use crate::value::Value;
use compact_str::CompactString;
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

/// The key of an entity that is identified by several values: their texts with `|` in between. `\` stands in front of each `|`
/// and `\` of a text, so that different parts give different keys. A single part is the key as it is. Null if a part is neither
/// a text nor an integer.
pub fn key_of_parts(parts: impl ExactSizeIterator<Item = Value>) -> Value {
    let is_single = parts.len() == 1;
    let mut key = CompactString::default();
    for (at, part) in parts.enumerate() {
        if at > 0 {
            key.push('|');
        }
        match part {
            Value::Text(text) if is_single => key.push_str(&text),
            Value::Text(text) => {
                for character in text.chars() {
                    if matches!(character, '|' | '\\') {
                        key.push('\\');
                    }
                    key.push(character);
                }
            }
            Value::Int(number) => write!(key, "{number}").expect("writing to a text succeeds"),
            _ => return Value::Null,
        }
    }
    Value::Text(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[&str]) -> Value {
        let parts: Vec<Value> = parts.iter().map(|part| Value::Text((*part).into())).collect();
        key_of_parts(parts.into_iter())
    }

    #[test]
    fn different_parts_give_different_keys() {
        let texts = ["", "a", "|", "\\", "a|", "|a", "\\|", "|\\", "a\\"];
        let mut seen = std::collections::HashSet::new();
        for first in texts {
            for second in texts {
                let Value::Text(key) = key(&[first, second]) else {
                    panic!("no key of {first} and {second}")
                };
                assert!(seen.insert(key), "{first} and {second} have the key of others");
            }
        }
    }

    #[test]
    fn parts_are_texts_and_integers() {
        assert_eq!(key(&["c1", "m|1"]), Value::Text("c1|m\\|1".into()));
        assert_eq!(key(&["a|b"]), Value::Text("a|b".into()));
        let number = [Value::Text("c1".into()), Value::Int(-42)];
        assert_eq!(key_of_parts(number.into_iter()), Value::Text("c1|-42".into()));
        for missing in [Value::Null, Value::Float(1.0), Value::Bool(true)] {
            assert_eq!(key_of_parts([Value::Int(1), missing].into_iter()), Value::Null);
        }
    }
}
