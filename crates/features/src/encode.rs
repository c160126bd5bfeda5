//! Numbers and rows as bytes: varints, differences of times, and decimals without their trailing zeros.

use crate::chunk::Rows;
use crate::layout::{HEADER, InputLayout, NumberKind};
use crate::number::{from_ordered, to_ordered};
use compact_str::CompactString;

/// The first byte of everything that is written.
pub(crate) const VERSION: u8 = 1;

/// Bytes that this version did not write, or that were damaged, and what is wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

const TRUNCATED: Malformed = Malformed("it ends too early");

pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_unsigned(out, ((number << 1) ^ (number >> 63)) as u64);
}

pub(crate) fn put_wide(out: &mut Vec<u8>, mut number: u128) {
    while number > u128::from(u64::MAX) {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    put_unsigned(out, number as u64);
}

pub(crate) fn put_signed_wide(out: &mut Vec<u8>, number: i128) {
    put_wide(out, ((number << 1) ^ (number >> 127)) as u128);
}

/// A text, or none.
pub(crate) fn put_text(out: &mut Vec<u8>, text: Option<&str>) {
    put_unsigned(out, text.map_or(0, |text| text.len() as u64 + 1));
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
}

/// Reads what the `put` functions wrote.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let (&first, rest) = self.bytes.split_first().ok_or(TRUNCATED)?;
        self.bytes = rest;
        Ok(first)
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, Malformed> {
        u64::try_from(self.wide()?).map_err(|_| Malformed("a number is too large"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        let number = self.unsigned()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(crate) fn wide(&mut self) -> Result<u128, Malformed> {
        let mut number = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            number |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed("a number is too long"))
    }

    pub(crate) fn signed_wide(&mut self) -> Result<i128, Malformed> {
        let number = self.wide()?;
        Ok((number >> 1) as i128 ^ -((number & 1) as i128))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or(TRUNCATED)?;
        self.bytes = rest;
        Ok(*array)
    }

    /// A number of things that take at least one byte each.
    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        let count = self.unsigned()?;
        if count > self.bytes.len() as u64 {
            return Err(TRUNCATED);
        }
        Ok(count as usize)
    }

    pub(crate) fn text(&mut self) -> Result<Option<CompactString>, Malformed> {
        let Some(len) = self.unsigned()?.checked_sub(1) else { return Ok(None) };
        if len > self.bytes.len() as u64 {
            return Err(TRUNCATED);
        }
        let (text, rest) = self.bytes.split_at(len as usize);
        self.bytes = rest;
        let text = CompactString::from_utf8(text).map_err(|_| Malformed("a text is not UTF-8"))?;
        Ok(Some(text))
    }

    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.bytes.is_empty() { Ok(()) } else { Err(Malformed("it is longer than it should be")) }
    }
}

/// Seconds, milliseconds, microseconds.
const UNITS: [i64; 3] = [1_000_000, 1_000, 1];

/// What all numbers of a column can be divided by.
const DIVISORS: [i64; 4] = [1_000_000, 10_000, 100, 1];

/// What all floats of a column can be multiplied with to become integers.
const DECIMALS: [f64; 4] = [1.0, 1e2, 1e4, 1e6];

/// Stands for floats that are no short decimals.
const RAW: u8 = DECIMALS.len() as u8;

/// Appends a sealed chunk.
pub(crate) fn encode_chunk(rows: &Rows, layout: &InputLayout, out: &mut Vec<u8>) {
    out.push(VERSION);
    encode_rows(rows, layout, i64::MIN, out);
}

/// Reads what [`encode_chunk`] wrote.
pub(crate) fn decode_chunk(bytes: &[u8], layout: &InputLayout) -> Result<Rows, Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(Malformed("its format is another version's"));
    }
    let rows = decode_rows(&mut reader, layout)?;
    reader.end()?;
    Ok(rows)
}

/// Appends rows. Ids of entries at or before `forget_ids` are left out.
pub(crate) fn encode_rows(rows: &Rows, layout: &InputLayout, forget_ids: i64, out: &mut Vec<u8>) {
    put_unsigned(out, rows.len() as u64);
    if rows.len() == 0 {
        return;
    }
    let unit = time_unit(rows);
    out.push(unit);
    let unit = UNITS[usize::from(unit)];
    let codecs_at = out.len();
    for (index, column) in layout.numbers.iter().enumerate() {
        let codec = match column.kind {
            NumberKind::Integer => 0,
            NumberKind::Fixed => divisor(rows, HEADER + index),
            NumberKind::Ordered => factor(rows, HEADER + index),
        };
        out.push(codec);
    }
    let mut previous = None;
    for entry in rows.entries() {
        let time = entry.time();
        match previous.replace(time) {
            None => put_signed(out, time / unit),
            Some(earlier) => put_difference(out, time.wrapping_sub(earlier) as u64, unit),
        }
        let id = if time > forget_ids { entry.words[1] as u64 } else { 0 };
        put_flags(out, entry.flags(), id != 0);
        if id != 0 {
            out.extend_from_slice(&id.to_le_bytes());
        }
        for (index, column) in layout.numbers.iter().enumerate() {
            encode_number(entry.words[HEADER + index], column.kind, out[codecs_at + index], out);
        }
        for text in entry.texts {
            put_text(out, text.as_deref());
        }
    }
}

#[inline]
fn put_flags(out: &mut Vec<u8>, flags: u64, has_id: bool) {
    if flags < 0x40 {
        out.push((flags << 1) as u8 | u8::from(has_id));
    } else {
        put_wide(out, u128::from(flags) << 1 | u128::from(has_id));
    }
}

