//! The top levels of trees in Eytzinger layout.
//!
//! As in a binary heap, the root has index 1, and the children of index i are 2i and 2i + 1, so a step reads no link.
//! Slots fit a byte, so an index into an array of 256 keys needs no bounds check. A leaf above the lowest of the top
//! levels is repeated down to it. A walk leaves the top levels with the payload of a leaf if they hold whole trees,
//! otherwise with the index of a record.

use super::key::Key;
use super::record::{KeyOf, Record, Tree};

/// The number of slots in a row of keys for trees with top levels: the number of values of a byte.
pub(crate) const SLOTS: usize = 256;

/// The top levels of all trees of a forest, the same number for each.
#[derive(Debug)]
pub(crate) struct TopLevels<R: Record> {
    pub levels: u32,
    pub exits_are: Exits,
    /// 2^levels for each tree; index 0 is not used.
    nodes: Vec<TopNode<R>>,
    /// For each tree the 2^levels exits from its top levels, from left to right.
    exits: Vec<KeyOf<R>>,
}

/// The meaning of an exit from the top levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exits {
    /// The payload of a leaf: the top levels hold whole trees.
    Payloads,
    /// The index of a record.
    Records,
}

#[derive(Clone, Copy, Debug)]
struct TopNode<R: Record> {
    cut: KeyOf<R>,
    slot: u8,
}

/// Calls a function with the number of levels and of exits as constants: the compiler then unrolls the loop over
/// levels and omits bounds checks.
macro_rules! with_levels {
    ($levels:expr, $function:ident $arguments:tt) => {
        match $levels {
            0 => $function::<R, N, 0, 1> $arguments,
            1 => $function::<R, N, 1, 2> $arguments,
            2 => $function::<R, N, 2, 4> $arguments,
            3 => $function::<R, N, 3, 8> $arguments,
            4 => $function::<R, N, 4, 16> $arguments,
            5 => $function::<R, N, 5, 32> $arguments,
            6 => $function::<R, N, 6, 64> $arguments,
            7 => $function::<R, N, 7, 128> $arguments,
            _ => $function::<R, N, MAX_LEVELS, 256> $arguments,
        }
    };
}

const MAX_LEVELS: u32 = 8;

impl<R: Record> TopLevels<R> {
    /// Top levels up to the depth of the deepest tree, limited to [`MAX_LEVELS`] and to twice as many nodes as there
    /// are records. No levels if rows have more than [`SLOTS`] slots: the only exit is then the root.
    pub fn new(records: &[R], trees: &[Tree], slots: usize) -> Self {
        let deepest = trees.iter().map(|tree| tree.max_steps).max().unwrap_or(0);
        let fits = |levels: &u32| slots <= SLOTS && trees.len() << levels <= 2 * records.len();
        let levels = (1..=deepest.min(MAX_LEVELS)).rev().find(fits).unwrap_or(0);
        let mut top_levels = TopLevels {
            levels,
            exits_are: if levels == deepest {
                Exits::Payloads
            } else {
                Exits::Records
            },
            nodes: Vec::with_capacity(trees.len() << levels),
            exits: Vec::with_capacity(trees.len() << levels),
        };
        for tree in trees {
            top_levels.add(records, tree.root);
        }
        top_levels
    }

    /// Adds the top levels of the tree whose root is at `root`.
    fn add(&mut self, records: &[R], root: u32) {
        let node = |&position: &u32| {
            let record = records[position as usize];
            TopNode {
                cut: record.cut(),
                slot: record.slot() as u8,
            }
        };
        self.nodes.push(node(&root));
        let mut level = vec![root];
        for _ in 0..self.levels {
            self.nodes.extend(level.iter().map(node));
            level = level
                .into_iter()
                .flat_map(|position| children(records, position))
                .collect();
        }
        let exits_are = self.exits_are;
        self.exits.extend(level.into_iter().map(|position| match exits_are {
            Exits::Payloads => records[position as usize].cut(),
            Exits::Records => KeyOf::<R>::from_index(position),
        }));
    }

    /// The exits at which groups of `N` rows leave the top levels of one tree. `keys` holds for each group and slot
    /// the keys of the rows. There are [`SLOTS`] slots if there is any level.
    pub fn exits_of_rows<const N: usize>(&self, tree: usize, keys: &[[KeyOf<R>; N]], exits: &mut [[KeyOf<R>; N]]) {
        with_levels!(self.levels, walk_rows(self, tree, keys, exits));
    }

