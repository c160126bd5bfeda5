//! All windows of one entity. A window begins and ends at edges: cursors in a log that advance with event time. Windows that
//! begin or end at the same age share an edge. An entry that an edge passes enters the windows that end there and leaves
//! those that begin there.

use crate::derived::Derived;
use crate::entity_log::{Cursor, EntityLog};
use crate::entry::{Entry, EntryBuffer};
use crate::layout::{DerivedLayout, EdgeKind, EdgeLayout, EntityFeatures, WindowLayout};
use crate::linear;
use crate::state::{StateError, StateStore};
use crate::summary::Validity;
use crate::value_source::ValueSource;
use std::ops::ControlFlow;

/// The moment that features are evaluated for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsOf {
    /// The transaction's event time.
    pub(crate) time: i64,
    /// Stream time: entries too far behind it are treated as dropped.
    pub(crate) stream: i64,
    /// Stream time when the entity last changed. Entries move into the bases of unlimited windows as of this time, because
    /// an event that changes nothing must not move them.
    pub(crate) settled: i64,
    /// The place of the transaction in the log, if it is there.
    pub(crate) place: Option<Place>,
}

/// The ordinals at which windows end that exclude a transaction and that include it: its own, and the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) before: u64,
    pub(crate) through: u64,
}

impl Place {
    pub(crate) fn at(ordinal: u64) -> Self {
        Place {
            before: ordinal,
            through: ordinal + 1,
        }
    }
}

impl EdgeLayout {
    /// Entries at or before this time have passed the edge. It is never further behind stream time than entries are kept,
    /// nor before entries that moved into a base.
    #[inline]
    pub(crate) fn bound(&self, time: i64, stream: i64) -> i64 {
        time.saturating_sub(self.age).max(stream.saturating_sub(self.floor))
    }

    /// The same as of a moment. Which entries are in a base does not depend on the transaction, and they stay there.
    #[inline]
    fn bound_as_of(&self, as_of: AsOf) -> i64 {
        match self.kind {
            EdgeKind::Settled => as_of.settled.saturating_sub(self.floor),
            _ => self.bound(as_of.time, as_of.stream),
        }
    }
}

/// The windows of an entity: their edges, and the accumulators of the entries between them.
#[derive(Debug)]
pub(crate) struct Windows {
    pub(crate) edges: Box<[Cursor]>,
    /// All windows' linear accumulators.
    pub(crate) words: Box<[i64]>,
    /// All windows' derived accumulators.
    pub(crate) derived: Box<[Derived]>,
}

/// An entity's logs, and what is needed to read them.
pub(crate) struct Logs<'a> {
    pub(crate) features: &'a EntityFeatures,
    pub(crate) logs: &'a mut [EntityLog],
    pub(crate) key: &'a str,
    pub(crate) store: &'a dyn StateStore,
    /// For decoding entries.
    pub(crate) buffer: &'a mut EntryBuffer,
}

impl<'a> Logs<'a> {
    /// One log, the source of its chunks, and the buffer.
    #[inline]
    pub(crate) fn of(&mut self, input: usize) -> (&mut EntityLog, ValueSource<'a>, &mut EntryBuffer) {
        let source = ValueSource {
            store: self.store,
            layout: &self.features.inputs[input],
            key: self.key,
            input: input as u8,
        };
        (&mut self.logs[input], source, self.buffer)
    }
}

impl Windows {
    pub(crate) fn new(features: &EntityFeatures) -> Self {
        let derived = features.windows.iter().flat_map(|window| {
            let bounded = window.span.is_some();
            window.derived.iter().map(move |layout| Derived::new(layout, bounded))
        });
        Windows {
            edges: vec![Cursor::unresolved(0); features.edges.len()].into(),
            words: vec![0; features.words].into(),
            derived: derived.collect(),
        }
    }

