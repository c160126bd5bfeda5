//! Walking the trees: 16 rows through one tree, or one row through 16 trees, at a time.

use super::key::{Key, Number};
use super::layout::{KeyOf, Record, Tree};
use super::{Forest, LeafWeight};

/// Walks in flight at once: enough for their loads to hide each other's latency.
const LANES: usize = 16;

/// Rows whose keys stay in the first-level cache while all trees pass over them.
const BLOCK: usize = 64;

/// Space for the keys of a block of rows.
#[derive(Debug)]
pub(crate) struct Keys<R: Record> {
    keys: Vec<KeyOf<R>>,
}

impl<R: Record> Default for Keys<R> {
    fn default() -> Self {
        Keys { keys: Vec::new() }
    }
}

impl<R: Record> Forest<R> {
    /// Adds up each row's leaf weights, tree after tree in the number type itself, as ONNX Runtime does.
    ///
    /// `rows` are `width` numbers each; `sums` gets one sum for each row. Only for forests with single leaves.
    pub fn sum_single(&self, rows: &[R::Number], width: usize, keys: &mut Keys<R>, sums: &mut [R::Number]) {
        sums.fill(R::Number::zero());
        self.for_each_payload(rows, width, keys, |row, payload| {
            sums[row] = sums[row].add(Self::single(payload));
        });
    }

    /// Calls `visit` with each row's leaf weights, for each row in the order of the trees.
    pub fn for_each_leaf(
        &self,
        rows: &[R::Number],
        width: usize,
        keys: &mut Keys<R>,
        mut visit: impl FnMut(usize, &[LeafWeight<R::Number>]),
    ) {
        if self.is_single() {
            self.for_each_payload(rows, width, keys, |row, payload| {
                visit(
                    row,
                    &[LeafWeight {
                        target: 0,
                        value: Self::single(payload),
                    }],
                );
            });
        } else {
            self.for_each_payload(rows, width, keys, |row, payload| visit(row, self.several(payload)));
        }
    }

    fn for_each_payload(
        &self,
        rows: &[R::Number],
        width: usize,
        keys: &mut Keys<R>,
        mut visit: impl FnMut(usize, KeyOf<R>),
    ) {
        assert!(width >= self.features(), "the operator checks the width of its input");
        if width == 0 {
            return;
        }
        for (block, rows) in rows.chunks(BLOCK * width).enumerate() {
            let count = rows.len() / width;
            let stride = self.fill_keys(rows, width, &mut keys.keys);
            let mut row = 0;
            while count - row >= LANES {
                row += LANES;
            }
            if row > 0 {
                self.walk_rows(&keys.keys, stride, row, |lane, payload| {
                    visit(block * BLOCK + lane, payload)
                });
            }
            for row in row..count {
                let keys = &keys.keys[row * stride..][..stride];
                self.walk_trees(keys, |payload| visit(block * BLOCK + row, payload));
            }
        }
    }

    /// Each row becomes its keys with missing values lowest, then the same with missing values highest, then the slot
    /// that leaves look at.
    fn fill_keys(&self, rows: &[R::Number], width: usize, keys: &mut Vec<KeyOf<R>>) -> usize {
        let features = self.features();
        let stride = 2 * features + 1;
        keys.resize(rows.len() / width * stride, KeyOf::<R>::LOWEST);
        for (row, keys) in rows.chunks_exact(width).zip(keys.chunks_exact_mut(stride)) {
            let (low, high) = keys.split_at_mut(features);
            for ((&value, low), high) in row.iter().zip(low).zip(high) {
                let key = value.key();
                let is_missing = value.is_nan();
                *low = if is_missing { KeyOf::<R>::LOWEST } else { key };
                *high = if is_missing { KeyOf::<R>::HIGHEST } else { key };
            }
            keys[2 * features] = KeyOf::<R>::LOWEST;
        }
        stride
    }

    /// `count` rows, a multiple of [`LANES`], through each tree.
    fn walk_rows(&self, keys: &[KeyOf<R>], stride: usize, count: usize, mut visit: impl FnMut(usize, KeyOf<R>)) {
        let records = self.layout.records.as_slice();
        for tree in &self.layout.trees {
            for first in (0..count).step_by(LANES) {
                let keys = &keys[first * stride..][..LANES * stride];
                let mut positions = [tree.root; LANES];
                let lane_keys: [&[KeyOf<R>]; LANES] = std::array::from_fn(|lane| &keys[lane * stride..][..stride]);
                descend(records, &mut positions, *tree, |lane| lane_keys[lane]);
                for (lane, &position) in positions.iter().enumerate() {
                    visit(first + lane, records[position as usize].cut());
                }
            }
        }
    }

    /// One row through all trees.
    fn walk_trees(&self, keys: &[KeyOf<R>], mut visit: impl FnMut(KeyOf<R>)) {
        let records = self.layout.records.as_slice();
        let (groups, rest) = self.layout.trees.as_chunks::<LANES>();
        for trees in groups {
            let mut positions = trees.map(|tree| tree.root);
            let steps = Tree {
                root: 0,
                min_steps: trees.iter().map(|tree| tree.min_steps).max().unwrap_or(0),
                max_steps: trees.iter().map(|tree| tree.max_steps).max().unwrap_or(0),
            };
            descend(records, &mut positions, steps, |_| keys);
            for position in positions {
                visit(records[position as usize].cut());
            }
        }
        for tree in rest {
            let mut positions = [tree.root];
            descend(records, &mut positions, *tree, |_| keys);
            visit(records[positions[0] as usize].cut());
        }
    }
}

/// Moves every lane to its leaf. Those that are there already stay.
#[inline(always)]
fn descend<'a, R: Record, const LANES: usize>(
    records: &[R],
    positions: &mut [u32; LANES],
    steps: Tree,
    keys: impl Fn(usize) -> &'a [KeyOf<R>],
) where
    KeyOf<R>: 'a,
{
    for _ in 0..steps.min_steps {
        for (lane, position) in positions.iter_mut().enumerate() {
            *position = step(records, *position, keys(lane));
        }
    }
    for _ in steps.min_steps..steps.max_steps {
        let mut moved = 0;
        for (lane, position) in positions.iter_mut().enumerate() {
            let next = step(records, *position, keys(lane));
            moved |= next ^ *position;
            *position = next;
        }
        if moved == 0 {
            return;
        }
    }
}

#[inline(always)]
fn step<R: Record>(records: &[R], position: u32, keys: &[KeyOf<R>]) -> u32 {
    let record = records[position as usize];
    record.child() + u32::from(keys[record.slot()] >= record.cut())
}
