//! The key of a Kafka record beside a field of its value. Producers write keys as texts, as numbers of fixed size, as JSON or
//! as Avro, and nothing in the record says which.

use crate::framing;
use crate::varint::read_signed;
use serde_json::Value as Json;

/// Whether a key represents a value: whether `is_value` holds for one of the texts that its bytes can be read as. With or without
/// Confluent's prefix, they are read as
///
/// - a text, in UTF-8;
/// - an integer of 2, 4 or 8 bytes, as Kafka's serializers write it;
/// - JSON: a text, a number, or an object with one member, which may lie in Kafka Connect's `payload`;
/// - Avro: a string, an integer, or a record with one such field, which may be nullable.
pub fn stands_for(key: &[u8], mut is_value: impl FnMut(&str) -> bool) -> bool {
    let is_value: &mut dyn FnMut(&str) -> bool = &mut is_value;
    is_unframed(key, is_value)
        || framing::split(key).is_ok_and(|(_, rest)| is_json(rest, is_value) || is_avro(rest, is_value))
}

/// The text that a key is, where there is no value to compare it with; none if it can be no key. A key that begins as JSON does
/// and is JSON is read as such, then texts without control characters, then what Confluent's prefix precedes, integers of 2, 4 or
/// 8 bytes, and Avro. `is_framed`: the prefix is looked for first, as the first byte of an integer may be 0 as well.
pub fn text_of(key: &[u8], is_framed: bool) -> Option<String> {
    let mut found = None;
    let mut take = |text: &str| {
        found = Some(text.to_owned());
        true
    };
    let framed = framing::split(key).ok().map(|(_, rest)| rest);
    let is_read = if let (true, Some(rest)) = (is_framed, framed) {
        is_json(rest, &mut take) || is_avro(rest, &mut take)
    } else if key.trim_ascii() == key && is_json(key, &mut take) {
        true
    } else if let Some(text) = std::str::from_utf8(key).ok().filter(|text| is_printable(text)) {
        take(text)
    } else if let Some(number) = big_endian(key) {
        take(&number.to_string())
    } else {
        framed.is_some_and(|rest| is_json(rest, &mut take) || is_avro(rest, &mut take)) || is_avro(key, &mut take)
    };
    found.filter(|text| is_read && !text.is_empty())
}

