//! What the rows of a reference table are found by: a value, a range of numbers, or an IP network.

use compact_str::ToCompactString;
use riskstream_events::Value;
use riskstream_events::ip::{AddressBits, address_bits, network_range};
use sha2::{Digest as _, Sha256};
use std::cmp::{Ordering, Reverse};

/// How a value finds its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKeys {
    /// The row has the same value.
    Exact,
    /// The number lies in the row's range, both ends included.
    Range,
    /// The address lies in the row's network; of several the one with the longest prefix.
    Network,
}

/// The key of a row: all places from the first to the last. Of texts, the place is the first half of their SHA-256; of
/// numbers and addresses their order is that of the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowKey {
    /// Whether these are addresses of IPv6, which lie apart from all other places.
    pub(crate) is_v6: bool,
    pub(crate) first: u128,
    pub(crate) last: u128,
}

/// By first place. Of those that begin together the larger comes first, so that a key stands behind those that enclose it.
impl Ord for RowKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |key: &Self| (key.is_v6, key.first, Reverse(key.last));
        place(self).cmp(&place(other))
    }
}

impl PartialOrd for RowKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A text that is no key of a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowKeyError {
    /// There is none.
    #[error("the key is empty")]
    Empty,
    /// An end of a range is no whole number.
    #[error("an end of the range is no whole number of at most 38 digits")]
    NotANumber,
    /// The range ends before it begins.
    #[error("the range ends before it begins")]
    Reversed,
    /// It is no network.
    #[error("it is no network: {0}")]
    NotANetwork(String),
}

/// The key of the row of a value.
///
/// # Errors
/// The text is empty.
pub fn exact_key(text: &str) -> Result<RowKey, RowKeyError> {
    if text.is_empty() {
        return Err(RowKeyError::Empty);
    }
    let place = place_of_text(text);
    Ok(RowKey {
        is_v6: false,
        first: place,
        last: place,
    })
}

/// The key of the row of a range, whose ends belong to it. Blanks around the ends do not count.
///
/// # Errors
/// An end is no number, or the range ends before it begins.
pub fn range_key(first: &str, last: &str) -> Result<RowKey, RowKeyError> {
    if first.is_empty() && last.is_empty() {
        return Err(RowKeyError::Empty);
    }
    let end = |text: &str| place_of_number(text.trim()).ok_or(RowKeyError::NotANumber);
    let (first, last) = (end(first)?, end(last)?);
    match first <= last {
        true => Ok(RowKey {
            is_v6: false,
            first,
            last,
        }),
        false => Err(RowKeyError::Reversed),
    }
}

/// The key of the row of a network, such as `192.0.2.0/24` or `2001:db8::/32`. Blanks around it do not count.
///
/// # Errors
/// The text is no network.
pub fn network_key(text: &str) -> Result<RowKey, RowKeyError> {
    if text.is_empty() {
        return Err(RowKeyError::Empty);
    }
    let ((is_v6, first), (_, last)) = network_range(text.trim()).map_err(RowKeyError::NotANetwork)?;
    Ok(RowKey { is_v6, first, last })
}

/// Pairs of keys that have a place in common, as indices in the order in which they are given. Each key is in at most one
/// pair as the later one.
pub fn overlapping(keys: &[RowKey]) -> Vec<(usize, usize)> {
    conflicts(keys, |before, key| {
        before.is_v6 == key.is_v6 && key.first <= before.last
    })
}

/// Pairs of equal keys, as [`overlapping`].
pub fn repeated(keys: &[RowKey]) -> Vec<(usize, usize)> {
    conflicts(keys, |before, key| before == key)
}

/// Compares each key in order with the one before it that reaches furthest.
fn conflicts(keys: &[RowKey], is_conflict: impl Fn(&RowKey, &RowKey) -> bool) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|at| keys[*at]);
    let mut found = Vec::new();
    let mut before: Option<usize> = None;
    for at in order {
        match before {
            Some(other) if is_conflict(&keys[other], &keys[at]) => {
                found.push((at.min(other), at.max(other)));
                if keys[at].last > keys[other].last {
                    before = Some(at);
                }
            }
            _ => before = Some(at),
        }
    }
    found.sort_unstable();
    found
}

impl RowKeys {
    /// The place of a value among the keys, with whether it is of IPv6. `None` if it has none: null, or a text that is no
    /// number or no address where one is looked for.
    pub(crate) fn place(self, value: &Value) -> Option<AddressBits> {
        match (self, value) {
            (RowKeys::Exact, Value::Text(text)) => Some((false, place_of_text(text))),
            (RowKeys::Exact, Value::Int(number)) => Some((false, place_of_text(&number.to_compact_string()))),
            (RowKeys::Range, Value::Int(number)) => Some((false, ordered((*number).into()))),
            (RowKeys::Range, Value::Text(text)) => Some((false, place_of_number(text)?)),
            (RowKeys::Network, Value::Text(text)) => address_bits(text),
            _ => None,
        }
    }
}

fn place_of_text(text: &str) -> u128 {
    let digest = Sha256::digest(text);
    u128::from_be_bytes(*digest.first_chunk().expect("SHA-256 has 32 bytes"))
}

fn place_of_number(text: &str) -> Option<u128> {
    text.parse::<i128>().ok().map(ordered)
}

/// The same order among numbers without a sign.
fn ordered(number: i128) -> u128 {
    number as u128 ^ (1 << 127)
}
