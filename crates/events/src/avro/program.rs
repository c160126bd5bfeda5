//! What a projection compiles to: lists of steps over the bytes, one list for each part that is not straight
//! on: a union's branch, an array's items, a type that is referred to by its name.

use crate::value::Value;

/// The index of a list of steps in a [`Program`].
pub(super) type ListId = usize;

/// All lists of steps; the first is the record's.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub lists: Vec<Box<[Step]>>,
}

/// One step. What it skips or reads begins where the step before ended.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// So many bytes.
    SkipBytes(usize),
    /// So many variable-length numbers, one after the other.
    SkipNumbers(usize),
    /// A length and as many bytes.
    SkipText,
    /// Blocks of items.
    SkipArray(ListId),
    /// Blocks of keys and values.
    SkipMap(ListId),
    /// A type that was compiled apart.
    Call(ListId),
    /// The number of a branch, and the branch.
    Union(Box<[ListId]>),
    /// Blocks of keys and values, some of which are wanted.
    ReadMap(Box<ReadMap>),
    /// A value for a field.
    Read { field: usize, wire: Wire },
    /// Not in the bytes: the reader's default.
    Set { field: usize, value: Value },
    /// What is here is not what the field can hold.
    Refuse { field: usize, found: &'static str },
}

/// A map, some of whose values are wanted.
#[derive(Clone, Debug)]
pub(super) struct ReadMap {
    /// Keys, and how to read their values.
    pub wanted: Vec<(String, ListId)>,
    /// How to skip the others' values.
    pub skip: ListId,
}

/// How a value lies in the bytes.
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
    /// The index of one of these values.
    Enum(Box<[Value]>),
    /// A number of 64 bits in this unit.
    Instant(InstantUnit),
    /// Days since the epoch in 32 bits.
    Date,
    /// A two's complement big-endian integer, divided by a power of ten.
    Decimal {
        /// The number of bytes, or none if it stands in front of them.
        size: Option<usize>,
        scale: usize,
    },
    /// 16 bytes.
    Uuid,
    /// The length 16 and 16 bytes.
    UuidBytes,
}

/// The unit of a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InstantUnit {
    Millis,
    Micros,
    Nanos,
}

impl InstantUnit {
    /// Microseconds since the epoch, cut; saturating, and what it saturates at is out of range.
    pub fn to_micros(self, number: i64) -> i64 {
        match self {
            InstantUnit::Millis => number.saturating_mul(1_000),
            InstantUnit::Micros => number,
            InstantUnit::Nanos => number.div_euclid(1_000),
        }
    }
}
