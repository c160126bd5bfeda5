//! One entity's state in memory: its logs, and the windows over them. Between two events all windows lie as of the newest
//! transaction. To evaluate an earlier one they are moved back to it, and then forward again.

use crate::derived::Derived;
use crate::entity_log::{Cursor, EntityLog};
use crate::entry::{Entry, EntryBuffer};
use crate::layout::EntityFeatures;
use crate::read::write_features;
use crate::state::{StateError, StateStore};
use crate::windows::{AsOf, Logs, Place, Windows};
use compact_str::CompactString;
use riskstream_events::Row;
use std::ops::ControlFlow;

/// The result of applying an event. Times in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// How far the event lies behind stream time; 0 if it is on time.
    pub late_by: i64,
    /// Whether it is in the log, so that later features count it.
    pub inserted: bool,
    /// Whether its id was in the log already. Nothing changed then, and the features are those of the entry with this id.
    pub duplicate: bool,
    /// Whether it is too late to be inserted, and some feature uses events of its input. The features are as of its own time,
    /// as far as entries reach back. A row of an input whose features are [`Aggregation::Row`](crate::Aggregation::Row) is too
    /// late only if another one has taken its place before the oldest time that counts: rows hold until the next one, however
    /// old they are.
    pub too_late: bool,
    /// Whether it is a transaction, and a later one of the entity was applied before it; or a row, and a transaction of the
    /// entity from which on it holds was applied before it.
    pub overtaken: bool,
    /// Whether a feature aggregates a number of it that is NaN, infinite or too large for sums, and therefore left out as a
    /// null is, or so small that its precision rounds it to 0.
    pub inexact: bool,
}

/// What is needed to apply an event to an entity.
pub(crate) struct ApplyContext<'a> {
    pub(crate) features: &'a EntityFeatures,
    pub(crate) store: &'a dyn StateStore,
    /// For decoding entries.
    pub(crate) buffer: &'a mut EntryBuffer,
}

/// An event to be applied.
#[derive(Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) stream_time: i64,
    pub(crate) input: u8,
    pub(crate) entry: Entry<'a>,
}

impl Incoming<'_> {
    fn is_transaction(&self) -> bool {
        self.input == 0
    }
}

/// Number of parts of [`Entity::touch`].
pub(crate) const PARTS: usize = 4;

/// An entity.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) key: CompactString,
    /// Stream time when it last changed; `i64::MIN` if there was none.
    pub(crate) stream: i64,
    /// Event time of the newest transaction; `i64::MIN` if there was none.
    pub(crate) newest: i64,
    /// One for each input.
    pub(crate) logs: Box<[EntityLog]>,
    pub(crate) windows: Windows,
}

impl Entity {
    /// An entity without events.
    pub(crate) fn new(features: &EntityFeatures, key: &str) -> Self {
        Entity {
            key: key.into(),
            stream: i64::MIN,
            newest: i64::MIN,
            logs: features.inputs.iter().map(|_| EntityLog::new()).collect(),
            windows: Windows::new(features),
        }
    }

    /// Applies an event. If it is a transaction, writes its features into its row.
    pub(crate) fn apply(
        &mut self,
        context: ApplyContext<'_>,
        event: Incoming<'_>,
        row: &mut Row,
    ) -> Result<Applied, StateError> {
        let features = context.features;
        let time = event.entry.time();
        let mut stream = event.stream_time.max(self.stream);
        if event.is_transaction() {
            stream = stream.max(time);
        }
        let late_by = event.stream_time.saturating_sub(time).max(0);
        let is_row = features.inputs[usize::from(event.input)].is_of_rows;
        let overtaken = (event.is_transaction() && time < self.newest) || (is_row && time <= self.newest);
        let (mut logs, mut rest) = self.split(context);
        if let Some(first) = first(&mut logs, event, stream)? {
            if event.is_transaction() {
                rest.evaluate_again(&mut logs, stream, first, row)?;
            }
            return Ok(Applied {
                late_by,
                duplicate: true,
                ..Applied::default()
            });
        }
        if is_row && time < stream.saturating_sub(features.horizon()) {
            let is_newest = rest.settle_row(&mut logs, event, stream)?;
            return Ok(Applied {
                late_by,
                inserted: is_newest,
                too_late: !is_newest,
                overtaken,
                ..Applied::default()
            });
        }
        if !is_row && time < stream.saturating_sub(features.lateness) {
            if event.is_transaction() {
                rest.evaluate_apart(&mut logs, stream, event.entry, row)?;
            }
            return Ok(Applied {
                late_by,
                // A label that no feature uses misses nothing.
                too_late: features.inputs[usize::from(event.input)].is_used,
                overtaken,
                ..Applied::default()
            });
        }
        rest.insert(&mut logs, event, stream, row)?;
        for (log, layout) in self.logs.iter_mut().zip(&features.inputs) {
            log.drop_through(stream.saturating_sub(features.retention), layout)?;
        }
        Ok(Applied {
            late_by,
            inserted: true,
            overtaken,
            ..Applied::default()
        })
    }

