//! One window of one entity: two cursors into a log and what lies between them, moved to where the
//! window of an event begins and ends.

use crate::derived::Derived;
use crate::entry::{Entry, EntryBuffer};
use crate::layout::{EntityFeatures, WindowLayout};
use crate::linear;
use crate::log::{Log, Source, Spot};
use crate::state::StateError;
use std::ops::ControlFlow;

/// The entries [lo, hi) of a log. In a window without a beginning the entries before `lo` have sunk into
/// the accumulators for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursors {
    pub(crate) lo: Spot,
    pub(crate) hi: Spot,
}

impl Cursors {
    /// From a window's words.
    #[inline]
    pub(crate) fn read(words: &[i64]) -> Self {
        let spot = |at: usize| Spot {
            ordinal: words[at] as u64,
            time: words[at + 1],
            next: words[at + 2],
            offset: words[at + 3] as u32,
            epoch: (words[at + 3] as u64 >> 32) as u32,
        };
        Cursors {
            lo: spot(0),
            hi: spot(4),
        }
    }

    #[inline]
    pub(crate) fn write(self, words: &mut [i64]) {
        for (at, spot) in [(0, self.lo), (4, self.hi)] {
            words[at] = spot.ordinal as i64;
            words[at + 1] = spot.time;
            words[at + 2] = spot.next;
            words[at + 3] = (u64::from(spot.epoch) << 32 | u64::from(spot.offset)) as i64;
        }
    }

    /// How many entries lie between them.
    #[inline]
    pub(crate) fn len(self) -> u64 {
        self.hi.ordinal - self.lo.ordinal
    }
}

/// The moment that features are evaluated for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsOf {
    /// The transaction's event time.
    pub(crate) time: i64,
    /// Stream time: entries too far behind it are as good as gone.
    pub(crate) stream: i64,
    /// Stream time when the entity last changed: what sinks into windows without a beginning sinks as of
    /// then, since an event that changes nothing must not make it sink.
    pub(crate) settled: i64,
    /// Where the transaction lies in the log, if it does.
    pub(crate) place: Option<Place>,
}

/// The ends of windows that exclude a transaction and of those that include it: its ordinal and the next.
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

/// The event times (after, through] that a window covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) after: i64,
    pub(crate) through: i64,
}

/// What a window covers for a transaction at `time`. Nothing reaches back further than the entries are
/// kept; a window without a beginning does not end before those that have sunk into it.
pub(crate) fn bounds(features: &EntityFeatures, window: &WindowLayout, time: i64, stream: i64) -> Bounds {
    let end = time.saturating_sub(window.delay);
    let (after, floor) = match window.span {
        Some(span) => {
            let floor = stream.saturating_sub(features.retention);
            (end.saturating_sub(span).max(floor), floor)
        }
        None => {
            // What any event that is still inserted could need apart has not sunk yet.
            let end = stream.saturating_sub(features.horizon).saturating_sub(window.delay);
            let base = end.saturating_sub(1);
            (base, base)
        }
    };
    Bounds {
        after,
        through: end.max(floor),
    }
}

/// A window's part of an entity, borrowed.
pub(crate) struct Window<'a> {
    pub(crate) layout: &'a WindowLayout,
    /// Cursors and linear accumulators.
    pub(crate) words: &'a mut [i64],
    pub(crate) derived: &'a mut [Derived],
    pub(crate) log: &'a mut Log,
    pub(crate) source: Source<'a>,
    pub(crate) buffer: &'a mut EntryBuffer,
}

