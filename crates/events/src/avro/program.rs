//! The program that a projection compiles to: lists of instructions over the bytes. A union's branch, an array's items and a
//! type that is referred to by name each have a list of their own.

use crate::field::TimestampUnit;
use crate::value::Value;

/// The depth of nesting up to which records are read. Only recursive types reach it.
pub const MAX_DEPTH: usize = 256;

/// The index of a list of instructions in a [`Program`].
pub(super) type ListId = usize;

/// All lists of instructions; the first is the record's.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub lists: Vec<Box<[Instruction]>>,
}

/// One instruction. It begins at the byte where the instruction before it ended.
#[derive(Clone, Debug)]
pub(super) enum Instruction {
    /// Skips this many bytes.
    SkipBytes(usize),
    /// Skips this many variable-length numbers.
    SkipNumbers(usize),
    /// Skips a length and as many bytes.
    SkipText,
    /// Skips blocks of items.
    SkipArray(ListId),
    /// Skips blocks of keys and values.
    SkipMap(ListId),
    /// Runs another list.
    Call(ListId),
    /// Reads the index of a branch and runs its list.
    Union(Box<[ListId]>),
    /// Reads some values of a map.
    ReadMap(Box<ReadMap>),
    /// Reads a value for a field.
    Read { field: usize, wire: Wire },
    /// Sets a field to the reader's default; the bytes have no value for it.
    Set { field: usize, value: Value },
    /// Fails: the value here is not one that the field can hold.
    Refuse { field: usize, found: &'static str },
}

/// A map of which some values are read.
#[derive(Clone, Debug)]
pub(super) struct ReadMap {
    /// Keys, and the lists that read their values.
    pub wanted: Vec<(String, ListId)>,
    /// The list that skips the value of any other key.
    pub skip: ListId,
}

/// The encoding of a value.
#[derive(Clone, Debug)]
pub(super) enum Wire {
    Boolean,
    /// A number of 32 bits.
    Int,
    /// A number of 64 bits.
    Long,
    Float,
    Double,
    /// A length and as many bytes of UTF-8.
    Text,
    /// The index into these values.
    Enum(Box<[Value]>),
    /// A number of 64 bits in this unit.
    Instant(TimestampUnit),
    /// The same of a local time, as if it were UTC.
    LocalTime(TimestampUnit),
    /// Days since the epoch in 32 bits.
    Date,
    /// A two's complement big-endian integer, divided by a power of ten.
    Decimal {
        /// The number of bytes; `None` if a length precedes them.
        size: Option<usize>,
        scale: usize,
    },
    /// The scale in 32 bits, a length, and as many bytes of such an integer.
    ScaleAndDecimal,
    /// 16 bytes.
    Uuid,
    /// The length 16 and 16 bytes.
    UuidBytes,
}

/// Microseconds since the epoch. Saturates; the limits are out of range.
pub(super) fn days_to_micros(days: i64) -> i64 {
    days.saturating_mul(86_400_000_000)
}