    /// The logs, and the rest of the entity.
    #[inline]
    fn split<'a>(&'a mut self, context: ApplyContext<'a>) -> (Logs<'a>, EntityParts<'a>) {
        let logs = Logs {
            features: context.features,
            logs: &mut self.logs,
            key: &self.key,
            store: context.store,
            buffer: context.buffer,
        };
        let above = EntityParts {
            stream: &mut self.stream,
            newest: &mut self.newest,
            windows: &mut self.windows,
        };
        (logs, above)
    }

    /// Copies the carried slots of the transaction with this id into `row`, a label's. False if the log does not have it, or
    /// if it is older than entries are kept as of `time`, the label's event time.
    pub(crate) fn complete(
        &mut self,
        context: ApplyContext<'_>,
        time: i64,
        id: u64,
        row: &mut Row,
    ) -> Result<bool, StateError> {
        let features = context.features;
        let as_of = self.stream.max(time.saturating_sub(1));
        let after = as_of.saturating_sub(features.retention);
        let (mut logs, _) = self.split(context);
        let (log, source, buffer) = logs.of(0);
        let found = log.find(id, after, i64::MAX, source)?;
        let Some(ordinal) = found else { return Ok(false) };
        let layout = &features.inputs[0];
        let cursor = Cursor::unresolved(ordinal);
        log.visit(cursor, ordinal + 1, source, buffer, |_, entry| {
            for &(slot, column, form) in &layout.carried {
                let is_present = entry.meets(layout.present(column));
                let cell = is_present.then(|| form.of_cell(&entry.cell(column)));
                row[slot] = cell.unwrap_or_default();
            }
            ControlFlow::Continue(())
        })?;
        Ok(true)
    }

    /// Prefetches one part of the entity into the processor's cache by reading from it. Each part is found through the
    /// parts before. The result has no meaning.
    #[inline]
    pub(crate) fn touch(&self, features: &EntityFeatures, part: usize) -> i64 {
        match part {
            0 => self.stream ^ self.newest ^ self.windows.words.len() as i64,
            1 => {
                let logs = self
                    .logs
                    .iter()
                    .zip(&features.inputs)
                    .filter(|(_, layout)| layout.is_used);
                let logs = logs.fold(0, |sum, (log, _)| sum ^ log.touch_outline());
                let edges = self.windows.edges.iter().step_by(2);
                let words = self.windows.words.iter().step_by(8);
                edges.fold(logs, |sum, edge| sum ^ edge.time) ^ words.fold(0, |sum, word| sum ^ word)
            }
            2 => {
                let logs = self
                    .logs
                    .iter()
                    .zip(&features.inputs)
                    .filter(|(_, layout)| layout.is_used);
                logs.fold(0, |sum, (log, _)| sum ^ log.touch_ends())
            }
            _ => features
                .edges
                .iter()
                .zip(&self.windows.edges)
                .fold(0, |sum, (edge, cursor)| sum ^ self.logs[edge.input].touch(*cursor)),
        }
    }

    /// Frees chunks that can be read from the store again.
    pub(crate) fn release(&mut self) {
        self.logs.iter_mut().for_each(EntityLog::release);
    }

    /// Approximate memory in bytes.
    pub(crate) fn memory(&self) -> usize {
        let heap = if self.key.is_heap_allocated() {
            self.key.len()
        } else {
            0
        };
        size_of::<Entity>()
            + heap
            + self.logs.iter().map(EntityLog::memory).sum::<usize>()
            + size_of_val(&*self.windows.edges)
            + size_of_val(&*self.windows.words)
            + self.windows.derived.iter().map(Derived::memory).sum::<usize>()
    }
}

/// The parts of an entity other than its logs.
struct EntityParts<'a> {
    stream: &'a mut i64,
    newest: &'a mut i64,
    windows: &'a mut Windows,
}

