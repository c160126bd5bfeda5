//! A naive model of an entity: it keeps every event and recomputes each feature from the definition.
#![allow(dead_code, reason = "each test uses a part")]

pub mod generated;

use riskstream_events::{Row, Slot, Value, ValueType};
use riskstream_expressions::{Expression, Scope};
use riskstream_features::state::{MemoryState, StateStore, StateWrites};
use riskstream_features::{
    Aggregation, Applied, EntityFeatures, EntitySpec, EntityStates, FeatureSpec, InputSpec, Precision,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub const TIME: Slot = 0;
pub const ID: Slot = 1;
pub const AMOUNT: Slot = 2;
pub const ITEMS: Slot = 3;
pub const SHOP: Slot = 4;
pub const ABROAD: Slot = 5;
pub const FRAUD: Slot = 6;
/// The first slot of features.
pub const OUTPUT: Slot = 7;

/// The types of a row's fields, followed by as many features as there are.
pub fn types(features: usize) -> Vec<ValueType> {
    use ValueType::{Bool, Float, Int, Text, Timestamp};
    let mut types = vec![Timestamp, Text, Float, Int, Text, Bool, Bool];
    types.extend(std::iter::repeat_n(Float, features));
    types
}

pub fn condition(source: &str) -> Expression {
    let mut scope = Scope::new();
    scope.add("amount", AMOUNT, ValueType::Float);
    scope.add("abroad", ABROAD, ValueType::Bool);
    scope.add("fraud", FRAUD, ValueType::Bool);
    Expression::compile(source, &scope).expect("the condition is valid")
}

pub fn feature(aggregation: Aggregation, value: Option<Slot>, window: Option<i64>) -> FeatureSpec {
    FeatureSpec {
        name: aggregation.name().into(),
        output: OUTPUT,
        aggregation,
        input: 0,
        value,
        condition: None,
        window,
        delay: 0,
        include_current: true,
        empty: None,
        precision: Precision::MILLIONTH,
    }
}

/// The states of an entity.
pub fn states(spec: &EntitySpec) -> EntityStates {
    let compiled = EntityFeatures::compile(spec, &types(spec.features.len())).expect("the spec is valid");
    EntityStates::new(Arc::new(compiled))
}

/// An entity with transactions and labels; the features' outputs are numbered in order.
pub fn spec(mut features: Vec<FeatureSpec>) -> EntitySpec {
    for (index, feature) in features.iter_mut().enumerate() {
        feature.output = OUTPUT + index;
    }
    let input = InputSpec {
        event_time: TIME,
        id: Some(ID),
    };
    EntitySpec {
        name: "card".into(),
        features,
        inputs: vec![input, input],
        ..EntitySpec::default()
    }
}

pub fn row(time: i64, id: &str, features: usize) -> Row {
    let mut row = vec![Value::Null; OUTPUT + features];
    row[TIME] = Value::Timestamp(time);
    row[ID] = Value::Text(id.into());
    row
}

/// All bytes of a store.
pub fn bytes(store: &MemoryState) -> Vec<(Vec<u8>, Vec<u8>)> {
    store.scan(&[]).expect("memory can be read")
}

/// Collects, writes and confirms.
pub fn commit(states: &mut riskstream_features::EntityStates, store: &mut MemoryState) {
    let mut writes = StateWrites::default();
    states.collect(&mut writes);
    store.write(&writes, 0).expect("memory can be written");
    states.written();
}

/// Spills what does not fit the cache, and writes.
pub fn spill(states: &mut riskstream_features::EntityStates, store: &mut MemoryState) {
    let mut writes = StateWrites::default();
    let cache_bytes = states.features().cache_bytes();
    states.spill(cache_bytes, &mut writes);
    store.write(&writes, 0).expect("memory can be written");
}

/// Everything that was ever inserted, for all entities.
#[derive(Clone, Debug, Default)]
pub struct Naive {
    stream: i64,
    entities: BTreeMap<String, [Vec<Entry>; 2]>,
}

#[derive(Clone, Debug)]
struct Entry {
    time: i64,
    id: Value,
    row: Row,
}

/// What a window of the model ends with.
struct AsOf<'a> {
    time: i64,
    /// Transactions up to here come before the evaluated one, in the log's order.
    before: usize,
    /// The transaction itself.
    current: &'a Entry,
}

impl Naive {
    pub fn new() -> Self {
        Naive {
            stream: i64::MIN,
            entities: BTreeMap::new(),
        }
    }

