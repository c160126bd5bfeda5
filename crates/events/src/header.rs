//! Headers of records: bytes that travel in rows, and values as text.

use crate::time;
use crate::value::Value;
use compact_str::CompactString;

/// The bytes of a header as text that any row can carry: each byte as the character with its number.
pub fn header_text(bytes: &[u8]) -> CompactString {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The bytes that [`header_text`] was made from.
pub fn header_bytes(text: &str) -> Vec<u8> {
    text.chars().map(|char| u8::try_from(char).unwrap_or(b'?')).collect()
}

/// A value as the text of a header: numbers as in JSON, times as RFC 3339. `None` for null, lists, and numbers that are not finite.
pub fn header_value(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Bool(bool) => Some(bool.to_string().into_bytes()),
        Value::Int(int) => Some(int.to_string().into_bytes()),
        Value::Float(float) => float.is_finite().then(|| serde_json::to_vec(float).unwrap_or_default()),
        Value::Text(text) => Some(text.as_bytes().to_vec()),
        Value::Timestamp(micros) => {
            let mut text = Vec::new();
            time::write(*micros, &mut text);
            Some(text)
        }
        Value::Null | Value::List(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_survive() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(header_bytes(&header_text(&bytes)), bytes);
        assert_eq!(header_text(b"00-ab-01"), "00-ab-01");
    }

    #[test]
    fn values_are_texts() {
        let text = |value| header_value(&value).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(text(Value::Float(0.5)).as_deref(), Some("0.5"));
        assert_eq!(text(Value::Int(-3)).as_deref(), Some("-3"));
        assert_eq!(text(Value::Text("prüfen".into())).as_deref(), Some("prüfen"));
        assert_eq!(
            text(Value::Timestamp(0)).as_deref(),
            Some("1970-01-01T00:00:00.000000Z")
        );
        assert_eq!(text(Value::Float(f64::NAN)), None);
        assert_eq!(text(Value::Null), None);
    }
}
