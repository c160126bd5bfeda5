//! Runs a program over a record's bytes.

use super::program::{Instruction, ListId, MAX_DEPTH, ReadMap, Wire, days_to_micros};
use super::projection::AvroProjection;
use crate::convert::Problem;
use crate::field::Field;
use crate::reason::{DecodeError, ReasonCode};
use crate::twos_complement;
use crate::value::{Row, Value};
use crate::varint::{VarintError, read_signed, read_unsigned};

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// They end before the record does.
    Truncated,
    /// They cannot have been written with the schema.
    Malformed(&'static str),
    /// A field's value cannot go into its slot.
    Value(Problem),
}

/// A fault and the field that was being read.
#[derive(Clone, Copy, Debug)]
struct DecodeFailure {
    fault: Fault,
    field: Option<usize>,
}

impl From<Fault> for DecodeFailure {
    fn from(fault: Fault) -> Self {
        DecodeFailure { fault, field: None }
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Fault::Value(problem)
    }
}

impl AvroProjection {
    /// Resets `row` and stores the fields of the record in `bytes`, which must hold the record and no more. Allocates only for
    /// texts that are too long to be stored inline.
    pub fn decode(&self, bytes: &[u8], row: &mut Row) -> Result<(), DecodeError> {
        self.fields.reset(row);
        let mut run = Run {
            projection: self,
            bytes,
            at: 0,
            row,
        };
        match run.list(0, 0) {
            Ok(()) if run.at == bytes.len() => Ok(self.fields.finish(row)?),
            Ok(()) => Err(DecodeError::rejected(
                ReasonCode::AvroTrailingBytes,
                format!(
                    "the record ends at byte {}, {} more follow",
                    run.at,
                    bytes.len() - run.at
                ),
            )),
            Err(failure) => Err(self.to_error(failure, run.at)),
        }
    }

    /// Where the record ends that `bytes` begin with. Of a projection without fields no value can stand in the way.
    pub fn record_length(&self, bytes: &[u8]) -> Result<usize, DecodeError> {
        let mut row = Row::new();
        self.fields.reset(&mut row);
        let mut run = Run {
            projection: self,
            bytes,
            at: 0,
            row: &mut row,
        };
        match run.list(0, 0) {
            Ok(()) => Ok(run.at),
            Err(failure) => Err(self.to_error(failure, run.at)),
        }
    }

    fn to_error(&self, failure: DecodeFailure, at: usize) -> DecodeError {
        let place = match failure.field {
            Some(field) => format!("field {} at byte {at}", self.fields.fields[field].name),
            None => format!("at byte {at}"),
        };
        match (failure.fault, failure.field) {
            (Fault::Value(problem), Some(field)) => self.fields.problem_at(field, problem, at),
            (Fault::Value(problem), None) => {
                DecodeError::rejected(problem.code(), format!("{place}: {}", problem.text()))
            }
            (Fault::Truncated, _) => {
                DecodeError::rejected(ReasonCode::AvroTruncated, format!("{place}: the bytes end too early"))
            }
            (Fault::Malformed(what), _) => DecodeError::rejected(ReasonCode::AvroMalformed, format!("{place}: {what}")),
        }
    }
}

struct Run<'a> {
    projection: &'a AvroProjection,
    bytes: &'a [u8],
    at: usize,
    row: &'a mut Row,
}

impl<'a> Run<'a> {
    fn list(&mut self, list: ListId, depth: usize) -> Result<(), DecodeFailure> {
        if depth > MAX_DEPTH {
            return Err(Fault::Malformed("nested too deeply").into());
        }
        let projection = self.projection;
        for instruction in &projection.program.lists[list] {
            match instruction {
                Instruction::SkipBytes(count) => {
                    self.take(*count)?;
                }
                Instruction::SkipNumbers(count) => {
                    for _ in 0..*count {
                        self.unsigned()?;
                    }
                }
                Instruction::SkipText => {
                    self.prefixed()?;
                }
                Instruction::Union(branches) => {
                    let branch = usize::try_from(self.signed()?)
                        .ok()
                        .and_then(|index| branches.get(index));
                    self.list(*branch.ok_or(Fault::Malformed("no such branch of a union"))?, depth + 1)?;
                }
                Instruction::SkipArray(items) => self.blocks(|run| run.list(*items, depth + 1))?,
                Instruction::SkipMap(values) => self.blocks(|run| {
                    run.prefixed()?;
                    run.list(*values, depth + 1)
                })?,
                Instruction::Call(list) => self.list(*list, depth + 1)?,
                Instruction::ReadMap(map) => self.map(map, depth)?,
                Instruction::Read { field, wire } => {
                    let value = self.value(*field, wire);
                    let value = value.map_err(|fault| DecodeFailure {
                        fault,
                        field: Some(*field),
                    })?;
                    self.row[projection.fields.fields[*field].slot] = value;
                }
                Instruction::Set { field, value } => {
                    self.row[projection.fields.fields[*field].slot] = value.clone();
                }
                Instruction::Refuse { field, found } => {
                    let expected = projection.fields.fields[*field].value_type;
                    let fault = Fault::Value(Problem::WrongType { expected, found });
                    return Err(DecodeFailure {
                        fault,
                        field: Some(*field),
                    });
                }
            }
        }
        Ok(())
    }

