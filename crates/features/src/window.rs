//! One window of one entity: two cursors into a log and what lies between them, moved to where the
//! window of an event begins and ends.

use crate::derived::Derived;
use crate::entry::Entry;
use crate::layout::{EntityFeatures, WindowLayout};
use crate::linear;
use crate::log::{Log, Source};
use crate::state::StateError;
use std::ops::Range;

/// The entries [lo, hi) of a log, by ordinal. In a window without a beginning the entries before `lo`
/// have sunk into the accumulators for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursors {
    pub(crate) lo: u64,
    pub(crate) hi: u64,
}

impl Cursors {
    /// From a window's words.
    #[inline]
    pub(crate) fn read(words: &[i64]) -> Self {
        Cursors { lo: words[0] as u64, hi: words[1] as u64 }
    }

    #[inline]
    pub(crate) fn write(self, words: &mut [i64]) {
        words[0] = self.lo as i64;
        words[1] = self.hi as i64;
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
        Place { before: ordinal, through: ordinal + 1 }
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
pub(crate) fn bounds(
    features: &EntityFeatures,
    window: &WindowLayout,
    time: i64,
    stream: i64,
) -> Bounds {
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
    Bounds { after, through: end.max(floor) }
}

/// A window's part of an entity, borrowed.
pub(crate) struct Window<'a> {
    pub(crate) layout: &'a WindowLayout,
    /// Cursors and linear accumulators.
    pub(crate) words: &'a mut [i64],
    pub(crate) derived: &'a mut [Derived],
    pub(crate) log: &'a mut Log,
    pub(crate) source: Source<'a>,
}

impl Window<'_> {
    #[inline]
    fn cursors(&self) -> Cursors {
        Cursors::read(self.words)
    }

    /// Moves the window to where it stands as of a moment.
    #[inline]
    pub(crate) fn seek(&mut self, features: &EntityFeatures, as_of: AsOf) -> Result<(), StateError> {
        let bounds = bounds(features, self.layout, as_of.time, as_of.stream);
        let from = self.cursors();
        let lo = match self.layout.span {
            Some(_) => self.log.position_after(bounds.after, from.lo, self.source)?,
            None => self.sunk(features, as_of)?,
        };
        let hi = match as_of.place {
            Some(place) if self.layout.at_current && self.layout.include_current => place.through,
            Some(place) if self.layout.at_current => place.before,
            _ => self.log.position_after(bounds.through, from.hi, self.source)?,
        };
        self.move_to(Cursors { lo, hi: hi.max(lo) })
    }

    /// Where the entries end that have sunk into a window without a beginning. They never rise again.
    fn sunk(&mut self, features: &EntityFeatures, as_of: AsOf) -> Result<u64, StateError> {
        let after = bounds(features, self.layout, as_of.time, as_of.settled).after;
        let sunk = self.cursors().lo;
        Ok(self.log.position_after(after, sunk, self.source)?.max(sunk))
    }

    #[inline]
    fn move_to(&mut self, to: Cursors) -> Result<(), StateError> {
        let from = self.cursors();
        if from == to {
            return Ok(());
        }
        let disjoint = to.lo >= from.hi || to.hi <= from.lo;
        if disjoint && self.layout.span.is_some() {
            if from.lo < from.hi {
                self.clear();
            }
            self.add_newest(to.lo..to.hi)?;
        } else {
            self.add_oldest(to.lo..from.lo)?;
            self.add_newest(from.hi..to.hi)?;
            self.remove_newest(to.hi..from.hi)?;
            self.remove_oldest(from.lo..to.lo)?;
        }
        to.write(self.words);
        Ok(())
    }

    fn clear(&mut self) {
        linear::clear(&self.layout.linear, self.words);
        for (layout, derived) in self.layout.derived.iter().zip(&mut *self.derived) {
            derived.reset(layout);
        }
    }

    #[inline]
    fn add_newest(&mut self, range: Range<u64>) -> Result<(), StateError> {
        let layout = self.layout;
        for_each(self.log, range, self.source, |ordinal, entry| {
            linear::add(&layout.linear, self.words, entry);
            for (layout, derived) in layout.derived.iter().zip(&mut *self.derived) {
                derived.add_newest(layout, ordinal, entry);
            }
        })
    }

