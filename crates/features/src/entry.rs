//! One event as the log stores it: numbers in words, and texts.

use crate::cell::Cell;
use crate::layout::{Column, HEADER, InputLayout, NumberKind};
use crate::number::{Stored, to_ordered};
use crate::spec::ValueReason;
use compact_str::CompactString;
use riskstream_events::{Row, Slot, Value};
use xxhash_rust::xxh3::xxh3_64;

/// An entry of the log, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// Event time, id hash, flags, number columns.
    pub(crate) words: &'a [i64],
    pub(crate) texts: &'a [Option<CompactString>],
}

impl Entry<'_> {
    #[inline]
    pub(crate) fn time(&self) -> i64 {
        self.words[0]
    }

    /// The id's hash, 0 if there is none.
    #[inline]
    pub(crate) fn id(&self) -> u64 {
        self.words[1] as u64
    }

    #[inline]
    pub(crate) fn flags(&self) -> u64 {
        self.words[2] as u64
    }

    /// Whether the entry has all flags of `mask`.
    #[inline]
    pub(crate) fn meets(&self, mask: u64) -> bool {
        self.flags() & mask == mask
    }

    #[inline]
    pub(crate) fn cell(&self, column: Column) -> Cell {
        match column {
            Column::Word(word) => Cell::Word(self.words[word]),
            Column::Text(text) => Cell::Text(self.texts[text].clone().unwrap_or_default()),
        }
    }
}

/// A buffer for encoding or decoding an entry. Its memory is reused.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryBuffer {
    pub(crate) words: Vec<i64>,
    pub(crate) texts: Vec<Option<CompactString>>,
    /// Whether the row that was read has a number that the entry does not have, or only as 0.
    pub(crate) is_inexact: bool,
}

impl EntryBuffer {
    #[inline]
    pub(crate) fn entry(&self) -> Entry<'_> {
        Entry {
            words: &self.words,
            texts: &self.texts,
        }
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.words.clear();
        self.texts.clear();
        self.is_inexact = false;
    }

    /// Reads from a row what the log stores. Numbers that cannot be aggregated are left out, as nulls are.
    pub(crate) fn read(&mut self, layout: &InputLayout, row: &Row) -> Result<(), (Slot, ValueReason)> {
        self.clear();
        let time = match row[layout.event_time] {
            Value::Timestamp(time) | Value::Int(time) => time,
            Value::Null => return Err((layout.event_time, ValueReason::Missing)),
            _ => return Err((layout.event_time, ValueReason::WrongType)),
        };
        let id = layout.id.map_or(0, |slot| id_hash(&row[slot]));
        let mut flags = 0;
        for (index, condition) in layout.conditions.iter().enumerate() {
            flags |= u64::from(condition.is_true(row)) << index;
        }
        self.words.extend([time, id as i64, 0]);
        for column in &layout.numbers {
            let stored = number(&row[column.slot], column.kind).map_err(|reason| (column.slot, reason))?;
            flags |= if stored.word.is_some() { column.present } else { 0 };
            self.words.push(stored.word.unwrap_or(0));
            self.is_inexact |= stored.is_inexact;
        }
        for column in &layout.texts {
            let text = match &row[column.slot] {
                Value::Text(text) => Some(text.clone()),
                Value::Null => None,
                _ => return Err((column.slot, ValueReason::WrongType)),
            };
            flags |= if text.is_some() { column.present } else { 0 };
            self.texts.push(text);
        }
        self.words[HEADER - 1] = flags as i64;
        Ok(())
    }
}

#[inline]
fn number(value: &Value, kind: NumberKind) -> Result<Stored, ValueReason> {
    Ok(match (kind, value) {
        (_, Value::Null) => Stored::ABSENT,
        (NumberKind::Integer, Value::Int(number) | Value::Timestamp(number)) => Stored::exact(*number),
        (NumberKind::Integer, Value::Bool(truth)) => Stored::exact(i64::from(*truth)),
        (NumberKind::Fixed(precision), Value::Float(number)) => precision.fixed(*number),
        (NumberKind::Fixed(precision), Value::Int(number)) => precision.fixed(*number as f64),
        (NumberKind::Ordered, Value::Float(number)) => to_ordered(*number),
        (NumberKind::Ordered, Value::Int(number)) => to_ordered(*number as f64),
        _ => return Err(ValueReason::WrongType),
    })
}

/// The hash by which an id is stored; never 0, which stands for no id. 42 and "42" are the same id.
pub(crate) fn id_hash(id: &Value) -> u64 {
    match id {
        Value::Text(text) => text_id_hash(text),
        Value::Int(number) => {
            let mut digits = [0; 20];
            text_id_hash(decimal(*number, &mut digits))
        }
        _ => 0,
    }
}

pub(crate) fn text_id_hash(id: &str) -> u64 {
    xxh3_64(id.as_bytes()).max(1)
}

fn decimal(number: i64, digits: &mut [u8; 20]) -> &str {
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    std::str::from_utf8(&digits[at..]).expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// State in stores holds these: XXH3-64, without a seed.
    #[test]
    fn the_hash_of_an_id_never_changes() {
        assert_eq!(text_id_hash(""), 0x2d06_8005_38d3_94c2);
        assert_eq!(text_id_hash("tx-0000000001"), 0x8b19_95b4_a70b_25b9);
    }

    #[test]
    fn an_integer_id_and_its_text_are_the_same() {
        for number in [0, 1, -1, 42, 1_000_000, i64::MAX, i64::MIN] {
            assert_eq!(
                id_hash(&Value::Int(number)),
                id_hash(&Value::Text(number.to_string().into()))
            );
        }
        assert_eq!(id_hash(&Value::Null), 0);
    }
}