impl Window<'_> {
    #[inline]
    fn cursors(&self) -> Cursors {
        Cursors::read(self.words)
    }

    /// Moves the window on to where it stands as of a later moment. `newest` is the entry inserted last,
    /// if it is the transaction that the moment is of.
    #[inline]
    pub(crate) fn advance(
        &mut self,
        features: &EntityFeatures,
        as_of: AsOf,
        newest: Option<Entry<'_>>,
    ) -> Result<(), StateError> {
        let bounds = bounds(features, self.layout, as_of.time, as_of.stream);
        if bounds.after >= as_of.time {
            // The transaction itself has gone out of a window that may never have counted it.
            return self.seek(features, as_of);
        }
        let from = self.cursors();
        let hi = match (self.end(as_of), newest) {
            (Some(to), Some(entry)) if to == from.hi.ordinal + 1 => self.add_last(entry, from.hi)?,
            (Some(to), _) => self.add_newest(from.hi, to)?,
            (None, _) => self.add_through(from.hi, bounds.through)?,
        };
        let lo = self.remove_through(from.lo, bounds.after)?;
        Cursors { lo, hi }.write(self.words);
        Ok(())
    }

    /// Ordinal of the end of a window that ends with the transaction.
    #[inline]
    fn end(&self, as_of: AsOf) -> Option<u64> {
        let place = as_of.place.filter(|_| self.layout.at_current)?;
        Some(if self.layout.include_current {
            place.through
        } else {
            place.before
        })
    }

    /// Moves the window to where it stands as of any moment.
    pub(crate) fn seek(&mut self, features: &EntityFeatures, as_of: AsOf) -> Result<(), StateError> {
        let bounds = bounds(features, self.layout, as_of.time, as_of.stream);
        let from = self.cursors();
        let lo = match self.layout.span {
            Some(_) => self.position_after(bounds.after, from.lo)?,
            None => self.sunk(features, as_of)?,
        };
        let hi = match self.end(as_of) {
            Some(ordinal) => Spot::unresolved(ordinal),
            None => self.position_after(bounds.through, from.hi)?,
        };
        let hi = if hi.ordinal < lo.ordinal { lo } else { hi };
        self.move_to(from, Cursors { lo, hi })
    }

    /// Where the entries end that have sunk into a window without a beginning. They never rise again.
    fn sunk(&mut self, features: &EntityFeatures, as_of: AsOf) -> Result<Spot, StateError> {
        let after = bounds(features, self.layout, as_of.time, as_of.settled).after;
        let sunk = self.cursors().lo;
        let lo = self.position_after(after, sunk)?;
        Ok(if lo.ordinal < sunk.ordinal { sunk } else { lo })
    }

    #[inline]
    fn position_after(&mut self, time: i64, hint: Spot) -> Result<Spot, StateError> {
        self.log.position_after(time, hint, self.source)
    }

    fn move_to(&mut self, from: Cursors, to: Cursors) -> Result<(), StateError> {
        let disjoint = to.lo.ordinal >= from.hi.ordinal || to.hi.ordinal <= from.lo.ordinal;
        let hi = if disjoint && from.len() > 0 && self.layout.span.is_some() {
            self.clear();
            self.add_newest(to.lo, to.hi.ordinal)?
        } else {
            self.add_oldest(to.lo, from.lo.ordinal)?;
            let hi = self.add_newest(from.hi, to.hi.ordinal)?;
            self.remove_newest(to.hi, from.hi.ordinal)?;
            self.remove_oldest(from.lo, to.lo.ordinal)?;
            hi
        };
        let hi = if hi.ordinal == to.hi.ordinal { hi } else { to.hi };
        Cursors { lo: to.lo, hi }.write(self.words);
        Ok(())
    }

    fn clear(&mut self) {
        linear::clear(&self.layout.linear, self.words);
        for (layout, derived) in self.layout.derived.iter().zip(&mut *self.derived) {
            derived.reset(layout);
        }
    }

    /// Adds one entry, which need not be read if it is the log's last.
    #[inline]
    fn add_last(&mut self, entry: Entry<'_>, from: Spot) -> Result<Spot, StateError> {
        let end = self.log.end_spot();
        if end.ordinal != from.ordinal + 1 {
            return self.add_newest(from, from.ordinal + 1);
        }
        add(self.layout, self.words, self.derived, from.ordinal, entry);
        Ok(end)
    }

    /// Gives back the place after the last one added.
    #[inline]
    fn add_newest(&mut self, from: Spot, to: u64) -> Result<Spot, StateError> {
        self.log.visit(from, to, self.source, self.buffer, |ordinal, entry| {
            add(self.layout, self.words, self.derived, ordinal, entry);
            ControlFlow::Continue(())
        })
    }

    fn add_oldest(&mut self, from: Spot, to: u64) -> Result<Spot, StateError> {
        self.log.visit(from, to, self.source, self.buffer, |_, entry| {
            linear::add(&self.layout.linear, self.words, entry);
            for (layout, derived) in self.layout.derived.iter().zip(&mut *self.derived) {
                derived.add_elsewhere(layout, entry);
            }
            ControlFlow::Continue(())
        })
    }

    fn remove_newest(&mut self, from: Spot, to: u64) -> Result<Spot, StateError> {
        self.log.visit(from, to, self.source, self.buffer, |_, entry| {
            linear::remove(&self.layout.linear, self.words, entry);
            for (layout, derived) in self.layout.derived.iter().zip(&mut *self.derived) {
                derived.remove_elsewhere(layout, entry);
            }
            ControlFlow::Continue(())
        })
    }

    fn remove_oldest(&mut self, from: Spot, to: u64) -> Result<Spot, StateError> {
        self.log.visit(from, to, self.source, self.buffer, |ordinal, entry| {
            remove(self.layout, self.words, self.derived, ordinal, entry);
            ControlFlow::Continue(())
        })
    }

    #[inline]
    fn add_through(&mut self, from: Spot, time: i64) -> Result<Spot, StateError> {
        self.log
            .visit_through(from, time, self.source, self.buffer, |ordinal, entry| {
                add(self.layout, self.words, self.derived, ordinal, entry);
            })
    }

    #[inline]
    fn remove_through(&mut self, from: Spot, time: i64) -> Result<Spot, StateError> {
        self.log
            .visit_through(from, time, self.source, self.buffer, |ordinal, entry| {
                remove(self.layout, self.words, self.derived, ordinal, entry);
            })
    }

    /// An entry was inserted into the log at `ordinal`, while the window stood as `bounds` says.
    pub(crate) fn inserted(&mut self, bounds: Bounds, ordinal: u64, entry: Entry<'_>) {
        let layout = self.layout;
        if entry.time() > bounds.through {
            return;
        }
        let mut cursors = self.cursors();
        let at_end = ordinal == cursors.hi.ordinal;
        let is_before = entry.time() <= bounds.after;
        if is_before {
            cursors.lo = Spot::unresolved(cursors.lo.ordinal + 1);
        }
        cursors.hi = Spot::unresolved(cursors.hi.ordinal + 1);
        cursors.write(self.words);
        if is_before {
            if layout.span.is_none() {
                linear::add(&layout.linear, self.words, entry);
            }
            for (layout, derived) in layout.derived.iter().zip(&mut *self.derived) {
                derived.shifted(layout, ordinal, entry);
            }
            return;
        }
        if at_end {
            return add(layout, self.words, self.derived, ordinal, entry);
        }
        linear::add(&layout.linear, self.words, entry);
        for (layout, derived) in layout.derived.iter().zip(&mut *self.derived) {
            derived.add_elsewhere(layout, entry);
        }
    }

    /// Counts an entry in that is not in the log; [`Window::uncount`] must follow.
    pub(crate) fn count(&mut self, entry: Entry<'_>) {
        let mut cursors = self.cursors();
        add(self.layout, self.words, self.derived, cursors.hi.ordinal, entry);
        cursors.hi.ordinal += 1;
        cursors.write(self.words);
    }

    /// Takes out again what [`Window::count`] counted in.
    pub(crate) fn uncount(&mut self, entry: Entry<'_>) {
        let mut cursors = self.cursors();
        cursors.hi.ordinal -= 1;
        cursors.write(self.words);
        linear::remove(&self.layout.linear, self.words, entry);
        for derived in &mut *self.derived {
            derived.valid = false;
        }
    }

    /// Makes derived accumulators anew that are not valid.
    #[inline]
    pub(crate) fn refresh(&mut self) -> Result<(), StateError> {
        for index in 0..self.derived.len() {
            if !self.derived[index].valid {
                self.rebuild(index)?;
            }
        }
        Ok(())
    }

    fn rebuild(&mut self, index: usize) -> Result<(), StateError> {
        let layout = &self.layout.derived[index];
        let derived = &mut self.derived[index];
        let Cursors { lo, hi } = Cursors::read(self.words);
        let flow = |derived: &Derived| {
            let complete = derived.is_complete(layout);
            if complete {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        if derived.looks_back() {
            derived.clear(layout);
            self.log
                .visit_back(lo.ordinal, hi.ordinal, self.source, |ordinal, entry| {
                    derived.add_oldest(layout, ordinal, entry);
                    flow(derived)
                })?;
            derived.add_base(layout);
            return Ok(());
        }
        derived.reset(layout);
        if flow(derived).is_continue() {
            self.log
                .visit(lo, hi.ordinal, self.source, self.buffer, |ordinal, entry| {
                    derived.add_newest(layout, ordinal, entry);
                    flow(derived)
                })?;
        }
        Ok(())
    }
}

/// Adds an entry after all others.
#[inline]
fn add(layout: &WindowLayout, words: &mut [i64], derived: &mut [Derived], ordinal: u64, entry: Entry<'_>) {
    linear::add(&layout.linear, words, entry);
    for (layout, derived) in layout.derived.iter().zip(derived) {
        derived.add_newest(layout, ordinal, entry);
    }
}

/// Takes the oldest entry out. In a window without a beginning, sums keep what the derived accumulators'
/// bases take over.
#[inline]
fn remove(layout: &WindowLayout, words: &mut [i64], derived: &mut [Derived], ordinal: u64, entry: Entry<'_>) {
    if layout.span.is_some() {
        linear::remove(&layout.linear, words, entry);
    }
    for (layout, derived) in layout.derived.iter().zip(derived) {
        derived.remove_oldest(layout, ordinal, entry);
    }
}