    /// Skips an array's or map's blocks: whole ones where their size is given.
    fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), DecodeFailure>) -> Result<(), DecodeFailure> {
        loop {
            let count = self.signed()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                let size = self.length()?;
                self.take(size)?;
                continue;
            }
            for _ in 0..count {
                let before = self.at;
                item(self)?;
                // Items of no bytes, such as nulls, need no loop: the count may be huge.
                if self.at == before {
                    break;
                }
            }
        }
    }

    /// Reads some values of a map. If a key occurs twice, the last one counts.
    fn map(&mut self, map: &ReadMap, depth: usize) -> Result<(), DecodeFailure> {
        loop {
            let count = self.signed()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.length()?;
            }
            for _ in 0..count.unsigned_abs() {
                let key = self.prefixed()?;
                let wanted = map.wanted.iter().find(|(name, _)| name.as_bytes() == key);
                self.list(wanted.map_or(map.skip, |(_, list)| *list), depth + 1)?;
            }
        }
    }

    #[inline]
    fn value(&mut self, field: usize, wire: &Wire) -> Result<Value, Fault> {
        let fields = &self.projection.fields;
        let field = &fields.fields[field];
        Ok(match wire {
            Wire::Boolean => match self.take(1)? {
                [0] => field.bool_value(false)?,
                [1] => field.bool_value(true)?,
                _ => return Err(Fault::Malformed("a boolean that is neither 0 nor 1")),
            },
            Wire::Int => field.int_value(i64::from(self.int()?), fields.pseudonymizer())?,
            Wire::Long => field.int_value(self.signed()?, fields.pseudonymizer())?,
            Wire::Float => {
                let float = f64::from(f32::from_le_bytes(self.array()?));
                field.float_value(float, fields.pseudonymizer())?
            }
            Wire::Double => field.float_value(f64::from_le_bytes(self.array()?), fields.pseudonymizer())?,
            Wire::Text => {
                let text = std::str::from_utf8(self.prefixed()?).map_err(|_| Problem::NotUtf8)?;
                field.text_value(text, fields.pseudonymizer())?
            }
            Wire::Enum(symbols) => {
                let symbol = usize::try_from(self.int()?).ok().and_then(|index| symbols.get(index));
                symbol.ok_or(Fault::Malformed("no such symbol of an enum"))?.clone()
            }
            Wire::Instant(unit) => field.timestamp_value(unit.to_micros(self.signed()?))?,
            Wire::LocalTime(unit) => field.local_time_value(unit.to_micros(self.signed()?))?,
            Wire::Date => field.local_time_value(days_to_micros(i64::from(self.int()?)))?,
            Wire::Decimal { size, scale } => {
                let bytes = match size {
                    Some(size) => self.take(*size)?,
                    None => self.prefixed()?,
                };
                self.decimal(field, bytes, *scale as i64)?
            }
            Wire::ScaleAndDecimal => {
                let scale = self.int()?;
                let bytes = self.prefixed()?;
                self.decimal(field, bytes, scale.into())?
            }
            Wire::Uuid => field.uuid_value(&self.array()?, fields.pseudonymizer())?,
            Wire::UuidBytes => match self.prefixed()?.try_into() {
                Ok(bytes) => field.uuid_value(bytes, fields.pseudonymizer())?,
                Err(_) => return Err(Fault::Malformed("a uuid that is not 16 bytes")),
            },
        })
    }

    /// The value of a two's complement big-endian integer, divided by a power of ten.
    fn decimal(&self, field: &Field, bytes: &[u8], scale: i64) -> Result<Value, Fault> {
        if bytes.is_empty() {
            return Err(Fault::Malformed("a decimal of no bytes"));
        }
        let integer = twos_complement::integer(bytes).ok_or(Problem::OutOfRange(field.value_type))?;
        Ok(field.scaled_value(integer, scale, self.projection.fields.pseudonymizer())?)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        Ok(self.take(N)?.try_into().expect("as many bytes were taken"))
    }

    /// A length and as many bytes.
    #[inline]
    fn prefixed(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.length()?;
        self.take(length)
    }

    fn length(&mut self) -> Result<usize, Fault> {
        usize::try_from(self.signed()?).map_err(|_| Fault::Malformed("a negative length"))
    }

    #[inline]
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let bytes = self.bytes[self.at..].get(..count).ok_or(Fault::Truncated)?;
        self.at += count;
        Ok(bytes)
    }

    fn int(&mut self) -> Result<i32, Fault> {
        i32::try_from(self.signed()?).map_err(|_| Fault::Malformed("an int of more than 32 bits"))
    }

    #[inline]
    fn signed(&mut self) -> Result<i64, Fault> {
        read_signed(self.bytes, &mut self.at).map_err(Fault::from)
    }

    #[inline]
    fn unsigned(&mut self) -> Result<u64, Fault> {
        read_unsigned(self.bytes, &mut self.at).map_err(Fault::from)
    }
}

impl From<VarintError> for Fault {
    fn from(error: VarintError) -> Self {
        match error {
            VarintError::Truncated => Fault::Truncated,
            VarintError::TooLong => Fault::Malformed("a number of more than 64 bits"),
        }
    }
}
