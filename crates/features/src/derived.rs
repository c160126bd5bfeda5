//! Derived accumulators: summaries of a window's entries that are updated while the window moves forward, and rebuilt from
//! the log when that is not possible.

use crate::accumulator::DerivedKind;
use crate::cell::Cell;
use crate::entry::Entry;
use crate::layout::{Column, DerivedLayout};
use crate::sorted::Sorted;
use hashbrown::HashMap;
use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};

/// One derived accumulator of one window.
#[derive(Debug)]
pub(crate) struct Derived {
    /// Whether `current` is up to date. If not, it is rebuilt before it is read.
    pub(crate) valid: bool,
    pub(crate) current: Summary,
    /// Of an unlimited window: the summary of all entries before its edges.
    pub(crate) base: Option<Summary>,
}

/// A summary of the entries between two edges, or up to one.
#[derive(Clone, Debug)]
pub(crate) enum Summary {
    /// Greatest keys that no later one exceeds, falling, each with its ordinal: a monotonic queue.
    Extreme(VecDeque<(u64, i64)>),
    /// Greatest key so far.
    Best(Option<i64>),
    /// First value, with its ordinal.
    First(Option<(u64, Cell)>),
    /// Last value, with its ordinal.
    Last(Option<(u64, Cell)>),
    /// Last k values, newest last.
    LastK(VecDeque<(u64, Cell)>),
    /// How often each value occurs.
    Distinct(HashMap<Cell, u32>),
    /// The same, and the values by frequency.
    Top(Top),
    /// Values in order.
    Sorted(Sorted),
    /// A decayed sum.
    Decayed(Decay),
}

/// Values by frequency.
#[derive(Clone, Debug, Default)]
pub(crate) struct Top {
    counts: HashMap<Cell, u32>,
    order: BTreeSet<(Reverse<u32>, Cell)>,
}

impl Top {
    fn change(&mut self, cell: Cell, change: impl FnOnce(u32) -> u32) {
        let count = self.counts.get(&cell).copied().unwrap_or(0);
        let changed = change(count);
        if count > 0 {
            self.order.remove(&(Reverse(count), cell.clone()));
        }
        if changed > 0 {
            self.order.insert((Reverse(changed), cell.clone()));
            self.counts.insert(cell, changed);
        } else {
            self.counts.remove(&cell);
        }
    }

    /// Most frequent first.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Cell> {
        self.order.iter().map(|(_, cell)| cell)
    }
}

/// The sum of weights · 2^(−age / half-life), as of the event time of the newest entry. Entries are always
/// added in the log's order, so the same entries give the same bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Decay {
    /// The sum and the time as of which it is, once there is an entry.
    pub(crate) sum: Option<(f64, i64)>,
}

impl Decay {
    fn add(&mut self, time: i64, weight: f64, half_life: f64) {
        self.sum = Some(match self.sum {
            None => (weight, time),
            Some((sum, at)) if time >= at => (sum * decay(time - at, half_life) + weight, time),
            // Only an entry that came too late to be inserted is older than the newest.
            Some((sum, at)) => (sum + weight * decay(at - time, half_life), at),
        });
    }

    /// The sum as of `end`, or none without entries.
    pub(crate) fn as_of(&self, end: i64, half_life: f64) -> Option<f64> {
        self.sum
            .map(|(sum, at)| sum * decay(end.saturating_sub(at).max(0), half_life))
    }
}

/// 2^(−age / half-life), the same bits on every machine.
fn decay(age: i64, half_life: f64) -> f64 {
    libm::exp2(-(age as f64) / half_life)
}

impl Derived {
    pub(crate) fn new(layout: &DerivedLayout, bounded: bool) -> Self {
        Derived {
            valid: true,
            current: Summary::new(layout, bounded),
            base: (!bounded).then(|| Summary::new(layout, bounded)),
        }
    }

    /// Resets it to the base: no entries but those before the edges.
    pub(crate) fn reset(&mut self, layout: &DerivedLayout) {
        self.valid = true;
        match &self.base {
            Some(base) => self.current.clone_from(base),
            None => self.current.clear(layout),
        }
    }

    /// An entry enters after all others.
    #[inline]
    pub(crate) fn add_newest(&mut self, layout: &DerivedLayout, ordinal: u64, entry: Entry<'_>) {
        if self.valid && entry.meets(layout.mask) {
            self.current.add(layout, ordinal, entry);
        }
    }