    /// Moves the edges forward to a later moment. `newest` is the transaction inserted last, if the moment is its own.
    #[inline]
    pub(crate) fn advance(
        &mut self,
        logs: &mut Logs<'_>,
        as_of: AsOf,
        newest: Option<Entry<'_>>,
    ) -> Result<(), StateError> {
        let features = logs.features;
        for (index, edge) in features.edges.iter().enumerate() {
            let from = self.edges[index];
            self.edges[index] = match (edge.kind, as_of.place, newest) {
                (EdgeKind::Through, Some(place), Some(entry)) if place.through == from.ordinal + 1 => {
                    self.enter(features, edge, from.ordinal, entry);
                    logs.logs[edge.input].end_cursor()
                }
                (EdgeKind::Through | EdgeKind::Before, ..) => {
                    let to = Self::end(logs, edge, as_of)?;
                    self.pass(logs, edge, from, to.ordinal)?
                }
                _ => self.pass_through(logs, edge, from, edge.bound_as_of(as_of))?,
            };
        }
        Ok(())
    }

    /// Moves the edges to any moment.
    pub(crate) fn seek(&mut self, logs: &mut Logs<'_>, as_of: AsOf) -> Result<(), StateError> {
        let features = logs.features;
        let mut targets = Vec::with_capacity(features.edges.len());
        for (index, edge) in features.edges.iter().enumerate() {
            targets.push(self.target(logs, index, edge, as_of)?);
        }
        // An entry enters a window before it leaves it, in both directions.
        for (index, edge) in features.edges.iter().enumerate() {
            let (from, to) = (self.edges[index], targets[index]);
            if from.ordinal < to.ordinal {
                self.edges[index] = self.pass(logs, edge, from, to.ordinal)?;
            }
        }
        for (index, edge) in features.edges.iter().enumerate().rev() {
            let (from, to) = (self.edges[index], targets[index]);
            if from.ordinal > to.ordinal {
                self.pass_back(logs, edge, to, from.ordinal)?;
                self.edges[index] = to;
            }
        }
        Ok(())
    }

    fn target(
        &mut self,
        logs: &mut Logs<'_>,
        index: usize,
        edge: &EdgeLayout,
        as_of: AsOf,
    ) -> Result<Cursor, StateError> {
        let from = self.edges[index];
        if as_of.place.is_some() && matches!(edge.kind, EdgeKind::Through | EdgeKind::Before) {
            return Self::end(logs, edge, as_of);
        }
        let (log, source, _) = logs.of(edge.input);
        log.position_after(edge.bound_as_of(as_of), from, source)
    }

    /// The end of windows that end with the transaction.
    #[inline]
    fn end(logs: &mut Logs<'_>, edge: &EdgeLayout, as_of: AsOf) -> Result<Cursor, StateError> {
        let place = as_of
            .place
            .expect("only a transaction in the log has windows end with it");
        if edge.kind == EdgeKind::Through {
            return Ok(Cursor::unresolved(place.through));
        }
        let before = Cursor::unresolved(place.before);
        let floor = as_of.stream.saturating_sub(edge.floor);
        if floor < as_of.time {
            return Ok(before);
        }
        // The transaction is behind the floor: it has left windows that never counted it.
        let (log, source, _) = logs.of(edge.input);
        let floor = log.position_after(floor, before, source)?;
        Ok(if floor.ordinal > before.ordinal { floor } else { before })
    }

    /// Moves an edge forward to the ordinal `to`.
    fn pass(&mut self, logs: &mut Logs<'_>, edge: &EdgeLayout, from: Cursor, to: u64) -> Result<Cursor, StateError> {
        let features = logs.features;
        let (log, source, buffer) = logs.of(edge.input);
        log.visit(from, to, source, buffer, |ordinal, entry| {
            self.cross(features, edge, ordinal, entry);
            ControlFlow::Continue(())
        })
    }

