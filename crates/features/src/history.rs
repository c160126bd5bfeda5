//! The events of one entity, kept whole, and the features of its transactions computed from them anew: what an audit lists, and
//! compares with what the state gave.
//!
//! Which events a window holds is worked out from the specification, not from the state's edges and cursors. Their values go into
//! empty accumulators.

use crate::accumulator::DerivedRead;
use crate::aggregation::Operand;
use crate::cell::{Cell, Form};
use crate::entity::Applied;
use crate::entity_log::Cursor;
use crate::entry::EntryBuffer;
use crate::layout::{Column, EntityFeatures, NumberKind, Read};
use crate::read::read;
use crate::spec::FeatureSpec;
use crate::windows::{AsOf, Windows};
use compact_str::CompactString;
use riskstream_events::{Row, Value};
use std::sync::Arc;

/// See the module.
#[derive(Clone)]
pub struct EntityHistory {
    features: Arc<EntityFeatures>,
    /// By input, in order of event time; events of equal time in order of arrival.
    logs: Vec<Vec<StoredEvent>>,
}

/// An event as it entered the state.
#[derive(Clone)]
struct StoredEvent {
    id: CompactString,
    entry: EntryBuffer,
}

impl StoredEvent {
    fn time(&self) -> i64 {
        self.entry.entry().time()
    }
}

/// A window of a transaction: its edges, its events, and what each feature makes of them. Times in microseconds.
#[derive(Clone, Debug)]
pub struct WindowContent {
    /// The input whose events it holds: 0 for the transactions.
    pub input: u8,
    /// Its width; none is unlimited.
    pub width: Option<i64>,
    /// How far its end lies behind the transaction.
    pub delay: i64,
    /// Events after this time are in it; none if it is unlimited.
    pub after: Option<i64>,
    /// Events up to this time are in it. Of transactions at the time of the one that is evaluated, those before it in the log are.
    pub through: i64,
    /// Whether the transaction itself is in it.
    pub holds_itself: bool,
    /// Whether its edges are later than its width says: the transaction came so late that older events may have been dropped.
    pub is_cut: bool,
    /// Its events, the oldest first.
    pub events: Vec<WindowEvent>,
    /// The features over it.
    pub features: Vec<FeatureContent>,
}

/// An event in a window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowEvent {
    /// Its id; empty if it has none.
    pub id: CompactString,
    /// Its event time in microseconds.
    pub time: i64,
}

/// A feature as it was computed anew.
#[derive(Clone, Debug)]
pub struct FeatureContent {
    /// Its index among the features of [`EntityFeatures::spec`].
    pub feature: usize,
    /// What entered of each event of the window; none if it does not count: its condition does not hold, or it has no value.
    pub entered: Vec<Option<Value>>,
    /// Its value.
    pub value: Value,
}

