//! The upper levels of trees, stored level by level.
//!
//! There the children of place p are 2p and 2p + 1, the root being 1 (as in a binary heap; Eytzinger's layout): a step
//! reads no link. Slots fit a byte, so that no index into an array of 256 has to be checked. A leaf above a crown's
//! lowest level is repeated down to it. Where crowns hold whole trees they lead straight to the leaves; otherwise to the
//! records below them, which link to their children.

use super::key::Key;
use super::layout::{KeyOf, Record, Tree};

/// The slots of a row of keys where trees have crowns: what a byte tells apart.
pub(crate) const SLOTS: usize = 256;

/// The crowns of all trees of a forest, equally high.
#[derive(Debug)]
pub(crate) struct Crowns<R: Record> {
    pub levels: u32,
    pub exits_are: Exits,
    /// 2^levels for each tree; the first of them is not used.
    nodes: Vec<CrownNode<R>>,
    /// For each tree the 2^levels exits from its crown, from left to right.
    exits: Vec<KeyOf<R>>,
}

/// What lies below a crown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exits {
    /// The payloads of leaves: no tree is higher than its crown.
    Payloads,
    /// Indices of records.
    Records,
}

#[derive(Clone, Copy, Debug)]
struct CrownNode<R: Record> {
    cut: KeyOf<R>,
    slot: u8,
}

/// Calls a function with the number of levels, and of a crown's exits, as constants: the loop over levels is unrolled
/// then, and no index into a crown has to be checked.
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
            _ => $function::<R, N, HIGHEST, 256> $arguments,
        }
    };
}

const HIGHEST: u32 = 8;

impl<R: Record> Crowns<R> {
    /// Crowns as high as the highest tree, or as high as leaves them at most twice as many nodes as there are records.
    /// Without any level where rows have too many slots: the only exit is the root then.
    pub fn new(records: &[R], trees: &[Tree], slots: usize) -> Self {
        let highest = trees.iter().map(|tree| tree.max_steps).max().unwrap_or(0);
        let fits = |levels: &u32| slots <= SLOTS && trees.len() << levels <= 2 * records.len();
        let levels = (1..=highest.min(HIGHEST)).rev().find(fits).unwrap_or(0);
        let mut crowns = Crowns {
            levels,
            exits_are: if levels == highest {
                Exits::Payloads
            } else {
                Exits::Records
            },
            nodes: Vec::with_capacity(trees.len() << levels),
            exits: Vec::with_capacity(trees.len() << levels),
        };
        for tree in trees {
            crowns.add(records, tree.root);
        }
        crowns
    }