    fn add_oldest(&mut self, range: Range<u64>) -> Result<(), StateError> {
        let layout = self.layout;
        for_each(self.log, range, self.source, |_, entry| {
            linear::add(&layout.linear, self.words, entry);
            for (layout, derived) in layout.derived.iter().zip(&mut *self.derived) {
                derived.add_elsewhere(layout, entry);
            }
        })
    }

    fn remove_newest(&mut self, range: Range<u64>) -> Result<(), StateError> {
        let layout = self.layout;
        for_each(self.log, range, self.source, |_, entry| {
            linear::remove(&layout.linear, self.words, entry);
            for (layout, derived) in layout.derived.iter().zip(&mut *self.derived) {
                derived.remove_elsewhere(layout, entry);
            }
        })
    }

    /// In a window without a beginning, sums keep what the derived accumulators' bases take over.
    #[inline]
    fn remove_oldest(&mut self, range: Range<u64>) -> Result<(), StateError> {
        let layout = self.layout;
        if layout.span.is_none() && layout.derived.is_empty() {
            return Ok(());
        }
        for_each(self.log, range, self.source, |ordinal, entry| {
            if layout.span.is_some() {
                linear::remove(&layout.linear, self.words, entry);
            }
            for (layout, derived) in layout.derived.iter().zip(&mut *self.derived) {
                derived.remove_oldest(layout, ordinal, entry);
            }
        })
    }

    /// An entry was inserted into the log at `ordinal`, while the window stood as `bounds` says.
    pub(crate) fn inserted(&mut self, bounds: Bounds, ordinal: u64, entry: Entry<'_>) {
        let layout = self.layout;
        if entry.time() > bounds.through {
            return;
        }
        let cursors = self.cursors();
        let at_end = ordinal == cursors.hi;
        let is_before = entry.time() <= bounds.after;
        Cursors { lo: cursors.lo + u64::from(is_before), hi: cursors.hi + 1 }.write(self.words);
        if is_before {
            if layout.span.is_none() {
                linear::add(&layout.linear, self.words, entry);
            }
            for (layout, derived) in layout.derived.iter().zip(&mut *self.derived) {
                derived.shifted(layout, ordinal, entry);
            }
            return;
        }
        linear::add(&layout.linear, self.words, entry);
        for (layout, derived) in layout.derived.iter().zip(&mut *self.derived) {
            if at_end {
                derived.add_newest(layout, ordinal, entry);
            } else {
                derived.add_elsewhere(layout, entry);
            }
        }
    }

    /// Counts an entry in that is not in the log; [`Window::uncount`] must follow.
    pub(crate) fn count(&mut self, entry: Entry<'_>) {
        linear::add(&self.layout.linear, self.words, entry);
        let Cursors { lo, hi } = self.cursors();
        for (layout, derived) in self.layout.derived.iter().zip(&mut *self.derived) {
            derived.add_newest(layout, hi, entry);
        }
        Cursors { lo, hi: hi + 1 }.write(self.words);
    }

    /// Takes out again what [`Window::count`] counted in.
    pub(crate) fn uncount(&mut self, entry: Entry<'_>) {
        let Cursors { lo, hi } = self.cursors();
        Cursors { lo, hi: hi - 1 }.write(self.words);
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
        let Cursors { mut lo, mut hi } = Cursors::read(self.words);
        if derived.looks_back() {
            derived.clear(layout);
            while lo < hi && !derived.is_complete(layout) {
                for (ordinal, entry) in self.log.last_part(lo..hi, self.source)?.entries().rev() {
                    hi = ordinal;
                    derived.add_oldest(layout, ordinal, entry);
                    if derived.is_complete(layout) {
                        break;
                    }
                }
            }
            derived.add_base(layout);
            return Ok(());
        }
        derived.reset(layout);
        while lo < hi && !derived.is_complete(layout) {
            for (ordinal, entry) in self.log.part(lo..hi, self.source)?.entries() {
                lo = ordinal + 1;
                derived.add_newest(layout, ordinal, entry);
                if derived.is_complete(layout) {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Calls `visit` for each entry of the range; an inverted range is empty.
#[inline]
fn for_each(
    log: &mut Log,
    range: Range<u64>,
    source: Source<'_>,
    mut visit: impl FnMut(u64, Entry<'_>),
) -> Result<(), StateError> {
    let mut at = range.start;
    while at < range.end {
        for (ordinal, entry) in log.part(at..range.end, source)?.entries() {
            visit(ordinal, entry);
            at = ordinal + 1;
        }
    }
    Ok(())
}
