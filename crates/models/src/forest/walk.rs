//! Walks trees: 16 rows through one tree, or one row through 16 trees, at a time.

use std::ops::Range;

use super::key::{Key, Number};
use super::layout::Layout;
use super::record::{KeyOf, Record, Tree};
use super::top_levels::Exits;
use super::{Forest, LeafWeight};

/// The number of concurrent walks: enough for their loads to hide each other's latency.
const LANES: usize = 16;

/// Rows of a block: their keys stay in the first-level cache while all trees are walked.
const BLOCK: usize = 64;

/// A buffer for the keys of a block of rows.
#[derive(Clone, Debug)]
pub(crate) struct Keys<R: Record> {
    /// Keys of groups of rows: for each group its slots, in each slot a key for each row.
    groups: Vec<[KeyOf<R>; LANES]>,
    /// Keys of a single row, by slot.
    row: Vec<[KeyOf<R>; 1]>,
}

impl<R: Record> Default for Keys<R> {
    fn default() -> Self {
        Keys {
            groups: Vec::new(),
            row: Vec::new(),
        }
    }
}

/// The keys of a part of the rows.
enum Part<'k, R: Record> {
    /// Groups of [`LANES`] rows.
    Groups(&'k [[KeyOf<R>; LANES]]),
    /// A single row.
    Row(&'k [[KeyOf<R>; 1]]),
}

impl<R: Record> Forest<R> {
    /// Adds up each row's leaf weights in the order of the trees, in the type of the numbers, as ONNX Runtime does.
    ///
    /// `rows` holds `width` numbers for each row; `sums` receives one sum for each row. Requires [`Forest::is_single`].
    pub fn sum_single<T: Copy + Into<R::Number>>(
        &self,
        rows: &[T],
        width: usize,
        keys: &mut Keys<R>,
        sums: &mut [R::Number],
    ) {
        sums.fill(R::Number::zero());
        self.for_each_part(rows, width, keys, |first, part| match part {
            Part::Groups(keys) => {
                let sums = sums[first..].as_chunks_mut::<LANES>().0;
                self.walk_rows(keys, |group, payloads| {
                    for (sum, &payload) in sums[group].iter_mut().zip(payloads) {
                        *sum = sum.add(Self::single(payload));
                    }
                });
            }
            Part::Row(keys) => {
                let mut sum = R::Number::zero();
                self.walk_trees(keys, |payload| sum = sum.add(Self::single(payload)));
                sums[first] = sum;
            }
        });
    }

    /// Calls `visit` with the number of a row and the weights of a leaf that it reaches, for each row in the order of
    /// the trees.
    pub fn for_each_leaf<T: Copy + Into<R::Number>>(
        &self,
        rows: &[T],
        width: usize,
        keys: &mut Keys<R>,
        mut visit: impl FnMut(usize, &[LeafWeight<R::Number>]),
    ) {
        let mut visit = |row: usize, payload: KeyOf<R>| {
            if self.is_single() {
                let value = Self::single(payload);
                visit(row, &[LeafWeight { target: 0, value }]);
            } else {
                visit(row, self.several(payload));
            }
        };
        self.for_each_part(rows, width, keys, |first, part| match part {
            Part::Groups(keys) => self.walk_rows(keys, |group, payloads| {
                for (lane, &payload) in payloads.iter().enumerate() {
                    visit(first + group * LANES + lane, payload);
                }
            }),
            Part::Row(keys) => self.walk_trees(keys, |payload| visit(first, payload)),
        });
    }

    /// Calls `walk` with each part of the rows: the number of its first row, and its keys.
    fn for_each_part<T: Copy + Into<R::Number>>(
        &self,
        rows: &[T],
        width: usize,
        keys: &mut Keys<R>,
        mut walk: impl FnMut(usize, Part<'_, R>),
    ) {
        assert!(width >= self.features(), "the operator checks the width of its input");
        if width == 0 {
            return;
        }
        for (block, rows) in rows.chunks(BLOCK * width).enumerate() {
            let first = block * BLOCK;
            let (grouped, alone) = rows.split_at(rows.len() - rows.len() % (LANES * width));
            if !grouped.is_empty() {
                walk(first, Part::Groups(self.fill_keys(grouped, width, &mut keys.groups)));
            }
            let first = first + grouped.len() / width;
            for (row, numbers) in alone.chunks_exact(width).enumerate() {
                walk(first + row, Part::Row(self.fill_keys(numbers, width, &mut keys.row)));
            }
        }
    }

    /// The keys of rows in groups of `N`. The slots of a group are the features with missing values lowest, the
    /// features with missing values highest, and the slot that leaves compare.
    fn fill_keys<'k, T: Copy + Into<R::Number>, const N: usize>(
        &self,
        rows: &[T],
        width: usize,
        keys: &'k mut Vec<[KeyOf<R>; N]>,
    ) -> &'k [[KeyOf<R>; N]] {
        let (features, slots) = (self.features(), self.layout.slots);
        let needed = rows.len() / (N * width) * slots;
        // The slots after those of the features keep this value.
        if keys.len() < needed {
            keys.resize(needed, [KeyOf::<R>::LOWEST; N]);
        }
        for (rows, keys) in rows.chunks_exact(N * width).zip(keys.chunks_exact_mut(slots)) {
            let (low, high) = keys.split_at_mut(features);
            for lane in 0..N {
                let row = &rows[lane * width..][..width];
                for ((&value, low), high) in row.iter().zip(low.iter_mut()).zip(&mut high[..features]) {
                    let value: R::Number = value.into();
                    let key = value.key();
                    let is_missing = value.is_nan();
                    low[lane] = if is_missing { KeyOf::<R>::LOWEST } else { key };
                    high[lane] = if is_missing { KeyOf::<R>::HIGHEST } else { key };
                }
            }
        }
        &keys[..needed]
    }

    /// Walks groups of rows through each tree. `visit` gets the number of a group and the payloads of its leaves.
    fn walk_rows(&self, keys: &[[KeyOf<R>; LANES]], mut visit: impl FnMut(usize, &[KeyOf<R>; LANES])) {
        let Layout {
            records,
            trees,
            top_levels,
            slots,
            ..
        } = &self.layout;
        let mut block = [[KeyOf::<R>::LOWEST; LANES]; BLOCK / LANES];
        let groups = &mut block[..keys.len() / slots];
        for (index, tree) in trees.iter().enumerate() {
            top_levels.exits_of_rows(index, keys, groups);
            for (group, (exits, keys)) in groups.iter_mut().zip(keys.chunks_exact(*slots)).enumerate() {
                if top_levels.exits_are == Exits::Records {
                    let steps = steps_below(top_levels.levels, tree.min_steps, tree.max_steps);
                    descend(records, exits, steps, |lane, slot| keys[slot][lane]);
                }
                visit(group, exits);
            }
        }
    }

    /// Walks one row through all trees.
    fn walk_trees(&self, keys: &[[KeyOf<R>; 1]], mut visit: impl FnMut(KeyOf<R>)) {
        let first = self.walk_groups::<LANES>(0, keys, &mut visit);
        let first = self.walk_groups::<{ LANES / 4 }>(first, keys, &mut visit);
        self.walk_groups::<1>(first, keys, &mut visit);
    }

    /// Walks one row through the trees from `first` on, `N` at a time. Returns the first of the remaining trees, fewer
    /// than `N`.
    fn walk_groups<const N: usize>(
        &self,
        mut first: usize,
        keys: &[[KeyOf<R>; 1]],
        visit: &mut impl FnMut(KeyOf<R>),
    ) -> usize {
        let Layout {
            records,
            trees,
            top_levels,
            ..
        } = &self.layout;
        for trees in trees[first..].as_chunks::<N>().0 {
            let mut exits: [KeyOf<R>; N] = top_levels.exits_of_trees(first, keys);
            if top_levels.exits_are == Exits::Records {
                let largest = |steps: fn(&Tree) -> u32| trees.iter().map(steps).max().unwrap_or(0);
                let steps = steps_below(
                    top_levels.levels,
                    largest(|tree| tree.min_steps),
                    largest(|tree| tree.max_steps),
                );
                descend(records, &mut exits, steps, |_, slot| keys[slot][0]);
            }
            exits.into_iter().for_each(&mut *visit);
            first += N;
        }
        first
    }
}

/// The steps below the top levels: all lanes take `start` of the range, some up to `end`.
fn steps_below(levels: u32, all: u32, some: u32) -> Range<u32> {
    all.saturating_sub(levels)..some.saturating_sub(levels)
}

/// Replaces the record index of each lane by the payload of the leaf below. A lane at a leaf stays there.
#[inline(always)]
fn descend<R: Record, const LANES: usize>(
    records: &[R],
    exits: &mut [KeyOf<R>; LANES],
    mut steps: Range<u32>,
    key: impl Fn(usize, usize) -> KeyOf<R>,
) {
    let mut positions = exits.map(Key::to_index);
    let step = |position: u32, lane: usize| {
        let record = records[position as usize];
        record.child() + u32::from(key(lane, record.slot()) >= record.cut())
    };
    for _ in 0..steps.start {
        for (lane, position) in positions.iter_mut().enumerate() {
            *position = step(*position, lane);
        }
    }
    let mut moved = 1;
    while moved != 0 && steps.next().is_some() {
        moved = 0;
        for (lane, position) in positions.iter_mut().enumerate() {
            let next = step(*position, lane);
            moved |= next ^ *position;
            *position = next;
        }
    }
    *exits = positions.map(|position| records[position as usize].cut());
}