    /// The exits at which one row leaves the top levels of the `N` trees from `first` on.
    pub fn exits_of_trees<const N: usize>(&self, first: usize, keys: &[[KeyOf<R>; 1]]) -> [KeyOf<R>; N] {
        let keys = keys.first_chunk().expect("rows have at least 256 slots");
        with_levels!(self.levels, walk_trees(self, first, keys))
    }

    /// Each tree's nodes.
    #[inline(always)]
    fn nodes<const WIDTH: usize>(&self) -> &[[TopNode<R>; WIDTH]] {
        self.nodes.as_chunks().0
    }

    /// Each tree's exits.
    #[inline(always)]
    fn exits<const WIDTH: usize>(&self) -> &[[KeyOf<R>; WIDTH]] {
        self.exits.as_chunks().0
    }
}

/// The positions of both children; a leaf is both of its own.
fn children<R: Record>(records: &[R], position: u32) -> [u32; 2] {
    let child = records[position as usize].child();
    [child, if child == position { child } else { child + 1 }]
}

fn walk_rows<R: Record, const N: usize, const LEVELS: u32, const WIDTH: usize>(
    top_levels: &TopLevels<R>,
    tree: usize,
    keys: &[[KeyOf<R>; N]],
    exits: &mut [[KeyOf<R>; N]],
) {
    let (nodes, below) = (&top_levels.nodes::<WIDTH>()[tree], &top_levels.exits::<WIDTH>()[tree]);
    for (keys, exits) in keys.as_chunks::<SLOTS>().0.iter().zip(exits) {
        let (levels_done, indices) = if LEVELS < VECTOR_LEVELS {
            (0, [1; N])
        } else {
            (VECTOR_LEVELS, walk_vector_levels(nodes, keys))
        };
        let pairs = indices
            .as_chunks::<WALKS>()
            .0
            .iter()
            .zip(exits.as_chunks_mut::<WALKS>().0);
        for (group, (indices, exits)) in pairs.enumerate() {
            let mut indices = indices.map(|index| index as usize % (2 << levels_done));
            for _ in levels_done..LEVELS {
                for (lane, index) in indices.iter_mut().enumerate() {
                    let node = nodes[*index % WIDTH];
                    let key = keys[usize::from(node.slot)][group * WALKS + lane];
                    *index = 2 * *index + usize::from(key >= node.cut);
                }
            }
            *exits = indices.map(|index| below[index % WIDTH]);
        }
    }
}

fn walk_trees<R: Record, const N: usize, const LEVELS: u32, const WIDTH: usize>(
    top_levels: &TopLevels<R>,
    first: usize,
    keys: &[[KeyOf<R>; 1]; SLOTS],
) -> [KeyOf<R>; N] {
    let nodes = &top_levels.nodes::<WIDTH>()[first..][..N];
    let below = &top_levels.exits::<WIDTH>()[first..][..N];
    let mut indices = [1; N];
    for _ in 0..LEVELS {
        for (index, nodes) in indices.iter_mut().zip(nodes) {
            let node = nodes[*index % WIDTH];
            *index = 2 * *index + usize::from(keys[usize::from(node.slot)][0] >= node.cut);
        }
    }
    std::array::from_fn(|tree| below[tree][indices[tree] % WIDTH])
}

/// The number of levels in which every row is compared with every node. With vector instructions this is faster than
/// selecting one node for each row.
const VECTOR_LEVELS: u32 = 3;

/// The number of concurrent walks below them: enough to hide latency, few enough for the processor's registers.
const WALKS: usize = 8;

/// The indices of the nodes that rows reach after [`VECTOR_LEVELS`] levels.
#[inline(always)]
fn walk_vector_levels<R: Record, const N: usize, const WIDTH: usize>(
    nodes: &[TopNode<R>; WIDTH],
    keys: &[[KeyOf<R>; N]; SLOTS],
) -> [u32; N] {
    let nodes: [(&[KeyOf<R>; N], KeyOf<R>); 1 << VECTOR_LEVELS] =
        std::array::from_fn(|index| (&keys[usize::from(nodes[index].slot)], nodes[index].cut));
    let mut indices = [0; N];
    for (lane, index) in indices.iter_mut().enumerate() {
        let right = |index: usize| nodes[index].0[lane] >= nodes[index].1;
        let first = right(1);
        let second = select(first, right(3), right(2));
        let third = select(
            first,
            select(second, right(7), right(6)),
            select(second, right(5), right(4)),
        );
        *index = 8 + 4 * u32::from(first) + 2 * u32::from(second) + u32::from(third);
    }
    indices
}

/// A selection without a branch, which the compiler turns into vector instructions.
#[inline(always)]
fn select(condition: bool, yes: bool, no: bool) -> bool {
    (condition & yes) | (!condition & no)
}