/// The ordinal of the entry that an event duplicates. Labels may come in any order, before and after their time. So what a
/// label duplicates depends on its own event time.
#[inline]
fn first(logs: &mut Logs<'_>, event: Incoming<'_>, stream: i64) -> Result<Option<u64>, StateError> {
    let dedupe = logs.features.dedupe;
    let id = event.entry.id();
    if id == 0 || dedupe == 0 {
        return Ok(None);
    }
    let forgotten = stream.saturating_sub(dedupe);
    let (log, source, _) = logs.of(usize::from(event.input));
    if event.is_transaction() {
        return log.find_recent(id, forgotten, (forgotten, i64::MAX), source);
    }
    let time = event.entry.time();
    let times = (time.saturating_sub(dedupe), time.saturating_add(dedupe - 1));
    log.find_recent(id, forgotten, (forgotten.max(times.0), times.1), source)
}

impl EntityParts<'_> {
    #[inline]
    fn insert(
        &mut self,
        logs: &mut Logs<'_>,
        event: Incoming<'_>,
        stream: i64,
        row: &mut Row,
    ) -> Result<(), StateError> {
        let features = logs.features;
        let (time, input) = (event.entry.time(), usize::from(event.input));
        let (log, source, _) = logs.of(input);
        let ordinal = log.insert(event.entry, stream.saturating_sub(features.dedupe), source)?;
        let as_of = AsOf {
            time,
            stream,
            settled: stream,
            place: Some(Place::at(ordinal)),
        };
        if event.is_transaction() && time >= *self.newest {
            // No edge lies behind it.
            (*self.newest, *self.stream) = (time, stream);
            self.windows.advance(logs, as_of, Some(event.entry))?;
            return self.write(logs, as_of, row);
        }
        let stood = (*self.newest, *self.stream);
        self.windows.inserted(features, input, stood, ordinal, event.entry);
        *self.stream = stream;
        if event.is_transaction() {
            self.windows.seek(logs, as_of)?;
            self.write(logs, as_of, row)?;
            return self.settle(logs);
        }
        self.windows.advance(logs, self.settled(logs), None)
    }

    /// Takes over a row that is older than any event that may still come: all such rows but the newest are of no use. Gives
    /// whether it is the newest.
    fn settle_row(&mut self, logs: &mut Logs<'_>, event: Incoming<'_>, stream: i64) -> Result<bool, StateError> {
        // Rows in the log that are as old have to be settled first.
        *self.stream = stream;
        self.windows.advance(logs, self.settled(logs), None)?;
        Ok(self
            .windows
            .settle(logs.features, usize::from(event.input), event.entry))
    }

    /// Writes the features as of the moment that the windows lie at.
    #[inline]
    fn write(&mut self, logs: &mut Logs<'_>, as_of: AsOf, row: &mut Row) -> Result<(), StateError> {
        self.windows.refresh(logs)?;
        write_features(logs.features, self.windows, as_of, row);
        Ok(())
    }

    /// Writes the features as of an entry of the log. The state does not change.
    fn evaluate_again(
        &mut self,
        logs: &mut Logs<'_>,
        stream: i64,
        ordinal: u64,
        row: &mut Row,
    ) -> Result<(), StateError> {
        let (log, source, buffer) = logs.of(0);
        let mut time = *self.newest;
        log.visit(Cursor::unresolved(ordinal), ordinal + 1, source, buffer, |_, entry| {
            time = entry.time();
            ControlFlow::Break(())
        })?;
        let as_of = AsOf {
            time,
            stream,
            settled: *self.stream,
            place: Some(Place::at(ordinal)),
        };
        self.windows.seek(logs, as_of)?;
        self.write(logs, as_of, row)?;
        self.settle(logs)
    }

    /// Writes the features of a transaction that is not in the log. The state does not change.
    fn evaluate_apart(
        &mut self,
        logs: &mut Logs<'_>,
        stream: i64,
        entry: Entry<'_>,
        row: &mut Row,
    ) -> Result<(), StateError> {
        let as_of = AsOf {
            time: entry.time(),
            stream,
            settled: *self.stream,
            place: None,
        };
        self.windows.seek(logs, as_of)?;
        self.windows.refresh(logs)?;
        self.windows.count(logs.features, entry);
        write_features(logs.features, self.windows, as_of, row);
        self.windows.uncount(logs.features, entry);
        self.settle(logs)
    }

    /// The moment that the windows lie at between two events.
    fn settled(&self, logs: &Logs<'_>) -> AsOf {
        let end = logs.logs[0].end();
        AsOf {
            time: *self.newest,
            stream: *self.stream,
            settled: *self.stream,
            place: Some(Place {
                before: end.saturating_sub(1),
                through: end,
            }),
        }
    }

    fn settle(&mut self, logs: &mut Logs<'_>) -> Result<(), StateError> {
        self.windows.seek(logs, self.settled(logs))
    }
}
