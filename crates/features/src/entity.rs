//! One entity's state in memory: its logs, and the windows over them. Between two events every window
//! stands as of the newest transaction; what else is asked for, the windows are moved to and back.

use crate::derived::Derived;
use crate::entry::{Entry, EntryBuffer};
use crate::layout::EntityFeatures;
use crate::log::{Log, Source, Spot};
use crate::read::{from_cell, write_features};
use crate::state::{StateError, StateStore};
use crate::window::{AsOf, Cursors, Place, Window, bounds};
use compact_str::CompactString;
use riskstream_events::Row;
use std::ops::ControlFlow;

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

/// What an event is applied with.
pub(crate) struct Context<'a> {
    pub(crate) features: &'a EntityFeatures,
    pub(crate) store: &'a dyn StateStore,
    /// For entries that are looked at.
    pub(crate) buffer: &'a mut EntryBuffer,
}

impl<'a> Context<'a> {
    #[inline]
    fn source<'s>(&self, key: &'s str, input: u8) -> Source<'s>
    where
        'a: 's,
    {
        Source {
            store: self.store,
            layout: &self.features.inputs[usize::from(input)],
            key,
            input,
        }
    }
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
            window
                .derived
                .iter()
                .map(|layout| Derived::new(layout, window.span.is_some()))
        });
        Entity {
            key: key.into(),
            stream: i64::MIN,
            newest: i64::MIN,
            logs: features.inputs.iter().map(|_| Log::new()).collect(),
            words: vec![0; features.words].into(),
            derived: derived.collect(),
        }
    }

    /// Applies an event and, if it is a transaction, writes its features into its row.
    pub(crate) fn apply(
        &mut self,
        mut context: Context<'_>,
        event: Incoming<'_>,
        row: &mut Row,
    ) -> Result<Applied, StateError> {
        let context = &mut context;
        let features = context.features;
        let time = event.entry.time();
        let stream = event.stream_time.max(time).max(self.stream);
        let late_by = event.stream_time.saturating_sub(time).max(0);
        if let Some(first) = self.first(context, event, stream)? {
            if event.is_transaction() {
                self.evaluate_again(context, stream, first, row)?;
            }
            return Ok(Applied {
                late_by,
                duplicate: true,
                ..Applied::default()
            });
        }
        if time < stream.saturating_sub(features.lateness) {
            if event.is_transaction() {
                self.evaluate_apart(context, stream, event.entry, row)?;
            }
            return Ok(Applied {
                late_by,
                too_late: true,
                ..Applied::default()
            });
        }
        let ordinal = self.insert(context, event, stream)?;
        if event.is_transaction() {
            let place = Some(Place::at(ordinal));
            let as_of = AsOf {
                time,
                stream,
                settled: stream,
                place,
            };
            if time == self.newest {
                self.advance(context, as_of, Some(event.entry))?;
                self.write(context, as_of, row)?;
            } else {
                self.seek(context, as_of)?;
                self.write(context, as_of, row)?;
                self.settle(context)?;
            }
        } else {
            self.advance(context, self.settled(), None)?;
        }
        for (log, layout) in self.logs.iter_mut().zip(&features.inputs) {
            log.drop_through(stream.saturating_sub(features.retention), layout)?;
        }
        Ok(Applied {
            late_by,
            inserted: true,
            ..Applied::default()
        })
    }

    /// The entry that an event repeats.
    #[inline]
    fn first(
        &mut self,
        context: &mut Context<'_>,
        event: Incoming<'_>,
        stream: i64,
    ) -> Result<Option<u64>, StateError> {
        let features = context.features;
        let id = event.entry.id();
        if id == 0 || features.dedupe == 0 {
            return Ok(None);
        }
        let source = context.source(&self.key, event.input);
        let after = stream.saturating_sub(features.dedupe);
        self.logs[usize::from(event.input)].find_recent(id, after, source)
    }

    #[inline]
    fn insert(&mut self, context: &mut Context<'_>, event: Incoming<'_>, stream: i64) -> Result<u64, StateError> {
        let features = context.features;
        let input = usize::from(event.input);
        let source = context.source(&self.key, event.input);
        let forget_ids = stream.saturating_sub(features.dedupe);
        let ordinal = self.logs[input].insert(event.entry, forget_ids, source)?;
        if event.is_transaction() && event.entry.time() >= self.newest {
            // Every cursor lies before it.
            self.newest = event.entry.time();
        } else {
            for (index, layout) in features.windows.iter().enumerate() {
                if layout.input == input {
                    let bounds = bounds(features, layout, self.newest, self.stream);
                    self.window(context, index).inserted(bounds, ordinal, event.entry);
                }
            }
        }
        self.stream = stream;
        Ok(ordinal)
    }

    /// Features as of the moment that the windows stand at.
    #[inline]
    fn write(&mut self, context: &mut Context<'_>, as_of: AsOf, row: &mut Row) -> Result<(), StateError> {
        self.refresh(context)?;
        write_features(context.features, self, as_of, row);
        Ok(())
    }

    /// Features as of an entry that was there before. The state stays as it is.
    fn evaluate_again(
        &mut self,
        context: &mut Context<'_>,
        stream: i64,
        ordinal: u64,
        row: &mut Row,
    ) -> Result<(), StateError> {
        let source = context.source(&self.key, 0);
        let spot = Spot::unresolved(ordinal);
        let mut time = self.newest;
        self.logs[0].visit(spot, ordinal + 1, source, context.buffer, |_, entry| {
            time = entry.time();
            ControlFlow::Break(())
        })?;
        let place = Some(Place::at(ordinal));
        let as_of = AsOf {
            time,
            stream,
            settled: self.stream,
            place,
        };
        self.seek(context, as_of)?;
        self.write(context, as_of, row)?;
        self.settle(context)
    }

    /// Features of a transaction that is not in the log. The state stays as it is.
    fn evaluate_apart(
        &mut self,
        context: &mut Context<'_>,
        stream: i64,
        entry: Entry<'_>,
        row: &mut Row,
    ) -> Result<(), StateError> {
        let as_of = AsOf {
            time: entry.time(),
            stream,
            settled: self.stream,
            place: None,
        };
        self.seek(context, as_of)?;
        self.refresh(context)?;
        let windows = &context.features.windows;
        let counts_it = |index: &usize| windows[*index].at_current && windows[*index].include_current;
        for index in (0..windows.len()).filter(counts_it) {
            self.window(context, index).count(entry);
        }
        write_features(context.features, self, as_of, row);
        for index in (0..windows.len()).filter(counts_it) {
            self.window(context, index).uncount(entry);
        }
        self.settle(context)
    }

    /// The moment that the windows stand at between two events.
    fn settled(&self) -> AsOf {
        let end = self.logs[0].end();
        AsOf {
            time: self.newest,
            stream: self.stream,
            settled: self.stream,
            place: Some(Place {
                before: end.saturating_sub(1),
                through: end,
            }),
        }
    }

    fn settle(&mut self, context: &mut Context<'_>) -> Result<(), StateError> {
        self.seek(context, self.settled())
    }

    /// Moves the windows to where they stand as of a moment.
    fn seek(&mut self, context: &mut Context<'_>, as_of: AsOf) -> Result<(), StateError> {
        let features = context.features;
        for index in 0..features.windows.len() {
            self.window(context, index).seek(features, as_of)?;
        }
        Ok(())
    }

    /// Moves the windows on to where they stand as of a later moment. `newest` is the transaction inserted
    /// last, if the moment is its own.
    #[inline]
    fn advance(&mut self, context: &mut Context<'_>, as_of: AsOf, newest: Option<Entry<'_>>) -> Result<(), StateError> {
        let features = context.features;
        for (index, layout) in features.windows.iter().enumerate() {
            let newest = newest.filter(|_| layout.input == 0);
            self.window(context, index).advance(features, as_of, newest)?;
        }
        Ok(())
    }

    #[inline]
    fn refresh(&mut self, context: &mut Context<'_>) -> Result<(), StateError> {
        if self.derived.iter().all(|derived| derived.valid) {
            return Ok(());
        }
        for index in 0..context.features.windows.len() {
            self.window(context, index).refresh()?;
        }
        Ok(())
    }

    #[inline]
    fn window<'a>(&'a mut self, context: &'a mut Context<'_>, index: usize) -> Window<'a> {
        let layout = &context.features.windows[index];
        Window {
            layout,
            words: &mut self.words[layout.words()],
            derived: &mut self.derived[layout.deriveds()],
            log: &mut self.logs[layout.input],
            source: context.source(&self.key, layout.input as u8),
            buffer: context.buffer,
        }
    }

    /// Copies the carried slots of the transaction with this id into `row`. False if it is not there.
    pub(crate) fn complete(&mut self, context: Context<'_>, id: u64, row: &mut Row) -> Result<bool, StateError> {
        let features = context.features;
        let source = context.source(&self.key, 0);
        let after = self.stream.saturating_sub(features.retention);
        let log = &mut self.logs[0];
        let found = log.find(id, after, i64::MAX, source)?;
        let Some(ordinal) = found else { return Ok(false) };
        let layout = &features.inputs[0];
        let spot = Spot::unresolved(ordinal);
        log.visit(spot, ordinal + 1, source, context.buffer, |_, entry| {
            for &(slot, column, form) in &layout.carried {
                let is_present = entry.meets(layout.present(column));
                let cell = is_present.then(|| from_cell(&entry.cell(column), form));
                row[slot] = cell.unwrap_or_default();
            }
            ControlFlow::Continue(())
        })?;
        Ok(true)
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

    /// Lets go of what can be read from the store again.
    pub(crate) fn release(&mut self) {
        self.logs.iter_mut().for_each(Log::release);
    }

    /// Memory held, about.
    pub(crate) fn memory(&self) -> usize {
        let heap = if self.key.is_heap_allocated() {
            self.key.len()
        } else {
            0
        };
        size_of::<Entity>()
            + heap
            + self.logs.iter().map(Log::memory).sum::<usize>()
            + size_of_val(&*self.words)
            + self.derived.iter().map(Derived::memory).sum::<usize>()
    }
}
