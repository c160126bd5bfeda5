//! Fields in one line, and a generator of random numbers from a seed.

use riskstream_events::{
    DecodeError, Field, InputFields, Pseudonymizer, ReasonCode, Row, TimestampUnit, Value, ValueType,
};

/// An optional field at a path with dots, in the slot of its position.
pub fn field(path: &str, value_type: ValueType) -> Field {
    Field::at(path, value_type, 0)
}

/// The same, required.
pub fn required(path: &str, value_type: ValueType) -> Field {
    Field {
        required: true,
        ..field(path, value_type)
    }
}

/// A timestamp whose numbers are in this unit.
pub fn time_in(path: &str, unit: TimestampUnit) -> Field {
    Field {
        timestamp_unit: Some(unit),
        ..field(path, ValueType::Timestamp)
    }
}

/// A text that is personal data.
pub fn personal(path: &str) -> Field {
    Field {
        personal: true,
        ..field(path, ValueType::Text)
    }
}

/// Fields in slots 0, 1, …
pub fn fields(fields: Vec<Field>) -> InputFields {
    let numbered = fields
        .into_iter()
        .enumerate()
        .map(|(slot, field)| Field { slot, ..field });
    InputFields::new(numbered.collect(), Some(Pseudonymizer::new(b"secret"))).unwrap()
}

/// The outcome of decoding, for tables: the row's values or the reason code.
pub fn outcome(decode: impl FnOnce(&mut Row) -> Result<(), DecodeError>) -> Result<Vec<Value>, ReasonCode> {
    let mut row = vec![Value::Int(-77)];
    match decode(&mut row) {
        Ok(()) => Ok(row),
        Err(error) => Err(error.code().expect("no registry is involved")),
    }
}

pub fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// An integer of any magnitude.
    pub fn integer(&mut self) -> i64 {
        let shift = self.below(64);
        self.next() as i64 >> shift
    }

    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| self.next() as u8).collect()
    }

    pub fn text(&mut self) -> String {
        let most = if self.once_in(4) { 60 } else { 8 };
        let length = self.below(most);
        (0..length)
            .map(|_| *self.pick(&['a', 'Z', '0', ' ', '"', '\\', '\n', 'é', '漢', '😀']))
            .collect()
    }

    /// Damages bytes in one of the ways that bytes get damaged.
    pub fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        match self.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, self.next() as u8),
            2 => {
                let end = (at + self.below(8)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => {
                let extreme = *self.pick(&[0, 1, 0x7f, 0x80, 0xfe, 0xff]);
                bytes.splice(
                    at..(at + 1).min(bytes.len()),
                    std::iter::repeat_n(extreme, self.below(12)),
                );
            }
            4 => {
                let copy = bytes[at..(at + 9).min(bytes.len())].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
        }
    }
}
