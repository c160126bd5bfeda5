//! Reading features off their windows' accumulators.

use crate::accumulator::{DerivedKind, DerivedRead};
use crate::cell::{Cell, Form};
use crate::layout::{DerivedLayout, EntityFeatures, Output, Read};
use crate::linear;
use crate::logarithms;
use crate::summary::Summary;
use crate::windows::{AsOf, Windows};
use riskstream_events::{Row, Value};

/// Microseconds in a second.
const SECOND: f64 = 1e6;

/// Writes every feature into its slot. The windows must lie as of `as_of`, and their derived accumulators be valid.
pub(crate) fn write_features(features: &EntityFeatures, windows: &Windows, as_of: AsOf, row: &mut Row) {
    for output in &features.outputs {
        let value = read(features, windows, output, as_of);
        row[output.slot] = value.unwrap_or_else(|| output.empty.clone());
    }
}

/// `None` if nothing counts.
#[inline]
pub(crate) fn read(features: &EntityFeatures, windows: &Windows, output: &Output, as_of: AsOf) -> Option<Value> {
    let window = &features.windows[output.window];
    let words = &windows.words[window.words()];
    let count = |count: i64| (count > 0).then_some(Value::Int(count));
    match output.read {
        Read::Entries => {
            let [lo, hi] = [window.lo, window.hi].map(|edge| windows.edges[edge].ordinal);
            count(window.span.map_or(hi, |_| hi - lo) as i64)
        }
        Read::Count { at } => count(linear::count(words, at)),
        Read::Sums { at, precision, read } => linear::read_sums(words, at, precision, read).map(Value::Float),
        Read::GeometricMean { at } => logarithms::geometric_mean(&words[at..]).map(Value::Float),
        Read::Derived { index, form, read } => {
            let layout = &window.derived[index];
            let summary = &windows.derived[window.derived_at + index].current;
            match read {
                DerivedRead::Values => summary.values(layout, form),
                DerivedRead::Row => row_value(summary, form, as_of),
                DerivedRead::TimeSince => time_since(summary, as_of),
                DerivedRead::Decayed => {
                    let end = features.edges[window.hi].bound(as_of.time, as_of.stream);
                    decayed(layout, summary, end)
                }
                _ => of_multiset(summary, form, read),
            }
        }
    }
}

/// What the newest row says. A transaction that came so late that rows of its time are no longer known does not see a later one.
fn row_value(summary: &Summary, form: Form, as_of: AsOf) -> Option<Value> {
    match summary {
        Summary::Row(Some((time, Some(cell)))) if *time <= as_of.time => Some(form.of_cell(cell)),
        _ => None,
    }
}

/// Seconds from the kept time to the transaction.
fn time_since(summary: &Summary, as_of: AsOf) -> Option<Value> {
    match summary {
        Summary::Last(Some((_, Cell::Word(last)))) => {
            Some(Value::Float(as_of.time.saturating_sub(*last) as f64 / SECOND))
        }
        _ => None,
    }
}

/// The decayed sum as of a window's end.
fn decayed(layout: &DerivedLayout, summary: &Summary, end: i64) -> Option<Value> {
    match (summary, layout.kind) {
        (Summary::Decayed(decay), DerivedKind::Decayed { half_life, .. }) => {
            decay.as_of(end, half_life).map(Value::Float)
        }
        _ => None,
    }
}

/// What is read off the values regardless of their order in the log.
fn of_multiset(summary: &Summary, form: Form, read: DerivedRead) -> Option<Value> {
    match (summary, read) {
        (Summary::Distinct(counts), DerivedRead::Distinct) if !counts.is_empty() => {
            Some(Value::Int(counts.len() as i64))
        }
        (Summary::Frequencies(values), DerivedRead::Frequencies(read)) => values.read(read, form),
        (Summary::Sorted(sorted), DerivedRead::Quantile(q)) => quantile(q, sorted.len(), |rank| {
            sorted.get(rank).map_or(0.0, |word| form.number_of_word(word))
        }),
        _ => None,
    }
}

/// Linear interpolation between the two order statistics around rank q · (n − 1), from the nearer one,
/// as numpy does.
fn quantile(q: f64, len: usize, get: impl Fn(usize) -> f64) -> Option<Value> {
    let last = len.checked_sub(1)?;
    let rank = q * last as f64;
    let below = rank.floor();
    let fraction = rank - below;
    let (a, b) = (get(below as usize), get((below as usize + 1).min(last)));
    let value = if fraction < 0.5 {
        a + (b - a) * fraction
    } else {
        b - (b - a) * (1.0 - fraction)
    };
    Some(Value::Float(value))
}
