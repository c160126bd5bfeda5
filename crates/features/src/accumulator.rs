//! Which accumulators there are, and in which ways a feature is read off each of them.

/// The accumulator of a window's entries for an aggregation, and how the feature is read off it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Accumulator {
    /// The number of entries.
    Count,
    /// Exact sums of the powers of the values, up to the power that the reading needs. Values enter in fixed point.
    PowerSums(SumsRead),
    /// The sum of the logarithms of the positive values, and how many others there are.
    Logarithms,
    /// A summary that is rebuilt from the log when it is needed.
    Derived(DerivedKind, DerivedRead),
}

impl Accumulator {
    /// Whether float values enter it in fixed point. Every other accumulator takes them as they are.
    pub(crate) fn is_fixed_point(self) -> bool {
        match self {
            Accumulator::PowerSums(_) => true,
            Accumulator::Derived(kind, _) => matches!(kind, DerivedKind::Decayed { is_weighted: true, .. }),
            Accumulator::Count | Accumulator::Logarithms => false,
        }
    }
}

/// How a feature is read off power sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SumsRead {
    Sum,
    Mean,
    Variance,
    StandardDeviation,
    Skewness,
    Kurtosis,
}

impl SumsRead {
    /// The highest power whose sum it needs.
    pub(crate) fn highest(self) -> u8 {
        match self {
            SumsRead::Sum | SumsRead::Mean => 1,
            SumsRead::Variance | SumsRead::StandardDeviation => 2,
            SumsRead::Skewness => 3,
            SumsRead::Kurtosis => 4,
        }
    }
}

/// The content of a derived accumulator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum DerivedKind {
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// The oldest value.
    First,
    /// The oldest k values.
    FirstK(usize),
    /// The newest value.
    Last,
    /// The newest k values.
    LastK(usize),
    /// What the newest entry has in the column, and its time.
    Row,
    /// How often each value occurs.
    Distinct,
    /// How often each value occurs, ordered by frequency.
    Frequencies,
    /// All values in order.
    Sorted,
    /// A sum of weights that halve with each half-life, in microseconds. An entry weighs its value, or 1.
    Decayed { half_life: f64, is_weighted: bool },
}

/// How a feature is read off a derived accumulator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum DerivedRead {
    /// The value, or the list of values.
    Values,
    /// What the newest row says, if it is not later than the transaction.
    Row,
    /// Seconds from the kept time to the transaction.
    TimeSince,
    /// How many different values there are.
    Distinct,
    /// What is read off frequencies.
    Frequencies(FrequenciesRead),
    /// The quantile q.
    Quantile(f64),
    /// The decayed sum as of the window's end.
    Decayed,
}

/// How a feature is read off frequencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrequenciesRead {
    /// The most frequent value.
    Mode,
    /// The k most frequent values.
    MostFrequent(usize),
    /// The k least frequent values.
    LeastFrequent(usize),
    /// How often the k most frequent values occur.
    Counts(usize),
}
