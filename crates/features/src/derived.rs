//! Derived accumulators: summaries of a window's entries that are updated while the window moves forward, and rebuilt from
//! the log when that is not possible.

use crate::accumulator::DerivedKind;
use crate::encode::{Malformed, Reader};
use crate::entry::Entry;
use crate::layout::DerivedLayout;
use crate::summary::{Summary, Validity};

/// One derived accumulator of one window.
#[derive(Debug)]
pub(crate) struct Derived {
    /// Whether `current` is up to date.
    pub(crate) validity: Validity,
    pub(crate) current: Summary,
    /// Of an unlimited window: the summary of all entries before its edges.
    pub(crate) base: Option<Summary>,
}

impl Derived {
    pub(crate) fn new(layout: &DerivedLayout, bounded: bool) -> Self {
        Derived {
            validity: Validity::Valid,
            current: Summary::new(layout, bounded),
            base: (!bounded).then(|| Summary::new(layout, bounded)),
        }
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.validity == Validity::Valid
    }

    /// It has to be rebuilt before it is read.
    pub(crate) fn outdate(&mut self) {
        if self.is_valid() {
            self.validity = Validity::Stale;
        }
    }

    /// Resets it to the base: no entries but those before the edges.
    pub(crate) fn reset(&mut self, layout: &DerivedLayout) {
        self.validity = Validity::Valid;
        match &self.base {
            Some(base) => self.current.clone_from(base),
            None => self.current.clear(layout),
        }
    }

    /// An entry enters after all others.
    #[inline]
    pub(crate) fn add_newest(&mut self, layout: &DerivedLayout, ordinal: u64, entry: Entry<'_>) {
        if self.is_valid() && layout.admits(entry) {
            self.current.add(layout, ordinal, entry);
        }
    }

    /// The oldest entry leaves, or moves into the base.
    #[inline]
    pub(crate) fn remove_oldest(&mut self, layout: &DerivedLayout, ordinal: u64, entry: Entry<'_>) {
        if !layout.admits(entry) {
            return;
        }
        if let Some(base) = &mut self.base {
            base.add(layout, ordinal, entry);
        } else if self.is_valid() {
            self.validity = self.current.remove_oldest(layout, ordinal, entry);
        }
    }

    /// An entry enters at another place than the end.
    pub(crate) fn add_elsewhere(&mut self, layout: &DerivedLayout, entry: Entry<'_>) {
        self.change_elsewhere(layout, entry, |summary, layout, ordinal, entry| {
            summary.add(layout, ordinal, entry);
            Validity::Valid
        });
    }

    /// An entry leaves from another place than the beginning.
    pub(crate) fn remove_elsewhere(&mut self, layout: &DerivedLayout, entry: Entry<'_>) {
        self.change_elsewhere(layout, entry, Summary::remove_oldest);
    }

    /// In multisets the place does not matter. All others have to be rebuilt, because ordinals change too.
    fn change_elsewhere(
        &mut self,
        layout: &DerivedLayout,
        entry: Entry<'_>,
        change: impl FnOnce(&mut Summary, &DerivedLayout, u64, Entry<'_>) -> Validity,
    ) {
        if !self.current.is_multiset() {
            self.outdate();
        } else if self.is_valid() && layout.admits(entry) {
            self.validity = change(&mut self.current, layout, 0, entry);
        }
    }

    /// An entry was inserted before the edges.
    pub(crate) fn shifted(&mut self, layout: &DerivedLayout, ordinal: u64, entry: Entry<'_>) {
        if !self.current.is_multiset() {
            self.outdate();
        }
        if let Some(base) = self.base.as_mut().filter(|_| layout.admits(entry)) {
            base.add(layout, ordinal, entry);
        }
    }

    /// Takes over a row that is too old for the log, if it is the newest of those before the edges. Gives whether it is.
    pub(crate) fn settle(&mut self, layout: &DerivedLayout, entry: Entry<'_>) -> bool {
        let Some(base @ Summary::Row(_)) = &mut self.base else {
            return false;
        };
        if matches!(base, Summary::Row(Some((time, _))) if *time > entry.time()) {
            return false;
        }
        base.add(layout, 0, entry);
        self.outdate();
        true
    }

    /// Whether it is rebuilt from the newest entry backwards.
    pub(crate) fn looks_back(&self) -> bool {
        matches!(self.current, Summary::Last(_) | Summary::LastK(_) | Summary::Row(_))
    }

    /// While it is rebuilt backwards: an entry before all others except those of the base.
    pub(crate) fn add_oldest(&mut self, layout: &DerivedLayout, ordinal: u64, entry: Entry<'_>) {
        if !layout.admits(entry) {
            return;
        }
        let value = || (ordinal, entry.cell(layout.column));
        match &mut self.current {
            Summary::Last(last) => *last = Some(value()),
            Summary::LastK(cells) => cells.push_front(value()),
            Summary::Row(row) => *row = Some(layout.row(entry)),
            _ => unreachable!("only last values look back"),
        }
    }

    /// Before it is rebuilt backwards: empties it, without the base.
    pub(crate) fn clear(&mut self, layout: &DerivedLayout) {
        self.validity = Validity::Valid;
        self.current.clear(layout);
    }

    /// After it was rebuilt backwards to the beginning: adds the values of the base before the others.
    pub(crate) fn add_base(&mut self, layout: &DerivedLayout) {
        let (current, Some(base)) = (&mut self.current, &self.base) else {
            return;
        };
        match (current, base) {
            (Summary::Last(last @ None), Summary::Last(before)) => last.clone_from(before),
            (Summary::Row(row @ None), Summary::Row(before)) => row.clone_from(before),
            (Summary::LastK(cells), Summary::LastK(before)) => {
                let DerivedKind::LastK(k) = layout.kind else { return };
                for cell in before.iter().rev().take(k.saturating_sub(cells.len())) {
                    cells.push_front(cell.clone());
                }
            }
            _ => {}
        }
    }

    /// Decodes the base, if there is one. Derived accumulators are rebuilt from it and the log.
    pub(crate) fn decode_base(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        self.outdate();
        self.base.as_mut().map_or(Ok(()), |base| base.decode(reader))
    }

    pub(crate) fn memory(&self) -> usize {
        size_of::<Derived>()
            + self.current.memory()
            + self
                .base
                .as_ref()
                .map_or(0, |base| size_of::<Summary>() + base.memory())
    }
}
