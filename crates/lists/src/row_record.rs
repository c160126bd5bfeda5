//! The records of a table's topic: the key is that of the row, the value a JSON object with its columns. A record without a
//! value removes the row.

use crate::columns::Columns;
use crate::record::{Keys, MAX_TEXT, Unusable};
use crate::row_key::{RowKey, RowKeys, exact_key, network_key, range_key};
use crate::row_table::RowChange;
use riskstream_events::{Value, is_pseudonym};
use std::net::IpAddr;

/// Reads a record of a table whose rows are found in this way, with these keys.
///
/// # Errors
/// It cannot be used, for this reason. The table stays as it is.
pub(crate) fn read_row(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    (keys, of): (RowKeys, Keys),
    columns: &Columns,
) -> Result<RowChange, Unusable> {
    let key = key.and_then(|key| std::str::from_utf8(key).ok());
    let key = key.filter(|key| !key.is_empty()).ok_or(Unusable::NoKey)?;
    if key.len() > MAX_TEXT {
        return Err(Unusable::TooLong);
    }
    Ok(RowChange {
        key: read_key(key, keys, of)?,
        row: value.map(|value| read_values(value, columns)).transpose()?,
    })
}

/// A row has one key only: two records of it with other spellings would be compacted apart, and a copy that reads the topic later
/// would come to another table.
fn read_key(key: &str, keys: RowKeys, of: Keys) -> Result<RowKey, Unusable> {
    match keys {
        RowKeys::Exact if of == Keys::Pseudonyms && !is_pseudonym(key) => Err(Unusable::ClearKey),
        RowKeys::Exact => exact_key(key).map_err(|_| Unusable::NoKey),
        RowKeys::Range => {
            let ends = ends_of_range(key).filter(|(first, last)| is_canonical(first) && is_canonical(last));
            let (first, last) = ends.ok_or(Unusable::Range)?;
            range_key(first, last).map_err(|_| Unusable::Range)
        }
        RowKeys::Network => {
            let (address, length) = key.split_once('/').ok_or(Unusable::Network)?;
            let spelt = address.parse::<IpAddr>().map(|address| address.to_string());
            let length_spelt = length.parse::<u8>().map(|length| length.to_string());
            match spelt.as_deref() == Ok(address) && length_spelt.as_deref() == Ok(length) {
                true => network_key(key).map_err(|_| Unusable::Network),
                false => Err(Unusable::Network),
            }
        }
    }
}

/// The ends of `400000-400099`; the first may have a sign.
fn ends_of_range(key: &str) -> Option<(&str, &str)> {
    let hyphen = 1 + key.get(1..)?.find('-')?;
    Some((&key[..hyphen], &key[hyphen + 1..]))
}

fn is_canonical(number: &str) -> bool {
    number.parse::<i128>().is_ok_and(|value| value.to_string() == number)
}

fn read_values(value: &[u8], columns: &Columns) -> Result<Box<[Value]>, Unusable> {
    let row = columns.read_json(value).map_err(|error| Unusable::Row(error.detail))?;
    let texts = row.iter().filter_map(|value| match value {
        Value::Text(text) => Some(text),
        _ => None,
    });
    match texts.into_iter().any(|text| text.len() > MAX_TEXT) {
        true => Err(Unusable::TooLong),
        false => Ok(row.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use riskstream_events::ValueType;

    fn columns() -> Columns {
        Columns::new([("rate", ValueType::Float), ("source", ValueType::Text)]).unwrap()
    }

    fn read(keys: RowKeys, key: &str, value: &str) -> Result<RowChange, Unusable> {
        let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        read_row(key, value, (keys, Keys::Clear), &columns())
    }

    #[test]
    fn values_are_read_by_their_columns() {
        let row = |value| read(RowKeys::Exact, "EUR", value).map(|change| change.row.unwrap().to_vec());
        let text = |text: &str| Value::Text(text.into());
        for (value, expected) in [
            (r#"{"rate": 0.5, "source": "ECB"}"#, [Value::Float(0.5), text("ECB")]),
            (
                r#"{"source": "ECB", "rate": "0.5", "more": [1]}"#,
                [Value::Float(0.5), text("ECB")],
            ),
            (r#"{"rate": null}"#, [Value::Null, Value::Null]),
            ("{}", [Value::Null, Value::Null]),
        ] {
            assert_eq!(row(value), Ok(expected.to_vec()), "{value}");
        }
        for wrong in ["", "[1]", "1", "{", r#"{"rate": "half"}"#, r#"{"rate": [1]}"#] {
            let error = row(wrong).expect_err(wrong);
            assert!(matches!(&error, Unusable::Row(_)), "{wrong}: {error:?}");
            assert!(!error.to_string().contains("half"), "{error}");
        }
        let long = format!(r#"{{"source": "{}"}}"#, "x".repeat(MAX_TEXT + 1));
        assert_eq!(row(&long), Err(Unusable::TooLong));
        let removed = read_row(Some(b"EUR"), None, (RowKeys::Exact, Keys::Clear), &columns());
        assert_eq!(removed.unwrap().row, None);
    }

    #[test]
    fn a_key_has_one_spelling() {
        for (keys, key) in [
            (RowKeys::Exact, " any text"),
            (RowKeys::Range, "400000-400099"),
            (RowKeys::Range, "-5--1"),
            (RowKeys::Range, "0-0"),
            (RowKeys::Network, "10.0.0.0/8"),
            (RowKeys::Network, "2001:db8::/32"),
            (RowKeys::Network, "::/0"),
        ] {
            assert!(read(keys, key, "{}").is_ok(), "{key}");
        }
        for (keys, key, why) in [
            (RowKeys::Exact, "", Unusable::NoKey),
            (RowKeys::Range, "400000", Unusable::Range),
            (RowKeys::Range, "400000-", Unusable::Range),
            (RowKeys::Range, "-400000", Unusable::Range),
            (RowKeys::Range, "0400000-400099", Unusable::Range),
            (RowKeys::Range, "400000 - 400099", Unusable::Range),
            (RowKeys::Range, "400099-400000", Unusable::Range),
            (RowKeys::Range, "é-1", Unusable::Range),
            (RowKeys::Network, "10.0.0.0", Unusable::Network),
            (RowKeys::Network, "10.0.0.0/08", Unusable::Network),
            (RowKeys::Network, "10.0.0.1/8", Unusable::Network),
            (RowKeys::Network, "2001:DB8::/32", Unusable::Network),
            (RowKeys::Network, "2001:db8:0::/32", Unusable::Network),
        ] {
            assert_eq!(read(keys, key, "{}"), Err(why), "{key}");
        }
        let pseudonyms = (RowKeys::Exact, Keys::Pseudonyms);
        let clear = read_row(Some(b"4000123412341234"), Some(b"{}"), pseudonyms, &columns());
        assert_eq!(clear, Err(Unusable::ClearKey));
        assert_eq!(
            read_row(None, Some(b"{}"), pseudonyms, &columns()),
            Err(Unusable::NoKey)
        );
    }
}