    /// Adds the crown of the tree whose root is at `root`.
    fn add(&mut self, records: &[R], root: u32) {
        let node = |&position: &u32| {
            let record = records[position as usize];
            CrownNode {
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

    /// Where groups of `N` rows leave a tree's crown. `keys` holds for each group its rows' keys for each slot, of which
    /// there are [`SLOTS`] if crowns have any level.
    pub fn exits_of_rows<const N: usize>(&self, tree: usize, keys: &[[KeyOf<R>; N]], exits: &mut [[KeyOf<R>; N]]) {
        with_levels!(self.levels, pass_rows(self, tree, keys, exits));
    }

    /// Where one row leaves the crowns of the `N` trees from `first` on.
    pub fn exits_of_trees<const N: usize>(&self, first: usize, keys: &[[KeyOf<R>; 1]]) -> [KeyOf<R>; N] {
        let keys = keys.first_chunk().expect("rows have at least so many slots");
        with_levels!(self.levels, pass_trees(self, first, keys))
    }

    /// Each tree's nodes.
    #[inline(always)]
    fn nodes<const PLACES: usize>(&self) -> &[[CrownNode<R>; PLACES]] {
        self.nodes.as_chunks().0
    }

    /// Each tree's exits.
    #[inline(always)]
    fn exits<const PLACES: usize>(&self) -> &[[KeyOf<R>; PLACES]] {
        self.exits.as_chunks().0
    }
}

/// The records on both sides; a leaf leads to itself, never to what lies beside it.
fn children<R: Record>(records: &[R], position: u32) -> [u32; 2] {
    let child = records[position as usize].child();
    [child, if child == position { child } else { child + 1 }]
}

fn pass_rows<R: Record, const N: usize, const LEVELS: u32, const PLACES: usize>(
    crowns: &Crowns<R>,
    tree: usize,
    keys: &[[KeyOf<R>; N]],
    exits: &mut [[KeyOf<R>; N]],
) {
    let (nodes, below) = (&crowns.nodes::<PLACES>()[tree], &crowns.exits::<PLACES>()[tree]);
    for (keys, exits) in keys.as_chunks::<SLOTS>().0.iter().zip(exits) {
        let (passed, places) = if LEVELS < TOGETHER {
            (0, [1; N])
        } else {
            (TOGETHER, pass_together(nodes, keys))
        };
        let pairs = places.as_chunks::<FEW>().0.iter().zip(exits.as_chunks_mut::<FEW>().0);
        for (group, (places, exits)) in pairs.enumerate() {
            let mut places = places.map(|place| place as usize % (2 << passed));
            for _ in passed..LEVELS {
                for (lane, place) in places.iter_mut().enumerate() {
                    let node = nodes[*place % PLACES];
                    let key = keys[usize::from(node.slot)][group * FEW + lane];
                    *place = 2 * *place + usize::from(key >= node.cut);
                }
            }
            *exits = places.map(|place| below[place % PLACES]);
        }
    }
}

fn pass_trees<R: Record, const N: usize, const LEVELS: u32, const PLACES: usize>(
    crowns: &Crowns<R>,
    first: usize,
    keys: &[[KeyOf<R>; 1]; SLOTS],
) -> [KeyOf<R>; N] {
    let nodes = &crowns.nodes::<PLACES>()[first..][..N];
    let below = &crowns.exits::<PLACES>()[first..][..N];
    let mut places = [1; N];
    for _ in 0..LEVELS {
        for (place, nodes) in places.iter_mut().zip(nodes) {
            let node = nodes[*place % PLACES];
            *place = 2 * *place + usize::from(keys[usize::from(node.slot)][0] >= node.cut);
        }
    }
    std::array::from_fn(|tree| below[tree][places[tree] % PLACES])
}

/// Levels that rows pass together, all rows being compared with all nodes: with vector instructions that is less work
/// than finding each row's own node.
const TOGETHER: u32 = 3;

/// So many walks side by side hide each other's latency and, nearly, stay in the processor's registers.
const FEW: usize = 8;

/// Where rows are after [`TOGETHER`] levels.
#[inline(always)]
fn pass_together<R: Record, const N: usize, const PLACES: usize>(
    nodes: &[CrownNode<R>; PLACES],
    keys: &[[KeyOf<R>; N]; SLOTS],
) -> [u32; N] {
    let nodes: [(&[KeyOf<R>; N], KeyOf<R>); 1 << TOGETHER] =
        std::array::from_fn(|place| (&keys[usize::from(nodes[place].slot)], nodes[place].cut));
    let mut places = [0; N];
    for (lane, place) in places.iter_mut().enumerate() {
        let right = |place: usize| nodes[place].0[lane] >= nodes[place].1;
        let first = right(1);
        let second = choose(first, right(3), right(2));
        let third = choose(
            first,
            choose(second, right(7), right(6)),
            choose(second, right(5), right(4)),
        );
        *place = 8 + 4 * u32::from(first) + 2 * u32::from(second) + u32::from(third);
    }
    places
}

/// Without a branch, so that the compiler makes vectors of it.
#[inline(always)]
fn choose(condition: bool, yes: bool, no: bool) -> bool {
    (condition & yes) | (!condition & no)
}
