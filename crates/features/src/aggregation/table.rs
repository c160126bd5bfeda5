//! The table of aggregations.

use super::definition::{Aggregation, Constructor, Definition, Empty, Operand, Output, Parameter, WindowRule};
use crate::accumulator::{Accumulator, DerivedKind, DerivedRead, FrequenciesRead, SumsRead};

/// In the order of the reference.
pub(super) const TABLE: &[Definition] = &[
    COUNT,
    SUM,
    MEAN,
    GEOMETRIC_MEAN,
    MIN,
    MAX,
    VARIANCE,
    STANDARD_DEVIATION,
    SKEWNESS,
    KURTOSIS,
    DISTINCT,
    FIRST,
    FIRST_K,
    LAST,
    LAST_K,
    TIME_SINCE_LAST,
    MODE,
    TOP_K,
    BOTTOM_K,
    HISTOGRAM,
    QUANTILE,
    DECAYED_COUNT,
    DECAYED_SUM,
];

const COUNT: Definition = Definition {
    name: "count",
    summary: "How many events: `count: transactions`.",
    operand: Operand::Events,
    constructor: Constructor::Plain(Aggregation::Count),
    window: WindowRule::Stated,
    output: Output::Int,
    empty: Empty::Zero,
};

const SUM: Definition = Definition {
    name: "sum",
    summary: "The sum of a number: `sum: amount`.",
    operand: Operand::Numbers,
    constructor: Constructor::Plain(Aggregation::Sum),
    window: WindowRule::Stated,
    output: Output::Float,
    empty: Empty::Zero,
};

const MEAN: Definition = Definition {
    name: "mean",
    summary: "The mean of a number; of true and false the share of true: `mean: fraud`.",
    operand: Operand::Numbers,
    constructor: Constructor::Plain(Aggregation::Mean),
    window: WindowRule::Stated,
    output: Output::Float,
    empty: Empty::Null,
};

const GEOMETRIC_MEAN: Definition = Definition {
    name: "geometric_mean",
    summary: "The geometric mean of a number; 0 if a value is 0, null if one is negative.",
    operand: Operand::Numbers,
    constructor: Constructor::Plain(Aggregation::GeometricMean),
    window: WindowRule::Stated,
    output: Output::Float,
    empty: Empty::Null,
};

const MIN: Definition = Definition {
    name: "min",
    summary: "The least number or time.",
    operand: Operand::NumbersAndTimes,
    constructor: Constructor::Plain(Aggregation::Min),
    window: WindowRule::Stated,
    output: Output::Value,
    empty: Empty::Null,
};

const MAX: Definition = Definition {
    name: "max",
    summary: "The greatest number or time.",
    operand: Operand::NumbersAndTimes,
    constructor: Constructor::Plain(Aggregation::Max),
    window: WindowRule::Stated,
    output: Output::Value,
    empty: Empty::Null,
};

const VARIANCE: Definition = Definition {
    name: "variance",
    summary: "The sample variance of a number; null for fewer than two.",
    operand: Operand::Numbers,
    constructor: Constructor::Plain(Aggregation::Variance),
    window: WindowRule::Stated,
    output: Output::Float,
    empty: Empty::Null,
};

const STANDARD_DEVIATION: Definition = Definition {
    name: "standard_deviation",
    summary: "The square root of the variance.",
    operand: Operand::Numbers,
    constructor: Constructor::Plain(Aggregation::StandardDeviation),
    window: WindowRule::Stated,
    output: Output::Float,
    empty: Empty::Null,
};

const SKEWNESS: Definition = Definition {
    name: "skewness",
    summary: "The sample skewness of a number, as pandas' `skew`; null for fewer than three, or if all are equal.",
    operand: Operand::Numbers,
    constructor: Constructor::Plain(Aggregation::Skewness),
    window: WindowRule::Stated,
    output: Output::Float,
    empty: Empty::Null,
};

const KURTOSIS: Definition = Definition {
    name: "kurtosis",
    summary: "The sample excess kurtosis of a number, as pandas' `kurt`; null for fewer than four, or if all are equal.",
    operand: Operand::Numbers,
    constructor: Constructor::Plain(Aggregation::Kurtosis),
    window: WindowRule::Stated,
    output: Output::Float,
    empty: Empty::Null,
};