    /// The oldest entry leaves, or moves into the base.
    #[inline]
    pub(crate) fn remove_oldest(&mut self, layout: &DerivedLayout, ordinal: u64, entry: Entry<'_>) {
        if !entry.meets(layout.mask) {
            return;
        }
        match &mut self.base {
            Some(base) => base.add(layout, ordinal, entry),
            None if self.valid => self.valid = self.current.remove_oldest(layout, ordinal, entry),
            None => {}
        }
    }

    /// An entry enters at another place than the end.
    pub(crate) fn add_elsewhere(&mut self, layout: &DerivedLayout, entry: Entry<'_>) {
        self.change_elsewhere(layout, entry, Summary::add);
    }

    /// An entry leaves from another place than the beginning.
    pub(crate) fn remove_elsewhere(&mut self, layout: &DerivedLayout, entry: Entry<'_>) {
        self.change_elsewhere(layout, entry, |summary, layout, ordinal, entry| {
            summary.remove_oldest(layout, ordinal, entry);
        });
    }

    /// In multisets the place does not matter. All others have to be rebuilt, because ordinals change too.
    fn change_elsewhere(
        &mut self,
        layout: &DerivedLayout,
        entry: Entry<'_>,
        change: impl FnOnce(&mut Summary, &DerivedLayout, u64, Entry<'_>),
    ) {
        if !self.current.is_multiset() {
            self.valid = false;
        } else if self.valid && entry.meets(layout.mask) {
            change(&mut self.current, layout, 0, entry);
        }
    }

    /// An entry was inserted before the edges.
    pub(crate) fn shifted(&mut self, layout: &DerivedLayout, ordinal: u64, entry: Entry<'_>) {
        self.valid &= self.current.is_multiset();
        if let Some(base) = self.base.as_mut().filter(|_| entry.meets(layout.mask)) {
            base.add(layout, ordinal, entry);
        }
    }

    /// Whether further entries cannot change it while it is rebuilt.
    pub(crate) fn is_complete(&self, layout: &DerivedLayout) -> bool {
        match &self.current {
            Summary::First(first) => first.is_some(),
            Summary::Last(last) => last.is_some(),
            Summary::LastK(cells) => matches!(layout.kind, DerivedKind::LastK(k) if cells.len() >= k),
            _ => false,
        }
    }

    /// Whether it is rebuilt from the newest entry backwards.
    pub(crate) fn looks_back(&self) -> bool {
        matches!(self.current, Summary::Last(_) | Summary::LastK(_))
    }

    /// While it is rebuilt backwards: an entry before all others except those of the base.
    pub(crate) fn add_oldest(&mut self, layout: &DerivedLayout, ordinal: u64, entry: Entry<'_>) {
        if !entry.meets(layout.mask) {
            return;
        }
        let value = (ordinal, entry.cell(layout.column));
        match &mut self.current {
            Summary::Last(last) => *last = Some(value),
            Summary::LastK(cells) => cells.push_front(value),
            _ => unreachable!("only last values look back"),
        }
    }

    /// Before it is rebuilt backwards: empties it, without the base.
    pub(crate) fn clear(&mut self, layout: &DerivedLayout) {
        self.valid = true;
        self.current.clear(layout);
    }

    /// After it was rebuilt backwards to the beginning: adds the values of the base before the others.
    pub(crate) fn add_base(&mut self, layout: &DerivedLayout) {
        let (current, Some(base)) = (&mut self.current, &self.base) else {
            return;
        };
        match (current, base) {
            (Summary::Last(last @ None), Summary::Last(before)) => last.clone_from(before),
            (Summary::LastK(cells), Summary::LastK(before)) => {
                let DerivedKind::LastK(k) = layout.kind else { return };
                for cell in before.iter().rev().take(k.saturating_sub(cells.len())) {
                    cells.push_front(cell.clone());
                }
            }
            _ => {}
        }
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

impl Summary {
    pub(crate) fn new(layout: &DerivedLayout, bounded: bool) -> Self {
        match layout.kind {
            DerivedKind::Min | DerivedKind::Max if bounded => Summary::Extreme(VecDeque::new()),
            DerivedKind::Min | DerivedKind::Max => Summary::Best(None),
            DerivedKind::First => Summary::First(None),
            DerivedKind::Last => Summary::Last(None),
            DerivedKind::LastK(_) => Summary::LastK(VecDeque::new()),
            DerivedKind::Distinct => Summary::Distinct(HashMap::default()),
            DerivedKind::Frequencies => Summary::Top(Top::default()),
            DerivedKind::Sorted => Summary::Sorted(Sorted::default()),
            DerivedKind::Decayed { .. } => Summary::Decayed(Decay::default()),
        }
    }

    fn clear(&mut self, layout: &DerivedLayout) {
        match self {
            Summary::Extreme(queue) => queue.clear(),
            Summary::LastK(cells) => cells.clear(),
            Summary::Distinct(counts) => counts.clear(),
            other => *other = Summary::new(layout, !matches!(other, Summary::Best(_))),
        }
    }

    fn is_multiset(&self) -> bool {
        matches!(self, Summary::Distinct(_) | Summary::Top(_) | Summary::Sorted(_))
    }

    fn add(&mut self, layout: &DerivedLayout, ordinal: u64, entry: Entry<'_>) {
        match self {
            Summary::Extreme(queue) => {
                let key = key(layout, entry);
                while queue.back().is_some_and(|&(_, other)| other <= key) {
                    queue.pop_back();
                }
                queue.push_back((ordinal, key));
            }
            Summary::Best(best) => *best = (*best).max(Some(key(layout, entry))),
            Summary::First(first @ None) => *first = Some((ordinal, entry.cell(layout.column))),
            Summary::First(Some(_)) => {}
            Summary::Last(last) => *last = Some((ordinal, entry.cell(layout.column))),
            Summary::LastK(cells) => {
                if matches!(layout.kind, DerivedKind::LastK(k) if cells.len() >= k) {
                    cells.pop_front();
                }
                cells.push_back((ordinal, entry.cell(layout.column)));
            }
            Summary::Distinct(counts) => *counts.entry(entry.cell(layout.column)).or_insert(0) += 1,
            Summary::Top(top) => top.change(entry.cell(layout.column), |count| count + 1),
            Summary::Sorted(sorted) => sorted.add(word(layout, entry)),
            Summary::Decayed(decay) => {
                if let DerivedKind::Decayed { half_life, is_weighted } = layout.kind {
                    let weight = match is_weighted {
                        true => word(layout, entry) as f64 / layout.scale,
                        false => 1.0,
                    };
                    decay.add(entry.time(), weight, half_life);
                }
            }
        }
    }

    /// False if it has to be rebuilt then.
    fn remove_oldest(&mut self, layout: &DerivedLayout, ordinal: u64, entry: Entry<'_>) -> bool {
        match self {
            Summary::Extreme(queue) => {
                if queue.front().is_some_and(|&(oldest, _)| oldest == ordinal) {
                    queue.pop_front();
                }
            }
            Summary::First(_) => return false,
            Summary::Last(last) => {
                if last.as_ref().is_some_and(|&(newest, _)| newest == ordinal) {
                    *last = None;
                }
            }
            Summary::LastK(cells) => {
                if cells.front().is_some_and(|&(oldest, _)| oldest == ordinal) {
                    cells.pop_front();
                }
            }
            Summary::Distinct(counts) => {
                let cell = entry.cell(layout.column);
                let count = counts
                    .get_mut(&cell)
                    .expect("a value that leaves a window has entered it");
                *count -= 1;
                if *count == 0 {
                    counts.remove(&cell);
                }
            }
            Summary::Top(top) => top.change(entry.cell(layout.column), |count| count - 1),
            Summary::Sorted(sorted) => sorted.remove(word(layout, entry)),
            Summary::Best(_) | Summary::Decayed(_) => {
                unreachable!("windows without a beginning let no entry go")
            }
        }
        true
    }

    fn memory(&self) -> usize {
        const CELL: usize = size_of::<(u64, Cell)>();
        match self {
            Summary::Extreme(queue) => queue.capacity() * 16,
            Summary::LastK(cells) => cells.capacity() * CELL,
            Summary::Distinct(counts) => counts.capacity() * (CELL + 1),
            Summary::Top(top) => top.counts.capacity() * (2 * CELL + 1),
            Summary::Sorted(sorted) => sorted.memory(),
            _ => 0,
        }
    }
}

fn word(layout: &DerivedLayout, entry: Entry<'_>) -> i64 {
    match layout.column {
        Column::Word(word) => entry.words[word],
        Column::Text(_) => unreachable!("texts are not compared or summed"),
    }
}

/// The greater the key, the better; the complement turns the order round without overflow.
fn key(layout: &DerivedLayout, entry: Entry<'_>) -> i64 {
    let word = word(layout, entry);
    if layout.kind == DerivedKind::Min { !word } else { word }
}

/// The inverse of what was done to a key.
pub(crate) fn from_key(layout: &DerivedLayout, key: i64) -> i64 {
    if layout.kind == DerivedKind::Min { !key } else { key }
}