impl EntityHistory {
    /// No event yet.
    pub fn new(features: &Arc<EntityFeatures>) -> EntityHistory {
        EntityHistory {
            features: Arc::clone(features),
            logs: features.inputs.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// Adds an event that the state has inserted. Events have to be added in the order in which they were applied.
    pub fn add(&mut self, input: u8, id: &str, row: &Row) {
        let Some(past) = self.past(input, id, row) else { return };
        let log = &mut self.logs[usize::from(input)];
        let at = log.partition_point(|before| before.time() <= past.time());
        log.insert(at, past);
    }

    /// The windows of a transaction that was applied last. `stream_time`: the largest event time of a transaction that the task
    /// has seen, this one included.
    pub fn windows(&self, id: &str, row: &Row, applied: &Applied, stream_time: i64) -> Vec<WindowContent> {
        let Some(current) = self.past(0, id, row) else {
            return Vec::new();
        };
        let log = &self.logs[0];
        let found = match applied {
            _ if applied.duplicate => log.iter().rposition(|past| past.id == id),
            _ if applied.inserted => Some(log.partition_point(|past| past.time() <= current.time()) - 1),
            _ => None,
        };
        let point = EvaluationPoint {
            time: found.map_or(current.time(), |at| log[at].time()),
            before: found.unwrap_or_else(|| log.partition_point(|past| past.time() <= current.time())),
            current: found.map_or(&current, |at| &log[at]),
            stream: stream_time,
        };
        let mut windows: Vec<WindowContent> = Vec::new();
        for (index, (spec, output)) in self
            .features
            .spec
            .features
            .iter()
            .zip(&self.features.outputs)
            .enumerate()
        {
            let events = self.events(spec, &point);
            let content = self.content(spec, &point, &events);
            let feature = FeatureContent {
                feature: index,
                entered: events.iter().map(|past| self.entered(index, past)).collect(),
                value: self
                    .value(index, &events, &content, &point)
                    .unwrap_or_else(|| output.empty.clone()),
            };
            let is_same = |known: &&mut WindowContent| {
                (known.input, known.width, known.delay, known.holds_itself)
                    == (content.input, content.width, content.delay, content.holds_itself)
            };
            match windows.iter_mut().find(is_same) {
                Some(known) => known.features.push(feature),
                None => windows.push(WindowContent {
                    features: vec![feature],
                    ..content
                }),
            }
        }
        windows
    }

    fn past(&self, input: u8, id: &str, row: &Row) -> Option<StoredEvent> {
        let mut entry = EntryBuffer::default();
        entry.read(&self.features.inputs[usize::from(input)], row).ok()?;
        Some(StoredEvent { id: id.into(), entry })
    }

    /// The times after and through which events are in a feature's window, if they were kept.
    fn edges(&self, spec: &FeatureSpec, point: &EvaluationPoint<'_>) -> (Option<i64>, i64) {
        let end = point.time.saturating_sub(spec.delay);
        match spec.window {
            Some(width) => {
                let kept = point.stream.saturating_sub(self.features.retention);
                (Some(end.saturating_sub(width).max(kept)), end.max(kept))
            }
            // What is so old that nothing can come before it any more counts, even for a transaction from before it.
            None => (None, end.max(self.settled(spec, point))),
        }
    }

    /// The time through which events have settled in an unlimited window.
    fn settled(&self, spec: &FeatureSpec, point: &EvaluationPoint<'_>) -> i64 {
        let horizon = self.features.horizon();
        point.stream.saturating_sub(horizon + spec.delay + 1)
    }

    /// The events in a feature's window, by the definition of [`FeatureSpec`].
    fn events<'e>(&'e self, spec: &FeatureSpec, point: &EvaluationPoint<'e>) -> Vec<&'e StoredEvent> {
        let (after, through) = self.edges(spec, point);
        let settled = match spec.window {
            Some(_) => i64::MIN,
            None => self.settled(spec, point),
        };
        let is_in = |(at, past): &(usize, &StoredEvent)| {
            let ends = match ends_at_current(spec) {
                true => *at < point.before || past.time() <= settled,
                false => past.time() <= through,
            };
            ends && after.is_none_or(|after| past.time() > after)
        };
        let log = self.logs[usize::from(spec.input)].iter().enumerate();
        let mut events: Vec<&StoredEvent> = log.filter(is_in).map(|(_, past)| past).collect();
        if holds_itself(spec) && !events.iter().any(|past| std::ptr::eq(*past, point.current)) {
            events.push(point.current);
        }
        events
    }

    fn content(&self, spec: &FeatureSpec, point: &EvaluationPoint<'_>, events: &[&StoredEvent]) -> WindowContent {
        let (after, through) = self.edges(spec, point);
        let end = point.time.saturating_sub(spec.delay);
        let event = |past: &&StoredEvent| WindowEvent {
            id: past.id.clone(),
            time: past.time(),
        };
        WindowContent {
            input: spec.input,
            width: spec.window,
            delay: spec.delay,
            after,
            through,
            holds_itself: holds_itself(spec),
            is_cut: through > end || after.is_some_and(|after| spec.window.is_some_and(|width| after > end - width)),
            events: events.iter().map(event).collect(),
            features: Vec::new(),
        }
    }

    /// What of an event enters the accumulator of a feature: the value that it aggregates, in the unit of sums, or 1.
    fn entered(&self, feature: usize, past: &StoredEvent) -> Option<Value> {
        let spec = &self.features.spec.features[feature];
        let layout = &self.features.inputs[usize::from(spec.input)];
        let (mask, column, form) = self.reads(feature);
        let entry = past.entry.entry();
        if !entry.meets(mask) {
            return None;
        }
        let Some(column) = column else {
            return Some(Value::Int(1));
        };
        Some(match (column, entry.cell(column)) {
            (Column::Word(word), Cell::Word(units)) if word >= crate::layout::HEADER => {
                match layout.numbers[word - crate::layout::HEADER].kind {
                    NumberKind::Fixed(precision) => Value::Float(precision.numbers(units as f64)),
                    NumberKind::Ordered => Form::Float.of_word(units),
                    NumberKind::Integer => form.of_word(units),
                }
            }
            (Column::Word(_), cell) => Form::Timestamp.of_cell(&cell),
            (Column::Text(_), cell) => Form::Text.of_cell(&cell),
        })
    }

    /// The flags that an entry must have to count for a feature, the column of its value if one is aggregated, and its form.
    fn reads(&self, feature: usize) -> (u64, Option<Column>, Form) {
        use crate::layout::LinearKind::{Count, Logarithms, PowerSums};
        let output = &self.features.outputs[feature];
        let window = &self.features.windows[output.window];
        let spec = &self.features.spec.features[feature];
        let linear = |at: usize| window.linear.iter().find(|linear| linear.at == at);
        match output.read {
            Read::Entries => (0, None, Form::Int),
            Read::Count { at } | Read::Sums { at, .. } | Read::GeometricMean { at } => {
                let Some(linear) = linear(at) else {
                    return (0, None, Form::Int);
                };
                match linear.kind {
                    Count => (linear.mask, None, Form::Int),
                    PowerSums { word, .. } if matches!(output.read, Read::Sums { .. }) => {
                        (linear.mask, Some(Column::Word(word)), Form::Int)
                    }
                    PowerSums { .. } => (linear.mask, None, Form::Int),
                    Logarithms { word, form } => (linear.mask, Some(Column::Word(word)), form),
                }
            }
            Read::Derived { index, form, read } => {
                let derived = &window.derived[index];
                let is_time = matches!(read, DerivedRead::TimeSince)
                    || (matches!(read, DerivedRead::Decayed) && !spec.aggregation.needs_value());
                match is_time {
                    true => (derived.mask, Some(Column::Word(0)), Form::Timestamp),
                    false => (derived.mask, Some(derived.column), form),
                }
            }
        }
    }

    /// The feature's value over these events; none if nothing counts.
    fn value(
        &self,
        feature: usize,
        events: &[&StoredEvent],
        content: &WindowContent,
        point: &EvaluationPoint<'_>,
    ) -> Option<Value> {
        let features = &*self.features;
        let output = &features.outputs[feature];
        let layout = &features.windows[output.window];
        let mut windows = Windows::new(features);
        for (ordinal, past) in (0..).zip(events) {
            windows.append(layout, ordinal, past.entry.entry());
        }
        windows.edges[layout.lo] = Cursor::unresolved(0);
        windows.edges[layout.hi] = Cursor::unresolved(events.len() as u64);
        let as_of = AsOf {
            time: point.time,
            stream: point.stream,
            settled: point.stream,
            place: None,
        };
        debug_assert!(content.through >= point.time.saturating_sub(layout.delay));
        read(features, &windows, output, as_of)
    }
}

/// The transaction that windows are evaluated for.
struct EvaluationPoint<'a> {
    time: i64,
    /// How many transactions come before it in the log.
    before: usize,
    current: &'a StoredEvent,
    stream: i64,
}

/// Whether the window ends with the transaction, not at an age.
fn ends_at_current(spec: &FeatureSpec) -> bool {
    spec.input == 0 && spec.delay == 0
}

fn holds_itself(spec: &FeatureSpec) -> bool {
    let is_earlier = spec.aggregation.definition().operand == Operand::EarlierEvents;
    ends_at_current(spec) && spec.include_current && !is_earlier
}