const DISTINCT: Definition = Definition {
    name: "distinct",
    summary: "How many different values: `distinct: terminal_id`.",
    operand: Operand::Values,
    constructor: Constructor::Plain(Aggregation::Distinct),
    window: WindowRule::Limited,
    output: Output::Int,
    empty: Empty::Zero,
};

const FIRST: Definition = Definition {
    name: "first",
    summary: "The oldest value within the window.",
    operand: Operand::Values,
    constructor: Constructor::Plain(Aggregation::First),
    window: WindowRule::Stated,
    output: Output::Value,
    empty: Empty::Null,
};

const FIRST_K: Definition = Definition {
    name: "first_k",
    summary: "The oldest `k` values within the window, the oldest first.",
    operand: Operand::Values,
    constructor: Constructor::K(Aggregation::FirstK),
    window: WindowRule::Stated,
    output: Output::Values,
    empty: Empty::Null,
};

const LAST: Definition = Definition {
    name: "last",
    summary: "The newest value within the window.",
    operand: Operand::Values,
    constructor: Constructor::Plain(Aggregation::Last),
    window: WindowRule::UnlimitedByDefault,
    output: Output::Value,
    empty: Empty::Null,
};

const LAST_K: Definition = Definition {
    name: "last_k",
    summary: "The newest `k` values, the newest first.",
    operand: Operand::Values,
    constructor: Constructor::K(Aggregation::LastK),
    window: WindowRule::UnlimitedByDefault,
    output: Output::Values,
    empty: Empty::Null,
};

const ROW: Definition = Definition {
    name: "row",
    summary: "The value of the newest row.",
    operand: Operand::Values,
    constructor: Constructor::Plain(Aggregation::Row),
    window: WindowRule::UnlimitedByDefault,
    output: Output::Value,
    empty: Empty::Null,
};

const TIME_SINCE_LAST: Definition = Definition {
    name: "time_since_last",
    summary: "Seconds since the newest event before this one: `time_since_last: transactions`.",
    operand: Operand::EarlierEvents,
    constructor: Constructor::Plain(Aggregation::TimeSinceLast),
    window: WindowRule::UnlimitedByDefault,
    output: Output::Float,
    empty: Empty::Null,
};

const MODE: Definition = Definition {
    name: "mode",
    summary: "The most frequent value; of equally frequent ones the least.",
    operand: Operand::Values,
    constructor: Constructor::Plain(Aggregation::Mode),
    window: WindowRule::Limited,
    output: Output::Value,
    empty: Empty::Null,
};

const TOP_K: Definition = Definition {
    name: "top_k",
    summary: "The `k` most frequent values, the most frequent first; of equally frequent ones the lesser first.",
    operand: Operand::Values,
    constructor: Constructor::K(Aggregation::TopK),
    window: WindowRule::Limited,
    output: Output::Values,
    empty: Empty::Null,
};

const BOTTOM_K: Definition = Definition {
    name: "bottom_k",
    summary: "The `k` least frequent of the values in the window, the least frequent first; of equally frequent ones the lesser first.",
    operand: Operand::Values,
    constructor: Constructor::K(Aggregation::BottomK),
    window: WindowRule::Limited,
    output: Output::Values,
    empty: Empty::Null,
};

const HISTOGRAM: Definition = Definition {
    name: "histogram",
    summary: "How often each of the `k` most frequent values occurs: a list of counts in the order of `top_k`.",
    operand: Operand::Values,
    constructor: Constructor::K(Aggregation::Histogram),
    window: WindowRule::Limited,
    output: Output::Ints,
    empty: Empty::Null,
};

const QUANTILE: Definition = Definition {
    name: "quantile",
    summary: "The quantile `q` of a number: `quantile: amount` with `q: 0.95`.",
    operand: Operand::Numbers,
    constructor: Constructor::Q(Aggregation::Quantile),
    window: WindowRule::Limited,
    output: Output::Float,
    empty: Empty::Null,
};

const DECAYED_COUNT: Definition = Definition {
    name: "decayed_count",
    summary: "How many events, each counting half after every `half_life`.",
    operand: Operand::Events,
    constructor: Constructor::HalfLife(|half_life| Aggregation::DecayedCount { half_life }),
    window: WindowRule::HalfLife,
    output: Output::Float,
    empty: Empty::Zero,
};

const DECAYED_SUM: Definition = Definition {
    name: "decayed_sum",
    summary: "The sum of a number, each counting half after every `half_life`.",
    operand: Operand::Numbers,
    constructor: Constructor::HalfLife(|half_life| Aggregation::DecayedSum { half_life }),
    window: WindowRule::HalfLife,
    output: Output::Float,
    empty: Empty::Zero,
};

