//! One entity's state in memory: its logs, and the windows over them. Between two events every window
//! stands as of the newest transaction; what else is asked for, the windows are moved to and back.

use crate::derived::Derived;
use crate::entry::{Entry, Incoming};
use crate::layout::{Column, EntityFeatures};
use crate::log::{Log, Source};
use crate::read::{from_word, write_features};
use crate::state::{StateError, StateStore};
use crate::window::{AsOf, Cursors, Place, Window, bounds};
use compact_str::CompactString;
use riskstream_events::{Row, Value};

/// What came of an event. Times in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// How far the event lies behind stream time; 0 if it is on time.
    pub late_by: i64,
    /// Whether later features count it.
    pub inserted: bool,
    /// Whether its id was there already: nothing changed, and the features are those of the entry that
    /// was there first.
    pub duplicate: bool,
    /// Whether it came too late to be inserted: the features are still as of its own time, as far as
    /// entries reach back.
    pub too_late: bool,
}

/// Parts that [`Entity::touch`] knows.
pub(crate) const PARTS: usize = 4;

/// An entity.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) key: CompactString,
    /// Stream time when it last changed.
    pub(crate) stream: i64,
    /// Event time of the newest transaction; `i64::MIN` if there was none.
    pub(crate) newest: i64,
    /// One for each input.
    pub(crate) logs: Box<[Log]>,
    /// All windows' cursors and linear accumulators.
    pub(crate) words: Box<[i64]>,
    /// All windows' derived accumulators.
    pub(crate) derived: Box<[Derived]>,
}

impl Entity {
    /// An entity of which nothing is known.
    pub(crate) fn new(features: &EntityFeatures, key: &str) -> Self {
        let derived = features.windows.iter().flat_map(|window| {
            window.derived.iter().map(|layout| Derived::new(layout, window.span.is_some()))
        });
        Entity {
            key: key.into(),
            stream: i64::MIN,
            newest: i64::MIN,
            logs: features.inputs.iter().map(Log::new).collect(),
            words: vec![0; features.words].into(),
            derived: derived.collect(),
        }
    }

    /// Applies an event and, if it is a transaction, writes its features into its row.
    pub(crate) fn apply(
        &mut self,
        features: &EntityFeatures,
        store: &dyn StateStore,
        stream_time: i64,
        input: u8,
        incoming: &Incoming,
        row: &mut Row,
    ) -> Result<Applied, StateError> {
        let time = incoming.time();
        let stream = stream_time.max(time).max(self.stream);
        let late_by = stream_time.saturating_sub(time).max(0);
        let is_transaction = input == 0;
        if let Some(first) = self.first(features, store, stream, input, incoming.id())? {
            if is_transaction {
                self.evaluate_again(features, store, stream, first, row)?;
            }
            return Ok(Applied { late_by, duplicate: true, ..Applied::default() });
        }
        if time < stream.saturating_sub(features.lateness) {
            if is_transaction {
                self.evaluate_apart(features, store, stream, incoming.entry(), row)?;
            }
            return Ok(Applied { late_by, too_late: true, ..Applied::default() });
        }
        let ordinal = self.insert(features, store, stream, input, incoming.entry())?;
        if is_transaction {
            let place = Some(Place::at(ordinal));
            let as_of = AsOf { time, stream, settled: stream, place };
            self.evaluate(features, store, as_of, row)?;
        }
        if !is_transaction || time < self.newest {
            self.settle(features, store)?;
        }
        for log in &mut self.logs {
            log.drop_through(stream.saturating_sub(features.retention));
        }
        Ok(Applied { late_by, inserted: true, ..Applied::default() })
    }

    /// The entry that an event with this id repeats.
    fn first(
        &mut self,
        features: &EntityFeatures,
        store: &dyn StateStore,
        stream: i64,
        input: u8,
        id: u64,
    ) -> Result<Option<u64>, StateError> {
        if id == 0 || features.dedupe == 0 {
            return Ok(None);
        }
        let layout = &features.inputs[usize::from(input)];
        let source = Source { store, layout, key: &self.key, input };
        let after = stream.saturating_sub(features.dedupe);
        self.logs[usize::from(input)].find_recent(id, after, source)
    }

    fn insert(
        &mut self,
        features: &EntityFeatures,
        store: &dyn StateStore,
        stream: i64,
        input: u8,
        entry: Entry<'_>,
    ) -> Result<u64, StateError> {
        let layout = &features.inputs[usize::from(input)];
        let source = Source { store, layout, key: &self.key, input };
        let forget_ids = stream.saturating_sub(layout.id_horizon);
        let ordinal = self.logs[usize::from(input)].insert(entry, forget_ids, source)?;
        let is_newest = input == 0 && entry.time() >= self.newest;
        if is_newest {
            // Every cursor lies before it.
            self.newest = entry.time();
        } else {
            for (index, layout) in features.windows.iter().enumerate() {
                if layout.input == usize::from(input) {
                    let bounds = bounds(features, layout, self.newest, self.stream);
                    self.window(features, store, index).inserted(bounds, ordinal, entry);
                }
            }
        }
        self.stream = stream;
        Ok(ordinal)
    }

    /// Features of a transaction that is in the log.
    #[inline]
    fn evaluate(
        &mut self,
        features: &EntityFeatures,
        store: &dyn StateStore,
        as_of: AsOf,
        row: &mut Row,
    ) -> Result<(), StateError> {
        self.seek(features, store, as_of)?;
        self.refresh(features, store)?;
        write_features(features, self, as_of, row);
        Ok(())
    }

