//! The encoding of numbers and entries: varints, differences of times, and decimals without trailing zeros.

use crate::entry::{Entry, EntryBuffer};
use crate::layout::{HEADER, InputLayout, NumberKind};
use crate::number::{from_ordered, to_ordered};
use compact_str::CompactString;

/// The number of the format: the first byte of every value in the store.
pub(crate) const VERSION: u8 = 2;

/// Why a value whose first byte is another number is refused.
pub(crate) const OTHER_VERSION: Malformed =
    Malformed("another version wrote it, in another format: move the state away to rebuild it from the log");

/// Why windows are refused whose edges do not lie in the entity's log.
pub(crate) const OUTSIDE: Malformed = Malformed("a window lies outside the log");

/// What is wrong with bytes that another version wrote or that are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

const TRUNCATED: Malformed = Malformed("it ends too early");

#[inline]
pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

#[inline]
fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[inline]
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_unsigned(out, zigzag(number));
}

#[inline]
pub(crate) fn put_wide(out: &mut Vec<u8>, mut number: u128) {
    while number > u128::from(u64::MAX) {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    put_unsigned(out, number as u64);
}

/// An integer in two's complement, the least significant word first: without the bytes that only repeat its sign.
pub(crate) fn put_words(out: &mut Vec<u8>, words: &[i64]) {
    let start = out.len() + 1;
    out.push(0);
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    while let [.., before, last] = out[start..] {
        let sign = if before < 0x80 { 0 } else { 0xff };
        if last != sign {
            break;
        }
        out.pop();
    }
    out[start - 1] = (out.len() - start) as u8;
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
        self.unsigned().map(unzigzag)
    }

    #[inline]
    pub(crate) fn wide(&mut self) -> Result<u128, Malformed> {
        if let Some((&first, rest)) = self.bytes.split_first()
            && first < 0x80
        {
            self.bytes = rest;
            return Ok(u128::from(first));
        }
        if let Some(word) = self.bytes.first_chunk() {
            let word = u64::from_le_bytes(*word);
            let last = (!word & 0x8080_8080_8080_8080).trailing_zeros();
            if last < 64 {
                self.bytes = &self.bytes[last as usize / 8 + 1..];
                return Ok(u128::from(join_sevens(word & (u64::MAX >> (63 - last)))));
            }
        }
        self.long()
    }

    #[cold]
    fn long(&mut self) -> Result<u128, Malformed> {
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

    /// Reads what [`put_words`] wrote into words of the same number.
    pub(crate) fn words(&mut self, words: &mut [i64]) -> Result<(), Malformed> {
        let count = usize::from(self.byte()?);
        let bytes = self.bytes(count)?;
        if count > 8 * words.len() {
            return Err(Malformed("a number is too long"));
        }
        let sign = bytes.last().map_or(0, |&last| (last as i8 >> 7) as u8);
        for (index, word) in words.iter_mut().enumerate() {
            let byte = |at| bytes.get(8 * index + at).copied().unwrap_or(sign);
            *word = i64::from_le_bytes(std::array::from_fn(byte));
        }
        Ok(())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or(TRUNCATED)?;
        self.bytes = rest;
        Ok(*array)
    }

    /// A number of items of at least one byte each.
    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        let count = self.unsigned()?;
        if count > self.bytes.len() as u64 {
            return Err(TRUNCATED);
        }
        Ok(count as usize)
    }

    pub(crate) fn text(&mut self) -> Result<Option<CompactString>, Malformed> {
        let Some(len) = self.unsigned()?.checked_sub(1) else {
            return Ok(None);
        };
        if len > self.bytes.len() as u64 {
            return Err(TRUNCATED);
        }
        let (text, rest) = self.bytes.split_at(len as usize);
        self.bytes = rest;
        let text = CompactString::from_utf8(text).map_err(|_| Malformed("a text is not UTF-8"))?;
        Ok(Some(text))
    }

    /// How many bytes are left.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.bytes.split_at_checked(count).ok_or(TRUNCATED)?;
        self.bytes = rest;
        Ok(bytes)
    }

    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(Malformed("it is longer than it should be"))
        }
    }
}

/// Seconds, milliseconds, microseconds: a difference of times is written in the largest that divides it.
const UNITS: [u64; 3] = [1_000_000, 1_000, 1];

/// Fixed point is written without the largest of these that divides it.
const DIVISORS: [i64; 4] = [1_000_000, 10_000, 100, 1];

/// Floats are written as the integers that the least of these makes of them.
const DECIMALS: [f64; 4] = [1.0, 1e2, 1e4, 1e6];

/// Appends an entry. `previous` is the time of the entry before, or the entry's own if it is a chunk's first. An entry can
/// only be decoded after those before it.
#[inline]
pub(crate) fn put_entry(out: &mut Vec<u8>, layout: &InputLayout, previous: i64, entry: Entry<'_>) {
    put_difference(out, entry.time().wrapping_sub(previous) as u64);
    let id = entry.id();
    let flags = entry.flags();
    put_wide(out, u128::from(flags) << 1 | u128::from(id != 0));
    if id != 0 {
        out.extend_from_slice(&id.to_le_bytes());
    }
    for (column, &word) in layout.numbers.iter().zip(&entry.words[HEADER..]) {
        if flags & column.present != 0 {
            put_number(out, column.kind, word);
        }
    }
    for text in entry.texts {
        put_text(out, text.as_deref());
    }
}

#[inline]
fn put_difference(out: &mut Vec<u8>, difference: u64) {
    let (unit, count) = match difference {
        _ if difference.is_multiple_of(UNITS[0]) => (0, difference / UNITS[0]),
        _ if difference.is_multiple_of(UNITS[1]) => (1, difference / UNITS[1]),
        _ => (2, difference),
    };
    put_wide(out, u128::from(count) << 2 | unit);
}