impl Aggregation {
    /// Its entry, the value of its parameter, and how it is kept and read.
    pub(super) fn entry(self) -> (&'static Definition, Parameter, Accumulator) {
        use Accumulator::{Count, Derived, Logarithms, PowerSums};
        use Parameter::{HalfLife, K, None, Q};
        let decayed = |half_life: i64, is_weighted| {
            let half_life = half_life as f64;
            Derived(DerivedKind::Decayed { half_life, is_weighted }, DerivedRead::Decayed)
        };
        let frequencies = |read| Derived(DerivedKind::Frequencies, DerivedRead::Frequencies(read));
        match self {
            Aggregation::Count => (&COUNT, None, Count),
            Aggregation::Sum => (&SUM, None, PowerSums(SumsRead::Sum)),
            Aggregation::Mean => (&MEAN, None, PowerSums(SumsRead::Mean)),
            Aggregation::GeometricMean => (&GEOMETRIC_MEAN, None, Logarithms),
            Aggregation::Min => (&MIN, None, Derived(DerivedKind::Min, DerivedRead::Values)),
            Aggregation::Max => (&MAX, None, Derived(DerivedKind::Max, DerivedRead::Values)),
            Aggregation::Variance => (&VARIANCE, None, PowerSums(SumsRead::Variance)),
            Aggregation::StandardDeviation => (&STANDARD_DEVIATION, None, PowerSums(SumsRead::StandardDeviation)),
            Aggregation::Skewness => (&SKEWNESS, None, PowerSums(SumsRead::Skewness)),
            Aggregation::Kurtosis => (&KURTOSIS, None, PowerSums(SumsRead::Kurtosis)),
            Aggregation::Distinct => (&DISTINCT, None, Derived(DerivedKind::Distinct, DerivedRead::Distinct)),
            Aggregation::First => (&FIRST, None, Derived(DerivedKind::First, DerivedRead::Values)),
            Aggregation::FirstK(k) => (&FIRST_K, K(k), Derived(DerivedKind::FirstK(k), DerivedRead::Values)),
            Aggregation::Last => (&LAST, None, Derived(DerivedKind::Last, DerivedRead::Values)),
            Aggregation::LastK(k) => (&LAST_K, K(k), Derived(DerivedKind::LastK(k), DerivedRead::Values)),
            Aggregation::Row => (&ROW, None, Derived(DerivedKind::Row, DerivedRead::Row)),
            Aggregation::TimeSinceLast => (
                &TIME_SINCE_LAST,
                None,
                Derived(DerivedKind::Last, DerivedRead::TimeSince),
            ),
            Aggregation::Mode => (&MODE, None, frequencies(FrequenciesRead::Mode)),
            Aggregation::TopK(k) => (&TOP_K, K(k), frequencies(FrequenciesRead::MostFrequent(k))),
            Aggregation::BottomK(k) => (&BOTTOM_K, K(k), frequencies(FrequenciesRead::LeastFrequent(k))),
            Aggregation::Histogram(k) => (&HISTOGRAM, K(k), frequencies(FrequenciesRead::Counts(k))),
            Aggregation::Quantile(q) => (&QUANTILE, Q(q), Derived(DerivedKind::Sorted, DerivedRead::Quantile(q))),
            Aggregation::DecayedCount { half_life } => (&DECAYED_COUNT, HalfLife(half_life), decayed(half_life, false)),
            Aggregation::DecayedSum { half_life } => (&DECAYED_SUM, HalfLife(half_life), decayed(half_life, true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a pipeline file's key and parameter make is the aggregation of that entry, with that parameter.
    #[test]
    fn each_entry_constructs_its_own_aggregation() {
        for definition in TABLE {
            let (aggregation, parameter) = match definition.constructor {
                Constructor::Plain(aggregation) => (aggregation, Parameter::None),
                Constructor::K(of) => (of(7), Parameter::K(7)),
                Constructor::Q(of) => (of(0.25), Parameter::Q(0.25)),
                Constructor::HalfLife(of) => (of(9), Parameter::HalfLife(9)),
            };
            assert_eq!(aggregation.name(), definition.name);
            assert_eq!(aggregation.parameter(), parameter, "{}", definition.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = TABLE.iter().map(|definition| definition.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
    }
}