#[inline]
fn put_difference(out: &mut Vec<u8>, difference: u64, unit: i64) {
    const SECONDS: u64 = UNITS[0] as u64;
    let is_seconds = unit == UNITS[0];
    put_unsigned(out, if is_seconds { difference / SECONDS } else { difference / unit as u64 });
}

/// Whether a constant divides all numbers of a column: dividing by a constant is a multiplication.
#[inline]
fn divides<const DIVISOR: i64>(rows: &Rows, word: usize) -> bool {
    rows.entries().all(|entry| entry.words[word] % DIVISOR == 0)
}

/// Index of the largest unit of all times.
fn time_unit(rows: &Rows) -> u8 {
    match () {
        () if divides::<{ UNITS[0] }>(rows, 0) => 0,
        () if divides::<{ UNITS[1] }>(rows, 0) => 1,
        () => 2,
    }
}

/// Index of the largest divisor of a column.
fn divisor(rows: &Rows, word: usize) -> u8 {
    match () {
        () if divides::<{ DIVISORS[0] }>(rows, word) => 0,
        () if divides::<{ DIVISORS[1] }>(rows, word) => 1,
        () if divides::<{ DIVISORS[2] }>(rows, word) => 2,
        () => 3,
    }
}

/// Index of the least factor that makes a column's floats integers.
fn factor(rows: &Rows, word: usize) -> u8 {
    let fits = |&factor: &f64| rows.entries().all(|e| decimal(e.words[word], factor).is_some());
    DECIMALS.iter().position(fits).map_or(RAW, |index| index as u8)
}

#[inline]
fn encode_number(word: i64, kind: NumberKind, codec: u8, out: &mut Vec<u8>) {
    match kind {
        NumberKind::Integer => put_signed(out, word),
        NumberKind::Fixed => put_signed(
            out,
            match codec {
                0 => word / DIVISORS[0],
                1 => word / DIVISORS[1],
                2 => word / DIVISORS[2],
                _ => word,
            },
        ),
        NumberKind::Ordered if codec == RAW => out.extend_from_slice(&word.to_le_bytes()),
        NumberKind::Ordered => {
            let number = decimal(word, DECIMALS[usize::from(codec)]);
            put_signed(out, number.expect("the codec fits all numbers of the column"));
        }
    }
}

/// The float times `factor`, if dividing that integer by `factor` gives exactly the float again.
#[inline]
fn decimal(ordered: i64, factor: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let value = from_ordered(ordered);
    let scaled = (value * factor).round_ties_even();
    (scaled.abs() < EXACT && scaled / factor == value).then_some(scaled as i64)
}

/// Reads what [`encode_rows`] wrote.
pub(crate) fn decode_rows(reader: &mut Reader<'_>, layout: &InputLayout) -> Result<Rows, Malformed> {
    let mut rows = Rows::new(layout);
    let len = reader.count()?;
    if len == 0 {
        return Ok(rows);
    }
    let unit = *UNITS.get(usize::from(reader.byte()?)).ok_or(Malformed("its unit of time is unknown"))?;
    let codecs = layout.numbers.iter().map(|_| reader.byte()).collect::<Result<Vec<u8>, _>>()?;
    rows.reserve(len);
    let mut words = vec![0; layout.stride()];
    let mut texts = Vec::with_capacity(layout.texts.len());
    let mut previous = None;
    for _ in 0..len {
        let time = read_time(reader, previous, unit)?;
        previous = Some(time);
        let flags = reader.wide()?;
        let id = if flags & 1 == 1 { u64::from_le_bytes(reader.array()?) } else { 0 };
        words[..HEADER].copy_from_slice(&[time, id as i64, (flags >> 1) as u64 as i64]);
        for (index, column) in layout.numbers.iter().enumerate() {
            words[HEADER + index] = decode_number(reader, column.kind, codecs[index])?;
        }
        for _ in &layout.texts {
            texts.push(reader.text()?);
        }
        rows.push(&words, texts.drain(..));
    }
    Ok(rows)
}

fn read_time(reader: &mut Reader<'_>, previous: Option<i64>, unit: i64) -> Result<i64, Malformed> {
    const TOO_LARGE: Malformed = Malformed("a time is too large");
    let Some(previous) = previous else {
        return reader.signed()?.checked_mul(unit).ok_or(TOO_LARGE);
    };
    let difference = reader.unsigned()?.checked_mul(unit as u64).ok_or(TOO_LARGE)?;
    previous.checked_add_unsigned(difference).ok_or(TOO_LARGE)
}

#[inline]
fn decode_number(reader: &mut Reader<'_>, kind: NumberKind, codec: u8) -> Result<i64, Malformed> {
    const UNKNOWN: Malformed = Malformed("the form of its numbers is unknown");
    match kind {
        NumberKind::Integer => reader.signed(),
        NumberKind::Fixed => {
            let divisor = DIVISORS.get(usize::from(codec)).ok_or(UNKNOWN)?;
            reader.signed()?.checked_mul(*divisor).ok_or(Malformed("a number is too large"))
        }
        NumberKind::Ordered if codec == RAW => Ok(i64::from_le_bytes(reader.array()?)),
        NumberKind::Ordered => {
            let factor = DECIMALS.get(usize::from(codec)).ok_or(UNKNOWN)?;
            to_ordered(reader.signed()? as f64 / factor).map_err(|_| UNKNOWN)
        }
    }
}
