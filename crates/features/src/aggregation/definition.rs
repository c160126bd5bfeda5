//! The aggregations, and what the table says of each.

use riskstream_events::{Value, ValueType};

/// The computation of a feature over the entries in its window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregation {
    /// Number of entries, whether or not they carry a value. Int.
    Count,
    /// Sum of the values, exact in fixed point. Float.
    Sum,
    /// Arithmetic mean of the values. Float.
    Mean,
    /// The n-th root of the product of n values: 0 if one is zero, empty if one is negative. Its relative error is less
    /// than 10^−15. Float.
    GeometricMean,
    /// Least value, exactly as it came. Of the value's type.
    Min,
    /// Greatest value, exactly as it came. Of the value's type.
    Max,
    /// Sample variance (n − 1), empty for fewer than two values. Float.
    Variance,
    /// Square root of the sample variance. Float.
    StandardDeviation,
    /// Sample skewness G1, empty for fewer than three values or if all are equal. Float.
    Skewness,
    /// Sample excess kurtosis G2, empty for fewer than four values or if all are equal. Float.
    Kurtosis,
    /// Number of distinct values, exact. Int.
    Distinct,
    /// The oldest value. Of the value's type.
    First,
    /// The oldest k values, oldest first; fewer if there are fewer. List.
    FirstK(usize),
    /// The newest value. Of the value's type.
    Last,
    /// The newest k values, newest first; fewer if there are fewer. List.
    LastK(usize),
    /// Seconds from the newest entry (with a value, if one is named) to the transaction. The transaction
    /// itself never counts. Float.
    TimeSinceLast,
    /// The most frequent value, of equally frequent ones the least. Of the value's type.
    Mode,
    /// The k most frequent values, most frequent first, of equally frequent ones the lesser first. List.
    TopK(usize),
    /// The k least frequent of the values, least frequent first, of equally frequent ones the lesser first. List.
    BottomK(usize),
    /// How often each of the k most frequent values occurs, in the order of [`Aggregation::TopK`]. List of ints.
    Histogram(usize),
    /// The quantile q in 0..=1, linearly interpolated between order statistics as numpy does. Float.
    Quantile(f64),
    /// What the newest entry has in the column: null if it has nothing there. The input is then one of rows: see
    /// [`Applied::too_late`](crate::Applied::too_late). It is no aggregation of the pipeline file, so it has no place in
    /// [`Aggregation::TABLE`]. Of the value's type.
    Row,
    /// Sum of 2^(−age / half-life) over the entries, age measured from the window's end. Float.
    DecayedCount {
        /// In microseconds.
        half_life: i64,
    },
    /// Sum of value · 2^(−age / half-life) over the values, age measured from the window's end. Float.
    DecayedSum {
        /// In microseconds.
        half_life: i64,
    },
}

/// An aggregation as the pipeline file and its documentation know it.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// The key in the pipeline file, and the word in messages.
    pub name: &'static str,
    /// What it computes: the key's description in the schema and the reference.
    pub summary: &'static str,
    /// What it aggregates.
    pub operand: Operand,
    /// Which parameter it takes, and the aggregation with a value for it.
    pub constructor: Constructor,
    /// What the feature's window may be.
    pub window: WindowRule,
    /// What it gives.
    pub output: Output,
    /// The value when nothing in the window counts, unless the feature states another.
    pub empty: Empty,
}

/// The operand of an aggregation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Events. A value that is named does not matter.
    Events,
    /// Events before the transaction, whatever the feature says of the transaction itself; those with a value, if one is
    /// named.
    EarlierEvents,
    /// Numbers: ints, floats, and bools as 0 and 1.
    Numbers,
    /// Numbers and timestamps.
    NumbersAndTimes,
    /// Values of any type but lists.
    Values,
}

impl Operand {
    /// Whether no value needs to be named: the pipeline file names an input instead.
    pub const fn is_events(self) -> bool {
        matches!(self, Operand::Events | Operand::EarlierEvents)
    }

    /// Whether values of this type can be aggregated.
    pub fn accepts(self, value_type: ValueType) -> bool {
        use ValueType::{Bool, Float, Int, List, Timestamp};
        match self {
            Operand::Events | Operand::EarlierEvents => true,
            Operand::Numbers => matches!(value_type, Bool | Int | Float),
            Operand::NumbersAndTimes => matches!(value_type, Bool | Int | Float | Timestamp),
            Operand::Values => value_type != List,
        }
    }
}

/// How an aggregation is made of its parameter.
#[derive(Clone, Copy, Debug)]
pub enum Constructor {
    /// There is no parameter.
    Plain(Aggregation),
    /// From `k`, a number of values.
    K(fn(usize) -> Aggregation),
    /// From `q`, a quantile from 0 to 1.
    Q(fn(f64) -> Aggregation),
    /// From a half-life in microseconds.
    HalfLife(fn(i64) -> Aggregation),
}

impl Constructor {
    /// The parameter's key in the pipeline file.
    pub const fn key(self) -> Option<&'static str> {
        match self {
            Constructor::Plain(_) => None,
            Constructor::K(_) => Some("k"),
            Constructor::Q(_) => Some("q"),
            Constructor::HalfLife(_) => Some("half_life"),
        }
    }
}

/// The value of an aggregation's parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parameter {
    /// There is none.
    None,
    /// A number of values.
    K(usize),
    /// A quantile from 0 to 1.
    Q(f64),
    /// In microseconds.
    HalfLife(i64),
}

/// The rule for a feature's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowRule {
    /// It must have a width, since entries have to be forgotten.
    Limited,
    /// It must have a width or be unlimited, as the feature says.
    Stated,
    /// It is unlimited, unless the feature states a width.
    UnlimitedByDefault,
    /// There is none: entries fade with the half-life.
    HalfLife,
}

/// The output of an aggregation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// An int.
    Int,
    /// A float.
    Float,
    /// One of the values.
    Value,
    /// A list of values.
    Values,
    /// A list of ints.
    Ints,
}

impl Output {
    /// The type, given that of the value (if one is named).
    pub fn value_type(self, value: Option<ValueType>) -> ValueType {
        match self {
            Output::Int => ValueType::Int,
            Output::Float => ValueType::Float,
            Output::Value => value.unwrap_or(ValueType::Float),
            Output::Values | Output::Ints => ValueType::List,
        }
    }

    /// The type of a list's elements, given that of the value. The type itself for what is no list.
    pub fn element_type(self, value: Option<ValueType>) -> ValueType {
        match self {
            Output::Values => value.unwrap_or(ValueType::Float),
            Output::Ints => ValueType::Int,
            Output::Int | Output::Float | Output::Value => self.value_type(value),
        }
    }
}

/// The value when nothing in the window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// 0, of the output's type.
    Zero,
    /// Null.
    Null,
}

impl Definition {
    /// The value when nothing counts, unless the feature states another.
    pub fn empty_value(&self) -> Value {
        match (self.empty, self.output) {
            (Empty::Null, _) => Value::Null,
            (Empty::Zero, Output::Int) => Value::Int(0),
            (Empty::Zero, _) => Value::Float(0.0),
        }
    }
}
