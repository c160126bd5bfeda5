//! Constant lists, prepared for lookups.

use crate::error::ScopeError;
use compact_str::CompactString;
use riskstream_events::Value;
use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Lists of up to this many values are searched one by one; longer ones are hashed.
const FEW: usize = 8;

/// The values of a constant list of one type.
#[derive(Clone, Debug)]
pub(crate) enum Constants {
    Empty,
    Bool(Vec<bool>),
    Number { ints: Arc<Set<i64>>, floats: Arc<[f64]> },
    Text(Arc<Set<CompactString>>),
    Timestamp(Arc<Set<i64>>),
}

impl Constants {
    pub(crate) fn new(name: &str, values: &[Value]) -> Result<Self, ScopeError> {
        let mut first = None;
        for value in values {
            let kind = kind(value).map_err(|what| ScopeError::BadElement {
                name: name.to_owned(),
                what,
            })?;
            match *first.get_or_insert(kind) {
                first if first != kind => {
                    return Err(ScopeError::MixedList {
                        name: name.to_owned(),
                        first,
                        second: kind,
                    });
                }
                _ => {}
            }
        }
        Ok(match first {
            None => Constants::Empty,
            Some("bool") => Constants::Bool(
                values
                    .iter()
                    .filter_map(|v| if let Value::Bool(b) = v { Some(*b) } else { None })
                    .collect(),
            ),
            Some("text") => Constants::Text(Arc::new(Set::new(values.iter().filter_map(|v| match v {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            })))),
            Some("timestamp") => Constants::Timestamp(Arc::new(Set::new(
                values
                    .iter()
                    .filter_map(|v| if let Value::Timestamp(t) = v { Some(*t) } else { None }),
            ))),
            Some(_) => numbers(values),
        })
    }
}

fn kind(value: &Value) -> Result<&'static str, &'static str> {
    match value {
        Value::Null => Err("null"),
        Value::List(_) => Err("a list"),
        Value::Bool(_) => Ok("bool"),
        Value::Int(_) | Value::Float(_) => Ok("numbers"),
        Value::Text(_) => Ok("text"),
        Value::Timestamp(_) => Ok("timestamp"),
    }
}

/// An integer can equal only the whole numbers of the list, a float only those that a float holds exactly.
fn numbers(values: &[Value]) -> Constants {
    let ints = values.iter().filter_map(|value| match value {
        Value::Int(i) => Some(*i),
        Value::Float(f) => exact_int(*f),
        _ => None,
    });
    let mut floats: Vec<f64> = values
        .iter()
        .filter_map(|value| match value {
            Value::Int(i) => Some(*i as f64).filter(|f| exact_int(*f) == Some(*i)),
            Value::Float(f) => Some(*f).filter(|f| !f.is_nan()),
            _ => None,
        })
        .map(|f| f + 0.0) // -0.0 becomes 0.0
        .collect();
    floats.sort_by(f64::total_cmp);
    Constants::Number {
        ints: Arc::new(Set::new(ints)),
        floats: floats.into(),
    }
}

/// The integer equal to a float, if there is one.
pub(crate) fn exact_int(float: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0; // 2^63
    (float.trunc() == float && (-LIMIT..LIMIT).contains(&float)).then_some(float as i64)
}

/// Whether `sorted` (by `total_cmp`, without NaN and -0.0) holds `float`.
pub(crate) fn contains_float(sorted: &[f64], float: f64) -> bool {
    sorted.binary_search_by(|probe| probe.total_cmp(&(float + 0.0))).is_ok()
}

/// A set: a list if it has few values, a hash set if it has many.
#[derive(Clone, Debug)]
pub(crate) enum Set<T> {
    Few(Box<[T]>),
    Many(HashSet<T>),
}

impl<T: Eq + Hash> Set<T> {
    pub(crate) fn new(values: impl IntoIterator<Item = T>) -> Self {
        let values: Vec<T> = values.into_iter().collect();
        match values.len() {
            0..=FEW => Set::Few(values.into()),
            _ => Set::Many(values.into_iter().collect()),
        }
    }

    pub(crate) fn all(&self, holds: impl FnMut(&T) -> bool) -> bool {
        match self {
            Set::Few(values) => values.iter().all(holds),
            Set::Many(values) => values.iter().all(holds),
        }
    }

    /// In no order.
    pub(crate) fn for_each(&self, each: impl FnMut(&T)) {
        match self {
            Set::Few(values) => values.iter().for_each(each),
            Set::Many(values) => values.iter().for_each(each),
        }
    }

    #[inline]
    pub(crate) fn contains<Q: Eq + Hash + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        match self {
            Set::Few(values) => values.iter().any(|candidate| candidate.borrow() == value),
            Set::Many(values) => values.contains(value),
        }
    }
}