    /// Moves an edge forward past all entries at or before `time`.
    #[inline]
    fn pass_through(
        &mut self,
        logs: &mut Logs<'_>,
        edge: &EdgeLayout,
        from: Cursor,
        time: i64,
    ) -> Result<Cursor, StateError> {
        let features = logs.features;
        let (log, source, buffer) = logs.of(edge.input);
        if edge.has_no_accumulators {
            return log.pass_through(from, time, source);
        }
        log.visit_through(from, time, source, buffer, |ordinal, entry| {
            self.cross(features, edge, ordinal, entry);
        })
    }

    /// Moves an edge back from the ordinal `from`.
    fn pass_back(&mut self, logs: &mut Logs<'_>, edge: &EdgeLayout, to: Cursor, from: u64) -> Result<(), StateError> {
        let features = logs.features;
        let (log, source, buffer) = logs.of(edge.input);
        log.visit(to, from, source, buffer, |_, entry| {
            for &window in &edge.leaves {
                self.insert(&features.windows[window], entry);
            }
            for &window in &edge.enters {
                self.take(&features.windows[window], entry);
            }
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    #[inline]
    fn cross(&mut self, features: &EntityFeatures, edge: &EdgeLayout, ordinal: u64, entry: Entry<'_>) {
        self.enter(features, edge, ordinal, entry);
        for &window in &edge.leaves {
            let layout = &features.windows[window];
            // In an unlimited window sums keep the entry; derived accumulators move it into their base.
            if layout.span.is_some() {
                linear::remove(&layout.linear, &mut self.words[layout.words()], entry);
            }
            for (layout, derived) in self.derived(layout) {
                derived.remove_oldest(layout, ordinal, entry);
            }
        }
    }

    /// An entry enters the windows that end at an edge, after all others.
    #[inline]
    fn enter(&mut self, features: &EntityFeatures, edge: &EdgeLayout, ordinal: u64, entry: Entry<'_>) {
        for &window in &edge.enters {
            self.append(&features.windows[window], ordinal, entry);
        }
    }

    #[inline]
    pub(crate) fn append(&mut self, layout: &WindowLayout, ordinal: u64, entry: Entry<'_>) {
        linear::add(&layout.linear, &mut self.words[layout.words()], entry);
        for (layout, derived) in self.derived(layout) {
            derived.add_newest(layout, ordinal, entry);
        }
    }

    /// An entry enters a window, but not after all others.
    fn insert(&mut self, layout: &WindowLayout, entry: Entry<'_>) {
        linear::add(&layout.linear, &mut self.words[layout.words()], entry);
        for (layout, derived) in self.derived(layout) {
            derived.add_elsewhere(layout, entry);
        }
    }

    /// An entry leaves a window, but not before all others.
    fn take(&mut self, layout: &WindowLayout, entry: Entry<'_>) {
        linear::remove(&layout.linear, &mut self.words[layout.words()], entry);
        for (layout, derived) in self.derived(layout) {
            derived.remove_elsewhere(layout, entry);
        }
    }

    #[inline]
    fn derived<'a>(
        &'a mut self,
        layout: &'a WindowLayout,
    ) -> impl Iterator<Item = (&'a DerivedLayout, &'a mut Derived)> {
        layout.derived.iter().zip(&mut self.derived[layout.deriveds()])
    }

    /// Takes account of an entry that was inserted into a log at `ordinal` while the edges lay as of `time` and `stream`.
    pub(crate) fn inserted(
        &mut self,
        features: &EntityFeatures,
        input: usize,
        (time, stream): (i64, i64),
        ordinal: u64,
        entry: Entry<'_>,
    ) {
        let passed = |edge: usize| entry.time() <= features.edges[edge].bound(time, stream);
        for layout in features.windows.iter().filter(|layout| layout.input == input) {
            match (passed(layout.hi), passed(layout.lo)) {
                (true, true) => self.shift(layout, ordinal, entry),
                (true, false) if ordinal == self.edges[layout.hi].ordinal => self.append(layout, ordinal, entry),
                (true, false) => self.insert(layout, entry),
                (false, _) => {}
            }
        }
        for (index, edge) in features.edges.iter().enumerate() {
            if edge.input == input && passed(index) {
                self.edges[index] = Cursor::unresolved(self.edges[index].ordinal + 1);
            }
        }
    }

    /// An entry was inserted before a window. If the window is unlimited, the entry moves into the base at once.
    fn shift(&mut self, layout: &WindowLayout, ordinal: u64, entry: Entry<'_>) {
        if layout.span.is_none() {
            linear::add(&layout.linear, &mut self.words[layout.words()], entry);
        }
        for (layout, derived) in self.derived(layout) {
            derived.shifted(layout, ordinal, entry);
        }
    }

    /// Takes over a row that is too old for the log: see [`Derived::settle`].
    pub(crate) fn settle(&mut self, features: &EntityFeatures, input: usize, entry: Entry<'_>) -> bool {
        let mut is_newest = false;
        for layout in features.windows.iter().filter(|layout| layout.input == input) {
            for (layout, derived) in self.derived(layout) {
                is_newest |= derived.settle(layout, entry);
            }
        }
        is_newest
    }

    /// Adds an entry that is not in the log; [`Windows::uncount`] must follow.
    pub(crate) fn count(&mut self, features: &EntityFeatures, entry: Entry<'_>) {
        for (index, edge) in features.edges.iter().enumerate() {
            if edge.kind == EdgeKind::Through {
                self.enter(features, edge, self.edges[index].ordinal, entry);
                self.edges[index].ordinal += 1;
            }
        }
    }

    /// Takes out the entry that [`Windows::count`] added.
    pub(crate) fn uncount(&mut self, features: &EntityFeatures, entry: Entry<'_>) {
        for (index, edge) in features.edges.iter().enumerate() {
            if edge.kind == EdgeKind::Through {
                self.edges[index].ordinal -= 1;
                for &window in &edge.enters {
                    let layout = &features.windows[window];
                    linear::remove(&layout.linear, &mut self.words[layout.words()], entry);
                    self.derived(layout).for_each(|(_, derived)| derived.outdate());
                }
            }
        }
    }

    /// Rebuilds the derived accumulators that are stale.
    #[inline]
    pub(crate) fn refresh(&mut self, logs: &mut Logs<'_>) -> Result<(), StateError> {
        if self.derived.iter().all(Derived::is_valid) {
            return Ok(());
        }
        for window in &logs.features.windows {
            for index in 0..window.derived.len() {
                match self.derived[window.derived_at + index].validity {
                    Validity::Valid => {}
                    Validity::Stale => self.rebuild(logs, window, index)?,
                    Validity::Contradicted => {
                        return Err(StateError::Corrupt {
                            what: "an entity".into(),
                            why: "an entry leaves a window that it has not entered".into(),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    fn rebuild(&mut self, logs: &mut Logs<'_>, window: &WindowLayout, index: usize) -> Result<(), StateError> {
        let layout = &window.derived[index];
        let derived = &mut self.derived[window.derived_at + index];
        let (lo, hi) = (self.edges[window.lo], self.edges[window.hi].ordinal);
        let (log, source, buffer) = logs.of(window.input);
        let flow = |derived: &Derived| match derived.current.is_complete(layout) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        if derived.looks_back() {
            derived.clear(layout);
            log.visit_back(lo.ordinal, hi, source, |ordinal, entry| {
                derived.add_oldest(layout, ordinal, entry);
                flow(derived)
            })?;
            derived.add_base(layout);
            return Ok(());
        }
        derived.reset(layout);
        if flow(derived).is_continue() {
            log.visit(lo, hi, source, buffer, |ordinal, entry| {
                derived.add_newest(layout, ordinal, entry);
                flow(derived)
            })?;
        }
        Ok(())
    }
}
