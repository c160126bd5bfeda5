//! The frame: rows of one source in a record of a repartition topic, in order, with the slots that the next stage needs. Under
//! load hundreds of rows share the fixed cost of a record.
//!
//! ```text
//! frame  = version:u8 live:u8 source:varint watermark:zigzag offset0:zigzag watermark:zigzag row*
//! row    = input:u8 offset:zigzag(delta to the row before) watermark:zigzag(delta to the row before)
//!          flags:varint nulls:bitmap(one bit a slot) value*(those not null)
//! bool   = u8    int = zigzag    float = 8 bytes, little endian    timestamp = zigzag(delta to the row's watermark)
//! text   = length:varint bytes   list = length:varint (tag:u8 value)*
//! ```

use crate::value::{Row, Slot, Value, ValueType};
use crate::varint::{VarintError, read_signed, read_unsigned, write_signed, write_unsigned};
use compact_str::CompactString;
use std::sync::Arc;

/// The version that this code writes, and the only one that it reads.
pub const FRAME_VERSION: u8 = 1;

/// The values that all rows of a frame share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The task that wrote the frame: the source of its rows.
    pub source: u32,
    /// Whether the source was live when it wrote the frame.
    pub live: bool,
    /// The source's watermark, in microseconds: no later row of it has a smaller one.
    pub watermark: i64,
}

/// The header of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowHeader {
    /// The index of the input that the event came from.
    pub input: u8,
    /// The number of the row at its source: the event's offset in the source's log.
    pub source_offset: i64,
    /// The source's watermark when the row was written, in microseconds.
    pub watermark: i64,
    /// The row's [`Flags`](crate::Flags), as bits.
    pub flags: u16,
}

/// Collects rows into a frame.
#[derive(Clone, Debug)]
pub struct FrameWriter {
    layout: Arc<[(Slot, ValueType)]>,
    rows: Vec<u8>,
    count: usize,
    first: RowHeader,
    last: RowHeader,
}

impl FrameWriter {
    /// A writer of rows that carry these slots.
    pub fn new(layout: impl Into<Arc<[(Slot, ValueType)]>>) -> Self {
        FrameWriter {
            layout: layout.into(),
            rows: Vec::new(),
            count: 0,
            first: RowHeader::default(),
            last: RowHeader::default(),
        }
    }

    /// Adds a row. An integer in a float's slot is written as a float.
    ///
    /// # Panics
    /// A value is not of its slot's type: the plan is wrong.
    pub fn push(&mut self, header: RowHeader, row: &Row) {
        if self.count == 0 {
            self.first = header;
            self.last = header;
        }
        let out = &mut self.rows;
        out.push(header.input);
        write_signed(header.source_offset.wrapping_sub(self.last.source_offset), out);
        write_signed(header.watermark.wrapping_sub(self.last.watermark), out);
        write_unsigned(u64::from(header.flags), out);
        for slots in self.layout.chunks(8) {
            let bit = |(index, &(slot, _)): (usize, &(Slot, ValueType))| u8::from(row[slot].is_null()) << index;
            out.push(slots.iter().enumerate().map(bit).fold(0, |byte, bit| byte | bit));
        }
        for &(slot, value_type) in &*self.layout {
            write_value(&row[slot], value_type, header.watermark, out);
        }
        self.last = header;
        self.count += 1;
    }

    /// Number of rows pushed since the last frame.
    pub fn rows(&self) -> usize {
        self.count
    }

    /// The watermark of the row pushed last since the last frame; 0 if there is none.
    pub fn last_watermark(&self) -> i64 {
        self.last.watermark
    }

    /// Bytes of the rows pushed since the last frame.
    pub fn size(&self) -> usize {
        self.rows.len()
    }

