//! The records of a list's topic: the key is that of the entry, the value a JSON object (schemas/list-entry.schema.json). A
//! record without a value removes the entry.

use crate::entry::Entry;
use compact_str::CompactString;
use riskstream_events::{is_pseudonym, time};
use serde::{Deserialize, Serialize};

/// Bytes of an entry's text at most, and of its key.
pub const MAX_TEXT: usize = 1024;

/// What the keys of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Values as they are.
    Clear,
    /// Pseudonyms of the values of a personal field.
    Pseudonyms,
}

/// What a record does to a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryChange {
    /// The key of the entry.
    pub key: CompactString,
    /// The entry; `None` removes it.
    pub entry: Option<Entry>,
}

/// Why a record cannot be used. The texts name no key and no value: they may be personal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There is no key.
    #[error("it has no key, or one that is empty or not in UTF-8")]
    NoKey,
    /// The key is in clear.
    #[error("its key is no pseudonym, which the keys of this list are: write it with `riskstream lists`")]
    ClearKey,
    /// The value has another form.
    #[error("its value is not as schemas/list-entry.schema.json says")]
    Form,
    /// The key of a row is no range, or spelt in another way.
    #[error("its key is no range of whole numbers as in 400000-400099, without zeros in front and blanks")]
    Range,
    /// The key of a row is no network, or spelt in another way.
    #[error("its key is no network as in 192.0.2.0/24 or 2001:db8::/32, in small letters and as short as it can be")]
    Network,
    /// The value is no row.
    #[error("its value is no row of the table: {0}")]
    Row(String),
    /// A time cannot be read.
    #[error("its `until` is no time in RFC 3339, such as 2026-12-31T00:00:00Z")]
    Until,
    /// A text is too long.
    #[error("its key or one of its texts has more than {MAX_TEXT} bytes")]
    TooLong,
}

/// The value of a record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Scalar>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// A text, or a number or boolean, which stands for its text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Bool(bool),
    Number(serde_json::Number),
}

/// Reads a record of a list with these keys.
///
/// # Errors
/// It cannot be used, for this reason. The list stays as it is.
pub fn read_change(key: Option<&[u8]>, value: Option<&[u8]>, keys: Keys) -> Result<EntryChange, Unusable> {
    let key = key.and_then(|key| std::str::from_utf8(key).ok());
    let key = key.filter(|key| !key.is_empty()).ok_or(Unusable::NoKey)?;
    if key.len() > MAX_TEXT {
        return Err(Unusable::TooLong);
    }
    if keys == Keys::Pseudonyms && !is_pseudonym(key) {
        return Err(Unusable::ClearKey);
    }
    Ok(EntryChange {
        key: key.into(),
        entry: value.map(read_entry).transpose()?,
    })
}

fn read_entry(value: &[u8]) -> Result<Entry, Unusable> {
    // serde would also take an array with the fields in order.
    if value.trim_ascii_start().first() != Some(&b'{') {
        return Err(Unusable::Form);
    }
    let document: Document = serde_json::from_slice(value).map_err(|_| Unusable::Form)?;
    let until = document.until.map(|text| time::parse(&text).ok_or(Unusable::Until));
    let entry = Entry {
        value: document.value.map(|value| match value {
            Scalar::Text(text) => text.into(),
            Scalar::Bool(value) => if value { "true" } else { "false" }.into(),
            Scalar::Number(number) => CompactString::from(number.to_string()),
        }),
        reason: document.reason.map(CompactString::from),
        author: document.author.map(CompactString::from),
        until: until.transpose()?,
    };
    let texts = [&entry.value, &entry.reason, &entry.author];
    if texts.into_iter().flatten().any(|text| text.len() > MAX_TEXT) {
        return Err(Unusable::TooLong);
    }
    Ok(entry)
}

/// The value of the record that puts an entry on a list.
pub fn write_entry(entry: &Entry) -> Vec<u8> {
    let text = |text: &Option<CompactString>| text.as_ref().map(|text| text.to_string());
    let document = Document {
        value: entry.value.as_ref().map(|value| Scalar::Text(value.to_string())),
        reason: text(&entry.reason),
        author: text(&entry.author),
        until: entry.until.map(|until| {
            let mut text = Vec::new();
            time::write(until, &mut text);
            String::from_utf8_lossy(&text).into_owned()
        }),
    };
    serde_json::to_vec(&document).expect("texts are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, value: &str) -> Result<EntryChange, Unusable> {
        read_change(Some(key.as_bytes()), Some(value.as_bytes()), Keys::Clear)
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for entry in [
            Entry::default(),
            Entry {
                value: Some("10".into()),
                reason: Some("stolen \"twice\"".into()),
                author: Some("jane@bank".into()),
                until: Some(1_798_761_600_000_000),
            },
        ] {
            let value = write_entry(&entry);
            let change = read_change(Some(b"4711"), Some(&value), Keys::Clear).unwrap();
            assert_eq!((&*change.key, change.entry), ("4711", Some(entry)));
        }
    }

    #[test]
    fn other_clients_may_write_numbers_and_any_offset() {
        let entry = read("k", r#"{"value": 12.5, "until": "2027-01-01T01:00:00+01:00"}"#)
            .unwrap()
            .entry
            .unwrap();
        assert_eq!(entry.value.as_deref(), Some("12.5"));
        assert_eq!(entry.until, Some(1_798_761_600_000_000));
        let flag = read("k", r#"{"value": true, "reason": null}"#).unwrap().entry.unwrap();
        assert_eq!((flag.value.as_deref(), flag.reason), (Some("true"), None));
    }

    #[test]
    fn a_record_without_a_value_removes() {
        let change = read_change(Some(b"k"), None, Keys::Clear).unwrap();
        assert_eq!(change.entry, None);
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_its_content() {
        for (key, value, why) in [
            ("", "{}", Unusable::NoKey),
            ("k", "", Unusable::Form),
            ("k", "[]", Unusable::Form),
            ("k", r#"{"untill": "2027-01-01T00:00:00Z"}"#, Unusable::Form),
            ("k", r#"{"reason": 5}"#, Unusable::Form),
            ("k", r#"{"until": "tomorrow"}"#, Unusable::Until),
        ] {
            assert_eq!(read(key, value), Err(why), "{value}");
        }
        let long = format!(r#"{{"reason": "{}"}}"#, "x".repeat(MAX_TEXT + 1));
        assert_eq!(read("k", &long), Err(Unusable::TooLong));
        assert_eq!(read(&"k".repeat(MAX_TEXT + 1), "{}"), Err(Unusable::TooLong));
        assert_eq!(read_change(None, Some(b"{}"), Keys::Clear), Err(Unusable::NoKey));
        assert_eq!(
            read_change(Some(b"\xff"), Some(b"{}"), Keys::Clear),
            Err(Unusable::NoKey)
        );
    }

    #[test]
    fn a_card_in_clear_is_no_key_of_pseudonyms() {
        let read = |key: &str| read_change(Some(key.as_bytes()), Some(b"{}"), Keys::Pseudonyms);
        assert_eq!(read("4000123412341234"), Err(Unusable::ClearKey));
        assert!(read("5bdcc146bf60754e6a042426089575c7").is_ok());
    }
}