    pub fn stream(&self) -> i64 {
        self.stream
    }

    /// What [`riskstream_features::EntityStates::apply`] should give.
    pub fn apply(&mut self, spec: &EntitySpec, key: &str, input: u8, row: &mut Row) -> Applied {
        let Value::Timestamp(time) = row[TIME] else {
            panic!("a time")
        };
        if input == 0 {
            self.stream = self.stream.max(time);
        }
        let stream = self.stream;
        let logs = self.entities.entry(key.into()).or_default();
        let entry = Entry {
            time,
            id: row[ID].clone(),
            row: row.clone(),
        };
        let mut applied = Applied {
            late_by: stream.saturating_sub(time).max(0),
            inexact: spec
                .features
                .iter()
                .any(|f| f.input == input && is_inexact(f, &entry.row)),
            ..Applied::default()
        };

        let log = &logs[usize::from(input)];
        let remembers = |e: &Entry| e.time > stream.saturating_sub(spec.dedupe);
        let near = |e: &Entry| input == 0 || (e.time - time).abs() < spec.dedupe;
        let recent = |e: &Entry| spec.dedupe > 0 && remembers(e) && near(e);
        let first = log
            .iter()
            .rposition(|e| recent(e) && e.id == entry.id && !e.id.is_null());
        let position = log.iter().position(|e| e.time > time).unwrap_or(log.len());
        let as_of = if let Some(first) = first {
            applied.duplicate = true;
            AsOf {
                time: log[first].time,
                before: first,
                current: &log[first].clone(),
            }
        } else {
            applied.inserted = time >= stream.saturating_sub(spec.lateness);
            // A label that no feature uses misses nothing.
            let is_used = input == 0 || spec.features.iter().any(|feature| feature.input == input);
            applied.too_late = !applied.inserted && is_used;
            AsOf {
                time,
                before: position,
                current: &entry,
            }
        };
        if input == 0 {
            for feature in &spec.features {
                row[feature.output] = evaluate(spec, feature, logs, &as_of, stream);
            }
        }
        // The newest of all is never dropped here.
        applied.overtaken = input == 0 && !applied.duplicate && logs[0].last().is_some_and(|newest| newest.time > time);
        if applied.inserted {
            logs[usize::from(input)].insert(position, entry);
        }
        applied
    }
}

/// The farthest any feature reaches back.
fn reach(spec: &EntitySpec) -> i64 {
    spec.features
        .iter()
        .map(|f| f.window.unwrap_or(0) + f.delay)
        .max()
        .unwrap_or(0)
}

fn evaluate(spec: &EntitySpec, feature: &FeatureSpec, logs: &[Vec<Entry>; 2], as_of: &AsOf<'_>, stream: i64) -> Value {
    let horizon = spec.lateness.max(spec.dedupe);
    let retention = (reach(spec) + horizon + 1).max(spec.keep);
    let end = as_of.time - feature.delay;
    let (after, through) = match feature.window {
        Some(window) => ((end - window).max(stream - retention), end.max(stream - retention)),
        None => (i64::MIN, end.max(stream - horizon - feature.delay - 1)),
    };
    let at_current = feature.input == 0 && feature.delay == 0;
    let log = &logs[usize::from(feature.input)];
    let mut entries: Vec<&Entry> = Vec::new();
    for (index, entry) in log.iter().enumerate() {
        // Without a window, what settled long ago counts even for an event from before it.
        let settled = feature.window.is_none() && entry.time < stream - horizon - feature.delay;
        let ends = if at_current {
            index < as_of.before || settled
        } else {
            entry.time <= through
        };
        if entry.time > after && ends {
            entries.push(entry);
        }
    }
    let counts_itself = feature.include_current && feature.aggregation != Aggregation::TimeSinceLast;
    if at_current && counts_itself && !(entries.iter().any(|e| std::ptr::eq(*e, as_of.current))) {
        entries.push(as_of.current);
    }
    if let Some(condition) = &feature.condition {
        entries.retain(|entry| condition.is_true(&entry.row));
    }
    aggregate(feature, &entries, as_of.time, through).unwrap_or_else(|| empty(feature, feature.aggregation))
}

fn empty(feature: &FeatureSpec, aggregation: Aggregation) -> Value {
    feature.empty.clone().unwrap_or(match aggregation {
        Aggregation::Count | Aggregation::Distinct => Value::Int(0),
        Aggregation::Sum | Aggregation::DecayedCount { .. } | Aggregation::DecayedSum { .. } => Value::Float(0.0),
        _ => Value::Null,
    })
}