#[inline]
fn put_number(out: &mut Vec<u8>, kind: NumberKind, word: i64) {
    match kind {
        NumberKind::Integer => put_signed(out, word),
        NumberKind::Fixed(_) => {
            let (divisor, quotient) = match word {
                _ if word % DIVISORS[0] == 0 => (0, word / DIVISORS[0]),
                _ if word % DIVISORS[1] == 0 => (1, word / DIVISORS[1]),
                _ if word % DIVISORS[2] == 0 => (2, word / DIVISORS[2]),
                _ => (3, word),
            };
            put_wide(out, u128::from(zigzag(quotient)) << 2 | divisor);
        }
        NumberKind::Ordered => {
            let fits = |(index, &factor): (usize, &f64)| Some((index, decimal(word, factor)?));
            match DECIMALS.iter().enumerate().find_map(fits) {
                Some((index, number)) => put_unsigned(out, zigzag(number) << 3 | (index as u64 + 1)),
                None => {
                    out.push(0);
                    out.extend_from_slice(&word.to_le_bytes());
                }
            }
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

/// The low seven bits of each byte, joined.
#[inline]
fn join_sevens(word: u64) -> u64 {
    let word = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let word = (word & 0x0000_3fff_0000_3fff) | (word & 0x3fff_0000_3fff_0000) >> 2;
    (word & 0x0fff_ffff) | (word & 0x0fff_ffff_0000_0000) >> 4
}

/// The part of an entry that every log has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) time: i64,
    pub(crate) flags: u64,
    /// The id's hash, 0 if there is none.
    pub(crate) id: u64,
}

impl Reader<'_> {
    /// The time of the next entry.
    #[inline]
    pub(crate) fn time(&mut self, previous: i64) -> Result<i64, Malformed> {
        const TOO_LARGE: Malformed = Malformed("a time is too large");
        let number = self.wide()?;
        let unit = *UNITS
            .get((number & 3) as usize)
            .ok_or(Malformed("a unit of time is unknown"))?;
        let difference = u64::try_from(number >> 2)
            .ok()
            .and_then(|count| count.checked_mul(unit));
        previous
            .checked_add_unsigned(difference.ok_or(TOO_LARGE)?)
            .ok_or(TOO_LARGE)
    }

    /// The beginning of an entry; [`Reader::values`] or [`Reader::skip_values`] must follow.
    #[inline]
    pub(crate) fn header(&mut self, previous: i64) -> Result<Header, Malformed> {
        let time = self.time(previous)?;
        let flags = self.wide()?;
        let id = if flags & 1 == 1 {
            u64::from_le_bytes(self.array()?)
        } else {
            0
        };
        Ok(Header {
            time,
            flags: (flags >> 1) as u64,
            id,
        })
    }

    /// The rest of an entry; makes `entry` hold all of it.
    #[inline]
    pub(crate) fn values(
        &mut self,
        layout: &InputLayout,
        header: Header,
        entry: &mut EntryBuffer,
    ) -> Result<(), Malformed> {
        let Header { time, flags, id } = header;
        entry.words.resize(layout.stride(), 0);
        let (fixed, numbers) = entry.words.split_at_mut(HEADER);
        fixed.copy_from_slice(&[time, id as i64, flags as i64]);
        for (column, word) in layout.numbers.iter().zip(numbers) {
            let present = flags & column.present != 0;
            *word = if present { self.number(column.kind)? } else { 0 };
        }
        entry.texts.clear();
        for _ in &layout.texts {
            entry.texts.push(self.text()?);
        }
        Ok(())
    }

    /// Reads what [`put_entry`] wrote into `entry`.
    #[inline]
    pub(crate) fn entry(
        &mut self,
        layout: &InputLayout,
        previous: i64,
        entry: &mut EntryBuffer,
    ) -> Result<(), Malformed> {
        let header = self.header(previous)?;
        self.values(layout, header, entry)
    }

    /// Skips the rest of an entry.
    #[inline]
    pub(crate) fn skip_values(&mut self, layout: &InputLayout, header: Header) -> Result<(), Malformed> {
        for column in layout
            .numbers
            .iter()
            .filter(|column| header.flags & column.present != 0)
        {
            let is_raw = self.wide()? == 0 && column.kind == NumberKind::Ordered;
            if is_raw {
                self.bytes(size_of::<i64>())?;
            }
        }
        for _ in &layout.texts {
            if let Some(len) = self.unsigned()?.checked_sub(1) {
                self.bytes(usize::try_from(len).unwrap_or(usize::MAX))?;
            }
        }
        Ok(())
    }

    #[inline]
    fn number(&mut self, kind: NumberKind) -> Result<i64, Malformed> {
        const TOO_LARGE: Malformed = Malformed("a number is too large");
        match kind {
            NumberKind::Integer => self.signed(),
            NumberKind::Fixed(_) => {
                let number = self.wide()?;
                let quotient = u64::try_from(number >> 2).map_err(|_| TOO_LARGE)?;
                unzigzag(quotient)
                    .checked_mul(DIVISORS[(number & 3) as usize])
                    .ok_or(TOO_LARGE)
            }
            NumberKind::Ordered => {
                let number = self.unsigned()?;
                let Some(index) = (number & 7).checked_sub(1) else {
                    return Ok(i64::from_le_bytes(self.array()?));
                };
                let factor = DECIMALS.get(index as usize).ok_or(Malformed("a factor is unknown"))?;
                to_ordered(unzigzag(number >> 3) as f64 / factor).word.ok_or(TOO_LARGE)
            }
        }
    }
}