    /// Features as of an entry that was there before. The state stays as it is.
    fn evaluate_again(
        &mut self,
        features: &EntityFeatures,
        store: &dyn StateStore,
        stream: i64,
        ordinal: u64,
        row: &mut Row,
    ) -> Result<(), StateError> {
        let source = Source { store, layout: &features.inputs[0], key: &self.key, input: 0 };
        let mut part = self.logs[0].part(ordinal..ordinal + 1, source)?.entries();
        let time = part.next().map_or(self.newest, |(_, entry)| entry.time());
        drop(part);
        let place = Some(Place::at(ordinal));
        let as_of = AsOf { time, stream, settled: self.stream, place };
        self.evaluate(features, store, as_of, row)?;
        self.settle(features, store)
    }

    /// Features of a transaction that is not in the log. The state stays as it is.
    fn evaluate_apart(
        &mut self,
        features: &EntityFeatures,
        store: &dyn StateStore,
        stream: i64,
        entry: Entry<'_>,
        row: &mut Row,
    ) -> Result<(), StateError> {
        let as_of = AsOf { time: entry.time(), stream, settled: self.stream, place: None };
        self.seek(features, store, as_of)?;
        self.refresh(features, store)?;
        let counts_itself =
            |index: &usize| features.windows[*index].at_current && features.windows[*index].include_current;
        for index in (0..features.windows.len()).filter(counts_itself) {
            self.window(features, store, index).count(entry);
        }
        write_features(features, self, as_of, row);
        for index in (0..features.windows.len()).filter(counts_itself) {
            self.window(features, store, index).uncount(entry);
        }
        self.settle(features, store)
    }

    /// Moves the windows to where they stand between two events.
    fn settle(&mut self, features: &EntityFeatures, store: &dyn StateStore) -> Result<(), StateError> {
        let end = self.logs[0].end();
        let as_of = AsOf {
            time: self.newest,
            stream: self.stream,
            settled: self.stream,
            place: Some(Place { before: end.saturating_sub(1), through: end }),
        };
        self.seek(features, store, as_of)
    }

    #[inline]
    fn seek(
        &mut self,
        features: &EntityFeatures,
        store: &dyn StateStore,
        as_of: AsOf,
    ) -> Result<(), StateError> {
        for index in 0..features.windows.len() {
            self.window(features, store, index).seek(features, as_of)?;
        }
        Ok(())
    }

    #[inline]
    fn refresh(&mut self, features: &EntityFeatures, store: &dyn StateStore) -> Result<(), StateError> {
        if self.derived.iter().all(|derived| derived.valid) {
            return Ok(());
        }
        for index in 0..features.windows.len() {
            self.window(features, store, index).refresh()?;
        }
        Ok(())
    }

    #[inline]
    fn window<'a>(
        &'a mut self,
        features: &'a EntityFeatures,
        store: &'a dyn StateStore,
        index: usize,
    ) -> Window<'a> {
        let layout = &features.windows[index];
        Window {
            layout,
            words: &mut self.words[layout.words()],
            derived: &mut self.derived[layout.deriveds()],
            log: &mut self.logs[layout.input],
            source: Source {
                store,
                layout: &features.inputs[layout.input],
                key: &self.key,
                input: layout.input as u8,
            },
        }
    }

    /// Copies the carried slots of the transaction with this id into `row`. False if it is not there.
    pub(crate) fn complete(
        &mut self,
        features: &EntityFeatures,
        store: &dyn StateStore,
        id: u64,
        row: &mut Row,
    ) -> Result<bool, StateError> {
        let layout = &features.inputs[0];
        let source = Source { store, layout, key: &self.key, input: 0 };
        let after = self.stream.saturating_sub(features.retention);
        let Some(ordinal) = self.logs[0].find(id, after, source)? else { return Ok(false) };
        for (_, entry) in self.logs[0].part(ordinal..ordinal + 1, source)?.entries() {
            for &(slot, column, form) in &layout.carried {
                row[slot] = match column {
                    Column::Word(word) if entry.meets(layout.present(column)) => {
                        from_word(entry.words[word], form)
                    }
                    Column::Word(_) => Value::Null,
                    Column::Text(text) => entry.texts[text].clone().map_or(Value::Null, Value::Text),
                };
            }
        }
        Ok(true)
    }

    /// Lets go of what can be read from the store again.
    pub(crate) fn release(&mut self) {
        self.logs.iter_mut().for_each(Log::release);
    }

    /// Reads something of the given part, which the parts before lead to, so that it is in the processor's
    /// cache. The value means nothing.
    #[inline]
    pub(crate) fn touch(&self, features: &EntityFeatures, part: usize) -> i64 {
        match part {
            0 => self.stream ^ self.newest ^ self.words.len() as i64,
            1 => {
                let logs = self.logs.iter().fold(0, |sum, log| sum ^ log.touch_outline());
                logs ^ self.words.iter().step_by(8).fold(0, |sum, word| sum ^ word)
            }
            2 => self.logs.iter().fold(0, |sum, log| sum ^ log.touch_ends()),
            _ => features.windows.iter().fold(0, |sum, window| {
                let cursors = Cursors::read(&self.words[window.words()]);
                sum ^ self.logs[window.input].touch(cursors.lo)
            }),
        }
    }

    /// Memory held, about.
    pub(crate) fn bytes(&self) -> usize {
        let heap = if self.key.is_heap_allocated() { self.key.len() } else { 0 };
        size_of::<Entity>()
            + heap
            + self.logs.iter().map(Log::bytes).sum::<usize>()
            + size_of_val(&*self.words)
            + self.derived.iter().map(Derived::bytes).sum::<usize>()
    }
}