fn aggregate(feature: &FeatureSpec, entries: &[&Entry], time: i64, through: i64) -> Option<Value> {
    let mut entries = entries.to_vec();
    let value = feature.value.filter(|_| !ignores_value(feature.aggregation));
    if let Some(slot) = value {
        entries.retain(|entry| !entry.row[slot].is_null() && !is_left_out(feature, &entry.row[slot]));
    }
    let values: Vec<&Value> = match value {
        Some(slot) => entries.iter().map(|entry| &entry.row[slot]).collect(),
        None => Vec::new(),
    };
    let is_float = values.iter().any(|value| matches!(value, Value::Float(_)));
    let scale = match is_float {
        true => (1.0 / feature.precision.unit()).round() as i64,
        false => 1,
    };
    let units = || values.iter().map(|value| fixed(value, scale));
    let sum: i128 = units().sum();
    let n = values.len() as i128;
    let numbers = || values.iter().filter_map(|value| value.as_number());
    let float = |value: f64| Some(Value::Float(value));
    match feature.aggregation {
        _ if entries.is_empty() => None,
        Aggregation::Count => Some(Value::Int(entries.len() as i64)),
        Aggregation::Sum => float(sum as f64 / scale as f64),
        Aggregation::Mean => float(sum as f64 / (n as f64 * scale as f64)),
        Aggregation::GeometricMean => float(geometric_mean(numbers())?),
        Aggregation::Variance => float(variance(sum, units().map(|x| x * x).sum(), n, scale)?),
        Aggregation::StandardDeviation => float(variance(sum, units().map(|x| x * x).sum(), n, scale)?.sqrt()),
        Aggregation::Skewness => float(skewness(&deviations(units()))?),
        Aggregation::Kurtosis => float(kurtosis(&deviations(units()))?),
        Aggregation::Min => extreme(&values, |a, b| a < b),
        Aggregation::Max => extreme(&values, |a, b| a > b),
        Aggregation::Distinct => Some(Value::Int(frequencies(&values).len() as i64)),
        Aggregation::First => values.first().map(|&value| value.clone()),
        Aggregation::FirstK(k) => Some(Value::List(values.iter().take(k).map(|&value| value.clone()).collect())),
        Aggregation::Last => values.last().map(|&value| value.clone()),
        Aggregation::LastK(k) => Some(Value::List(
            values.iter().rev().take(k).map(|&value| value.clone()).collect(),
        )),
        Aggregation::Mode => most_frequent(&values).first().map(|(value, _)| (*value).clone()),
        Aggregation::TopK(k) => {
            let all = most_frequent(&values);
            Some(Value::List(
                all.iter().take(k).map(|(value, _)| (*value).clone()).collect(),
            ))
        }
        Aggregation::BottomK(k) => {
            let mut all = frequencies(&values);
            all.sort_by(|a, b| a.1.cmp(&b.1).then(compare(a.0, b.0)));
            Some(Value::List(
                all.iter().take(k).map(|(value, _)| (*value).clone()).collect(),
            ))
        }
        Aggregation::Histogram(k) => {
            let all = most_frequent(&values);
            Some(Value::List(
                all.iter().take(k).map(|(_, count)| Value::Int(*count as i64)).collect(),
            ))
        }
        Aggregation::Row => unreachable!("tables have a model of their own"),
        Aggregation::TimeSinceLast => float((time - entries.last()?.time) as f64 / 1e6),
        Aggregation::Quantile(q) => {
            let mut sorted: Vec<f64> = numbers().collect();
            sorted.sort_by(f64::total_cmp);
            let rank = q * (sorted.len() - 1) as f64;
            let low = sorted[rank.floor() as usize];
            let high = sorted[rank.ceil() as usize];
            float(low + (high - low) * rank.fract())
        }
        Aggregation::DecayedCount { half_life } => {
            let weights = entries.iter().map(|e| decay(through - e.time, half_life));
            float(weights.sum())
        }
        Aggregation::DecayedSum { half_life } => {
            let weights = entries.iter().map(|e| decay(through - e.time, half_life));
            float(weights.zip(units()).map(|(w, x)| w * x as f64 / scale as f64).sum())
        }
    }
}

/// Plain counts include events without a value.
fn ignores_value(aggregation: Aggregation) -> bool {
    matches!(aggregation, Aggregation::Count | Aggregation::DecayedCount { .. })
}