fn is_printable(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

fn is_unframed(key: &[u8], is_value: &mut dyn FnMut(&str) -> bool) -> bool {
    std::str::from_utf8(key).is_ok_and(&mut *is_value)
        || big_endian(key).is_some_and(|number| is_value(&number.to_string()))
        || is_json(key, is_value)
        || is_avro(key, is_value)
}

fn big_endian(key: &[u8]) -> Option<i64> {
    match *key {
        [a, b] => Some(i16::from_be_bytes([a, b]).into()),
        [a, b, c, d] => Some(i32::from_be_bytes([a, b, c, d]).into()),
        [a, b, c, d, e, f, g, h] => Some(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
        _ => None,
    }
}

fn is_json(bytes: &[u8], is_value: &mut dyn FnMut(&str) -> bool) -> bool {
    if !matches!(bytes.first(), Some(b'"' | b'{' | b'-' | b'0'..=b'9')) {
        return false;
    }
    let Ok(mut json) = serde_json::from_slice::<Json>(bytes) else {
        return false;
    };
    if let Some(payload) = json.get_mut("payload").map(Json::take) {
        json = payload;
    }
    let value = match &json {
        Json::Object(members) if members.len() == 1 => members.values().next(),
        other => Some(other),
    };
    match value {
        Some(Json::String(text)) => is_value(text),
        Some(Json::Number(number)) => is_value(&number.to_string()),
        _ => false,
    }
}

fn is_avro(bytes: &[u8], is_value: &mut dyn FnMut(&str) -> bool) -> bool {
    // The branch of a union with null.
    let nullable = bytes.strip_prefix(&[0]).or_else(|| bytes.strip_prefix(&[2]));
    is_avro_value(bytes, is_value) || nullable.is_some_and(|value| is_avro_value(value, is_value))
}

fn is_avro_value(bytes: &[u8], is_value: &mut dyn FnMut(&str) -> bool) -> bool {
    let mut at = 0;
    let Ok(number) = read_signed(bytes, &mut at) else {
        return false;
    };
    let text = &bytes[at..];
    if text.is_empty() {
        return is_value(&number.to_string());
    }
    usize::try_from(number) == Ok(text.len()) && std::str::from_utf8(text).is_ok_and(is_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(key: &[u8], value: &str) -> bool {
        stands_for(key, |text| text == value)
    }

    #[test]
    fn keys_as_producers_write_them() {
        let keys: [(&[u8], &str); 18] = [
            (b"c1", "c1"),
            ("Zo\u{eb}".as_bytes(), "Zo\u{eb}"),
            (b"42", "42"),
            (&42_i16.to_be_bytes(), "42"),
            (&(-42_i32).to_be_bytes(), "-42"),
            (&9_007_199_254_740_993_i64.to_be_bytes(), "9007199254740993"),
            (br#""c1""#, "c1"),
            (br#""Zo\u00eb""#, "Zo\u{eb}"),
            (br#"{"customer": "c1"}"#, "c1"),
            (br#"{"customer": 42}"#, "42"),
            (
                br#"{"schema": {"type": "struct"}, "payload": {"customer": "c1"}}"#,
                "c1",
            ),
            (br#"{"schema": {"type": "string"}, "payload": "c1"}"#, "c1"),
            (b"\x04c1", "c1"),
            (b"\x54", "42"),
            (b"\0\0\0\0\x07\x04c1", "c1"),
            (b"\0\0\0\0\x07\x02\x04c1", "c1"),
            (b"\0\0\0\0\x07\x54", "42"),
            (b"\0\0\0\0\x07\"c1\"", "c1"),
        ];
        for (key, value) in keys {
            assert!(is(key, value), "{:?}", key.escape_ascii().to_string());
            assert!(!is(key, "c2"), "{:?}", key.escape_ascii().to_string());
        }
    }

    #[test]
    fn texts_of_keys() {
        let keys: [(&[u8], bool, Option<&str>); 18] = [
            (b"c1", false, Some("c1")),
            (b"604 ", false, Some("604 ")),
            (b"c1", true, Some("c1")),
            (b"42", false, Some("42")),
            ("Zo\u{eb}".as_bytes(), false, Some("Zo\u{eb}")),
            (br#""c1""#, false, Some("c1")),
            (br#"{"id": 42}"#, false, Some("42")),
            (
                br#"{"schema": {"type": "struct"}, "payload": {"id": "c1"}}"#,
                false,
                Some("c1"),
            ),
            (br#"{"a": 1, "b": 2}"#, false, Some(r#"{"a": 1, "b": 2}"#)),
            (&42_i16.to_be_bytes(), false, Some("42")),
            (&(-42_i32).to_be_bytes(), false, Some("-42")),
            (&42_i64.to_be_bytes(), false, Some("42")),
            (b"\0\0\0\0\x07\x04c1", false, Some("117728049")),
            (b"\0\0\0\0\x07\x04c1", true, Some("c1")),
            (b"\0\0\0\0\x07\x06cee", false, Some("cee")),
            (b"\0\0\0\0\x07\x54", true, Some("42")),
            (b"\x08ceef", false, Some("ceef")),
            (b"", false, None),
        ];
        for (key, is_framed, text) in keys {
            let shown = key.escape_ascii().to_string();
            assert_eq!(text_of(key, is_framed).as_deref(), text, "{shown}");
        }
    }

    #[test]
    fn keys_of_something_else() {
        let keys: [&[u8]; 10] = [
            b"",
            b"c",
            b"c11",
            b"C1",
            b" c1",
            br#"{"customer": "c1", "region": "eu"}"#,
            br#"{"customer": ["c1"]}"#,
            br#"{"customer": "c1""#,
            b"\0\0\0\0\x07",
            b"\0\0\0\0\x07\x06c1",
        ];
        for key in keys {
            assert!(!is(key, "c1"), "{:?}", key.escape_ascii().to_string());
        }
    }
}
