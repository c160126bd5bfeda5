//! A label in the state of the first stage, as bytes. Values are written with the names of their slots: another version of the
//! pipeline file, with other slots, reads what it knows of them.

use riskstream_engine::Event;
use riskstream_engine::plan::{CANONICAL, Plan};
use riskstream_events::varint::{VarintError, read_signed, read_unsigned, write_signed, write_unsigned};
use riskstream_events::{Flags, Slot, Value, ValueType};
use riskstream_features::state::StateError;
use std::collections::HashMap;

/// The number of the format, the first byte of each label.
const VERSION: u8 = 1;

const BOOL: u8 = 0;
const INT: u8 = 1;
const FLOAT: u8 = 2;
const TEXT: u8 = 3;
const TIMESTAMP: u8 = 4;

/// Writes and reads labels of a plan.
pub(crate) struct LabelFormat {
    /// The slots that a label carries.
    carried: Vec<(String, Slot)>,
    by_name: HashMap<String, (Slot, ValueType)>,
    width: usize,
}

impl LabelFormat {
    /// The form of labels in the state of `stage`.
    pub(crate) fn new(plan: &Plan, stage: usize) -> LabelFormat {
        let carries = &plan.stages[stage].carries;
        // A field may have the name of a canonical slot.
        let name = |slot: Slot| match CANONICAL.iter().find(|(canonical, ..)| *canonical == slot) {
            Some((_, name, _)) => format!("#{name}"),
            None => plan.slots[slot].name.clone(),
        };
        LabelFormat {
            carried: carries.iter().map(|&(slot, _)| (name(slot), slot)).collect(),
            by_name: carries.iter().map(|&(slot, of)| (name(slot), (slot, of))).collect(),
            width: plan.slots.len(),
        }
    }

    /// Appends a label.
    pub(crate) fn write(&self, label: &Event, out: &mut Vec<u8>) {
        out.extend([VERSION, label.input]);
        write_unsigned(u64::from(label.flags.0), out);
        for (name, slot) in &self.carried {
            let value = &label.row[*slot];
            // An input has no lists.
            if !matches!(value, Value::Null | Value::List(_)) {
                write_text(name, out);
                write_value(value, out);
            }
        }
    }

    /// Reads what [`LabelFormat::write`] wrote. Values that this plan does not carry, or carries as another type, are left out.
    ///
    /// # Errors
    /// Another version wrote it, or it is damaged.
    pub(crate) fn read(&self, bytes: &[u8]) -> Result<Event, StateError> {
        let (&[version, input], mut rest) = bytes.split_first_chunk().ok_or(damaged("it ends too early"))?;
        if version != VERSION {
            return Err(damaged(
                "another version wrote it, in another format: move the state away to rebuild it from the log",
            ));
        }
        let flags = read_number(&mut rest, read_unsigned)?;
        let flags = u16::try_from(flags).map_err(|_| damaged("its flags are unknown"))?;
        let mut row = vec![Value::Null; self.width];
        while !rest.is_empty() {
            let name = read_text(&mut rest)?;
            let value = read_value(&mut rest)?;
            if let Some(&(slot, of)) = self.by_name.get(name)
                && value.value_type() == Some(of)
            {
                row[slot] = value;
            }
        }
        if CANONICAL[..2].iter().any(|(slot, ..)| row[*slot].is_null()) {
            return Err(damaged("it has no id or no event time"));
        }
        Ok(Event {
            input,
            watermark: i64::MIN,
            flags: Flags(flags),
            row,
        })
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_unsigned(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Bool(truth) => out.extend([BOOL, u8::from(*truth)]),
        Value::Int(number) => {
            out.push(INT);
            write_signed(*number, out);
        }
        Value::Float(number) => {
            out.push(FLOAT);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Text(text) => {
            out.push(TEXT);
            write_text(text, out);
        }
        Value::Timestamp(time) => {
            out.push(TIMESTAMP);
            write_signed(*time, out);
        }
        Value::Null | Value::List(_) => unreachable!("the caller leaves them out"),
    }
}

fn read_value(bytes: &mut &[u8]) -> Result<Value, StateError> {
    Ok(match split(bytes, 1)?[0] {
        BOOL => Value::Bool(split(bytes, 1)?[0] != 0),
        INT => Value::Int(read_number(bytes, read_signed)?),
        FLOAT => {
            let number = split(bytes, 8)?.first_chunk().copied().unwrap_or_default();
            Value::Float(f64::from_le_bytes(number))
        }
        TEXT => Value::Text(read_text(bytes)?.into()),
        TIMESTAMP => Value::Timestamp(read_number(bytes, read_signed)?),
        _ => return Err(damaged("a value is of an unknown type")),
    })
}

fn read_text<'a>(bytes: &mut &'a [u8]) -> Result<&'a str, StateError> {
    let len = read_number(bytes, read_unsigned)?;
    let text = split(bytes, usize::try_from(len).unwrap_or(usize::MAX))?;
    std::str::from_utf8(text).map_err(|_| damaged("a text is not UTF-8"))
}

fn read_number<T>(
    bytes: &mut &[u8],
    read: impl Fn(&[u8], &mut usize) -> Result<T, VarintError>,
) -> Result<T, StateError> {
    let mut at = 0;
    let number = read(bytes, &mut at).map_err(|_| damaged("a number is cut off or too long"))?;
    *bytes = &bytes[at..];
    Ok(number)
}

fn split<'a>(bytes: &mut &'a [u8], at: usize) -> Result<&'a [u8], StateError> {
    let (first, rest) = bytes.split_at_checked(at).ok_or(damaged("it ends too early"))?;
    *bytes = rest;
    Ok(first)
}

/// Splits labels that were written one after the other, each behind its length.
pub(crate) fn split_label<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], StateError> {
    let len = read_number(bytes, read_unsigned)?;
    split(bytes, usize::try_from(len).unwrap_or(usize::MAX))
}

pub(crate) fn damaged(why: &str) -> StateError {
    StateError::Corrupt {
        what: "a waiting label".into(),
        why: why.into(),
    }
}
