//! Features read off their windows' accumulators.

use crate::derived::{Summary, from_key};
use crate::entry::Cell;
use crate::layout::{DerivedKind, DerivedLayout, EntityFeatures, Form, Output, Read};
use crate::linear;
use crate::number::from_ordered;
use crate::windows::{AsOf, Windows};
use compact_str::CompactString;
use riskstream_events::{Row, Value};

/// Microseconds in a second.
const SECOND: f64 = 1e6;

/// Writes every feature into its slot. The windows stand as of `as_of` and their derived accumulators
/// are valid.
pub(crate) fn write_features(features: &EntityFeatures, windows: &Windows, as_of: AsOf, row: &mut Row) {
    for output in &features.outputs {
        let value = read(features, windows, output, as_of);
        row[output.slot] = value.unwrap_or_else(|| output.empty.clone());
    }
}

/// `None` if nothing counts.
#[inline]
fn read(features: &EntityFeatures, windows: &Windows, output: &Output, as_of: AsOf) -> Option<Value> {
    let window = &features.windows[output.window];
    let words = &windows.words[window.words()];
    let count = |count: i64| (count > 0).then_some(Value::Int(count));
    match output.read {
        Read::Entries => {
            let [lo, hi] = [window.lo, window.hi].map(|edge| windows.edges[edge].ordinal);
            count(window.span.map_or(hi, |_| hi - lo) as i64)
        }
        Read::Count { at } => count(linear::count(words, at)),
        Read::Sum { at, scale } => linear::sum(words, at, scale).map(Value::Float),
        Read::Mean { at, scale } => linear::mean(words, at, scale).map(Value::Float),
        Read::Variance { at, scale } => linear::variance(words, at, scale).map(Value::Float),
        Read::Deviation { at, scale } => {
            linear::variance(words, at, scale).map(|variance| Value::Float(variance.sqrt()))
        }
        _ => read_derived(features, windows, output, as_of),
    }
}

fn read_derived(features: &EntityFeatures, windows: &Windows, output: &Output, as_of: AsOf) -> Option<Value> {
    let window = &features.windows[output.window];
    let summary = |derived: usize| {
        let layout = &window.derived[derived - window.derived_at];
        (layout, &windows.derived[derived].current)
    };
    match output.read {
        Read::Values { derived, form } => {
            let (layout, summary) = summary(derived);
            values(layout, summary, form)
        }
        Read::TimeSince { derived } => match summary(derived).1 {
            Summary::Last(Some((_, Cell::Word(last)))) => {
                Some(Value::Float(as_of.time.saturating_sub(*last) as f64 / SECOND))
            }
            _ => None,
        },
        Read::Distinct { derived } => match summary(derived).1 {
            Summary::Distinct(counts) if !counts.is_empty() => Some(Value::Int(counts.len() as i64)),
            _ => None,
        },
        Read::Top { derived, k, form } => match summary(derived).1 {
            Summary::Top(top) => list(top.values().take(k), form),
            _ => None,
        },
        Read::Quantile { derived, q, form } => match summary(derived).1 {
            Summary::Sorted(sorted) => quantile(q, sorted.len(), |rank| {
                sorted.get(rank).map_or(0.0, |word| float(word, form))
            }),
            _ => None,
        },
        Read::Decayed { derived } => {
            let (layout, summary) = summary(derived);
            let end = features.edges[window.hi].bound(as_of.time, as_of.stream);
            match (summary, layout.kind) {
                (Summary::Decayed(decay), DerivedKind::Decayed { half_life, .. }) => {
                    decay.as_of(end, half_life).map(Value::Float)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn values(layout: &DerivedLayout, summary: &Summary, form: Form) -> Option<Value> {
    match summary {
        Summary::Extreme(queue) => queue.front().map(|&(_, key)| from_word(from_key(layout, key), form)),
        Summary::Best(best) => best.map(|key| from_word(from_key(layout, key), form)),
        Summary::First(value) | Summary::Last(value) => value.as_ref().map(|(_, cell)| from_cell(cell, form)),
        Summary::LastK(cells) => list(cells.iter().rev().map(|(_, cell)| cell), form),
        _ => None,
    }
}

/// A list, or none if it would be empty.
fn list<'a>(cells: impl Iterator<Item = &'a Cell>, form: Form) -> Option<Value> {
    let values: Vec<Value> = cells.map(|cell| from_cell(cell, form)).collect();
    (!values.is_empty()).then(|| Value::List(values.into()))
}

pub(crate) fn from_cell(cell: &Cell, form: Form) -> Value {
    match cell {
        Cell::Word(word) => from_word(*word, form),
        Cell::Text(text) => Value::Text(CompactString::clone(text)),
    }
}

pub(crate) fn from_word(word: i64, form: Form) -> Value {
    match form {
        Form::Float => Value::Float(from_ordered(word)),
        Form::Bool => Value::Bool(word != 0),
        Form::Timestamp => Value::Timestamp(word),
        Form::Int | Form::Text => Value::Int(word),
    }
}

fn float(word: i64, form: Form) -> f64 {
    if form == Form::Float {
        from_ordered(word)
    } else {
        word as f64
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