/// Whether a value is not finite, or too large for sums of 64-bit integers.
fn is_left_out(feature: &FeatureSpec, value: &Value) -> bool {
    let Value::Float(number) = value else { return false };
    let is_too_large = (number / feature.precision.unit()).abs() >= 2f64.powi(63);
    !number.is_finite() || feature.aggregation.is_fixed_point() && is_too_large
}

/// Whether the feature leaves out its value in a row, or rounds it to 0.
fn is_inexact(feature: &FeatureSpec, row: &Row) -> bool {
    let Some(value) = feature.value.map(|slot| &row[slot]) else {
        return false;
    };
    let vanishes = |number: f64| number != 0.0 && (number / feature.precision.unit()).round_ties_even() == 0.0;
    let rounds_to_zero =
        matches!(value, Value::Float(number) if feature.aggregation.is_fixed_point() && vanishes(*number));
    !ignores_value(feature.aggregation) && (is_left_out(feature, value) || rounds_to_zero)
}

fn fixed(value: &Value, scale: i64) -> i128 {
    match value {
        Value::Float(number) => (number * scale as f64).round_ties_even() as i128,
        Value::Int(number) => i128::from(*number),
        Value::Bool(truth) => i128::from(*truth),
        _ => 0,
    }
}

fn variance(sum: i128, squares: i128, n: i128, scale: i64) -> Option<f64> {
    (n > 1).then(|| {
        let numerator = (n * squares - sum * sum) as f64;
        numerator / (n as f64 * (n - 1) as f64) / (scale as f64 * scale as f64)
    })
}

/// By the standard library's natural logarithm.
fn geometric_mean(numbers: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let is_defined = numbers.clone().all(|x| x >= 0.0);
    let count = numbers.clone().count() as f64;
    is_defined.then(|| (numbers.map(f64::ln).sum::<f64>() / count).exp())
}

/// The values' deviations from their mean.
fn deviations(units: impl Iterator<Item = i128>) -> Vec<f64> {
    let units: Vec<i128> = units.collect();
    let n = units.len() as i128;
    let sum: i128 = units.iter().sum();
    units.iter().map(|x| (n * x - sum) as f64 / n as f64).collect()
}

/// The mean of the deviations to the power `of`.
fn moment(deviations: &[f64], of: i32) -> f64 {
    deviations.iter().map(|x| x.powi(of)).sum::<f64>() / deviations.len() as f64
}

fn skewness(deviations: &[f64]) -> Option<f64> {
    let n = deviations.len() as f64;
    let spread = moment(deviations, 2);
    let is_defined = n >= 3.0 && spread > 0.0;
    is_defined.then(|| (n * (n - 1.0)).sqrt() / (n - 2.0) * moment(deviations, 3) / spread.powf(1.5))
}

fn kurtosis(deviations: &[f64]) -> Option<f64> {
    let n = deviations.len() as f64;
    let spread = moment(deviations, 2);
    let excess = moment(deviations, 4) / (spread * spread) - 3.0;
    let is_defined = n >= 4.0 && spread > 0.0;
    is_defined.then(|| (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * excess + 6.0))
}

fn decay(age: i64, half_life: i64) -> f64 {
    2f64.powf(-(age.max(0) as f64) / half_life as f64)
}

fn compare(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => a.as_number().partial_cmp(&b.as_number()).expect("finite numbers"),
    }
}

fn extreme(values: &[&Value], better: impl Fn(f64, f64) -> bool) -> Option<Value> {
    let number = |value: &Value| value.as_number().expect("a number");
    values
        .iter()
        .copied()
        .reduce(|best, value| {
            if better(number(value), number(best)) {
                value
            } else {
                best
            }
        })
        .cloned()
}

/// The most frequent first, of equally frequent values the lesser first.
fn most_frequent<'a>(values: &[&'a Value]) -> Vec<(&'a Value, usize)> {
    let mut all = frequencies(values);
    all.sort_by(|a, b| b.1.cmp(&a.1).then(compare(a.0, b.0)));
    all
}

fn frequencies<'a>(values: &[&'a Value]) -> Vec<(&'a Value, usize)> {
    let mut found: Vec<(&Value, usize)> = Vec::new();
    for value in values {
        match found.iter_mut().find(|(known, _)| known == value) {
            Some((_, count)) => *count += 1,
            None => found.push((value, 1)),
        }
    }
    found
}