    /// Appends the frame to `out` and begins a new one.
    pub fn finish(&mut self, header: FrameHeader, out: &mut Vec<u8>) {
        out.push(FRAME_VERSION);
        out.push(u8::from(header.live));
        write_unsigned(u64::from(header.source), out);
        write_signed(header.watermark, out);
        write_signed(self.first.source_offset, out);
        write_signed(self.first.watermark.wrapping_sub(header.watermark), out);
        out.extend_from_slice(&self.rows);
        self.clear();
    }

    /// Drops the rows pushed since the last frame.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.count = 0;
        self.first = RowHeader::default();
        self.last = RowHeader::default();
    }
}

fn write_value(value: &Value, value_type: ValueType, watermark: i64, out: &mut Vec<u8>) {
    match (value, value_type) {
        (Value::Null, _) => {}
        (Value::Bool(bool), ValueType::Bool) => out.push(u8::from(*bool)),
        (Value::Int(int), ValueType::Int) => write_signed(*int, out),
        (Value::Float(float), ValueType::Float) => out.extend_from_slice(&float.to_bits().to_le_bytes()),
        (Value::Int(int), ValueType::Float) => out.extend_from_slice(&(*int as f64).to_bits().to_le_bytes()),
        (Value::Timestamp(micros), ValueType::Timestamp) => write_signed(micros.wrapping_sub(watermark), out),
        (Value::Text(text), ValueType::Text) => {
            write_unsigned(text.len() as u64, out);
            out.extend_from_slice(text.as_bytes());
        }
        (Value::List(values), ValueType::List) => {
            write_unsigned(values.len() as u64, out);
            for value in &**values {
                let value_type = value.value_type();
                out.push(value_type.map_or(0, tag));
                if let Some(value_type) = value_type {
                    assert!(
                        value_type != ValueType::List,
                        "lists of lists are not values of any feature"
                    );
                    write_value(value, value_type, watermark, out);
                }
            }
        }
        (value, value_type) => {
            panic!(
                "a slot of type {value_type:?} holds a value of type {:?}",
                value.value_type()
            )
        }
    }
}

fn tag(value_type: ValueType) -> u8 {
    match value_type {
        ValueType::Bool => 1,
        ValueType::Int => 2,
        ValueType::Float => 3,
        ValueType::Text => 4,
        ValueType::Timestamp => 5,
        ValueType::List => 6,
    }
}

/// Why bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another version wrote it.
    #[error("frame version {0}, this binary reads {FRAME_VERSION}")]
    Version(u8),
    /// It is cut off or damaged, or was written with another layout.
    #[error("frame damaged at byte {offset}: {what}")]
    Damaged {
        /// The byte at which reading failed.
        offset: usize,
        /// What was being read.
        what: &'static str,
    },
}

/// Reads a frame's rows one by one.
#[derive(Clone, Debug)]
pub struct FrameReader<'a> {
    layout: &'a [(Slot, ValueType)],
    bytes: &'a [u8],
    at: usize,
    header: FrameHeader,
    last: RowHeader,
}

impl<'a> FrameReader<'a> {
    /// Reads the frame's header. `layout` is the one that the frame was written with.
    pub fn new(bytes: &'a [u8], layout: &'a [(Slot, ValueType)]) -> Result<Self, FrameError> {
        let header = FrameHeader {
            source: 0,
            live: false,
            watermark: 0,
        };
        let mut reader = FrameReader {
            layout,
            bytes,
            at: 0,
            header,
            last: RowHeader::default(),
        };
        match reader.byte()? {
            FRAME_VERSION => {}
            other => return Err(FrameError::Version(other)),
        }
        reader.header.live = reader.bool()?;
        reader.header.source = u32::try_from(reader.unsigned()?).map_err(|_| reader.damaged("source"))?;
        reader.header.watermark = reader.signed()?;
        reader.last.source_offset = reader.signed()?;
        reader.last.watermark = reader.header.watermark.wrapping_add(reader.signed()?);
        Ok(reader)
    }

    /// What holds for all rows.
    pub fn header(&self) -> FrameHeader {
        self.header
    }

    /// Sets all of `row` to null and stores the next row's values in it; `None` after the last row. After an error no
    /// further row can be read.
    pub fn next_row(&mut self, row: &mut Row) -> Result<Option<RowHeader>, FrameError> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let input = self.byte()?;
        let source_offset = self.last.source_offset.wrapping_add(self.signed()?);
        let watermark = self.last.watermark.wrapping_add(self.signed()?);
        let flags = u16::try_from(self.unsigned()?).map_err(|_| self.damaged("flags"))?;
        let width = self
            .layout
            .iter()
            .map(|&(slot, _)| slot + 1)
            .fold(row.len(), usize::max);
        row.clear();
        row.resize(width, Value::Null);
        let nulls = self.take(self.layout.len().div_ceil(8))?;
        for (index, &(slot, value_type)) in self.layout.iter().enumerate() {
            if nulls[index / 8] >> (index % 8) & 1 == 0 {
                row[slot] = self.value(value_type, watermark)?;
            }
        }
        self.last = RowHeader {
            input,
            source_offset,
            watermark,
            flags,
        };
        Ok(Some(self.last))
    }

    fn value(&mut self, value_type: ValueType, watermark: i64) -> Result<Value, FrameError> {
        Ok(match value_type {
            ValueType::Bool => Value::Bool(self.bool()?),
            ValueType::Int => Value::Int(self.signed()?),
            ValueType::Float => {
                let bytes = self.take(8)?.try_into().expect("eight bytes were taken");
                Value::Float(f64::from_bits(u64::from_le_bytes(bytes)))
            }
            ValueType::Timestamp => Value::Timestamp(watermark.wrapping_add(self.signed()?)),
            ValueType::Text => {
                let length = self.length()?;
                let text = self.take(length)?;
                Value::Text(CompactString::from_utf8(text).map_err(|_| self.damaged("text"))?)
            }
            ValueType::List => {
                let length = self.length()?;
                let mut values = Vec::with_capacity(length);
                for _ in 0..length {
                    values.push(self.element(watermark)?);
                }
                Value::List(values.into())
            }
        })
    }

    fn element(&mut self, watermark: i64) -> Result<Value, FrameError> {
        let value_type = match self.byte()? {
            0 => return Ok(Value::Null),
            1 => ValueType::Bool,
            2 => ValueType::Int,
            3 => ValueType::Float,
            4 => ValueType::Text,
            5 => ValueType::Timestamp,
            _ => return Err(self.damaged("element of a list")),
        };
        self.value(value_type, watermark)
    }

    /// A number of items of at least a byte each.
    fn length(&mut self) -> Result<usize, FrameError> {
        let length = self.unsigned()?;
        let left = self.bytes.len() - self.at;
        usize::try_from(length)
            .ok()
            .filter(|&length| length <= left)
            .ok_or_else(|| self.damaged("length"))
    }

    fn bool(&mut self) -> Result<bool, FrameError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.damaged("boolean")),
        }
    }

    fn byte(&mut self) -> Result<u8, FrameError> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], FrameError> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let taken = &self.bytes[self.at..end.ok_or_else(|| self.damaged("end of the frame"))?];
        self.at += length;
        Ok(taken)
    }

    fn signed(&mut self) -> Result<i64, FrameError> {
        read_signed(self.bytes, &mut self.at).map_err(|error| self.number(error))
    }

    fn unsigned(&mut self) -> Result<u64, FrameError> {
        read_unsigned(self.bytes, &mut self.at).map_err(|error| self.number(error))
    }

    fn number(&self, error: VarintError) -> FrameError {
        self.damaged(match error {
            VarintError::Truncated => "end of the frame",
            VarintError::TooLong => "number",
        })
    }

    fn damaged(&self, what: &'static str) -> FrameError {
        FrameError::Damaged { offset: self.at, what }
    }
}
