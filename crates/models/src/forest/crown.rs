//! The upper levels of trees, stored level by level.
//!
//! There the children of place p are 2p and 2p + 1, the root being 1 (as in a binary heap; Eytzinger's layout): a step
//! reads no link. Places and slots fit a byte, so that no index into an array of 256 has to be checked. Below the crown,
//! records link to their children. A leaf above a crown's lowest level is repeated down to it.

use super::layout::{KeyOf, Record, Tree};

/// The slots of a row of keys where trees have crowns: what a byte tells apart.
pub(crate) const SLOTS: usize = 256;

/// Nodes and exits of a crown.
const PLACES: usize = 256;

/// The crowns of all trees of a forest, equally high; none where trees have too many slots or too few nodes.
#[derive(Debug)]
pub(crate) struct Crowns<R: Record> {
    pub levels: u32,
    /// For each tree its nodes; the first is not used.
    nodes: Vec<[CrownNode<R>; PLACES]>,
    /// For each tree the records below its crown, each at the low byte of the place that leads to it.
    exits: Vec<[u32; PLACES]>,
}

#[derive(Clone, Copy, Debug)]
struct CrownNode<R: Record> {
    cut: KeyOf<R>,
    slot: u8,
}

impl<R: Record> Crowns<R> {
    /// Crowns as high as the highest tree, or as high as leaves them at most twice as many nodes as there are records.
    pub fn new(records: &[R], trees: &[Tree], slots: usize) -> Self {
        const HIGHEST: u32 = PLACES.ilog2();
        /// Crowns take more memory than the records of small trees: at most by so much.
        const LARGER: usize = 32;
        let highest = trees.iter().map(|tree| tree.max_steps).max().unwrap_or(0).min(HIGHEST);
        let fits = |levels: &u32| trees.len() << levels <= 2 * records.len();
        let has_crowns = slots <= SLOTS && trees.len() * PLACES <= records.len() * LARGER;
        let levels = (1..=highest).rev().find(fits).filter(|_| has_crowns).unwrap_or(0);
        let crowned = if levels == 0 { &[] } else { trees };
        let (nodes, exits) = crowned.iter().map(|tree| crown(records, tree.root, levels)).unzip();
        Crowns { levels, nodes, exits }
    }

    /// Where `N` rows, a multiple of [`FEW`], leave a tree's crown; `None` if there is none. `keys` holds the rows' keys
    /// for each slot.
    #[inline(always)]
    pub fn exits_of_rows<const N: usize>(&self, tree: usize, keys: &[[KeyOf<R>; N]]) -> Option<[u32; N]> {
        let (nodes, exits) = (self.nodes.get(tree)?, self.exits.get(tree)?);
        let keys: &[[KeyOf<R>; N]; SLOTS] = keys.first_chunk()?;
        let mut places = [1; N];
        let mut levels = self.levels;
        if levels >= TOGETHER {
            pass_together(nodes, keys, &mut places);
            levels -= TOGETHER;
        }
        for (group, places) in places.as_chunks_mut::<FEW>().0.iter_mut().enumerate() {
            for _ in 0..levels {
                for (lane, place) in places.iter_mut().enumerate() {
                    let node = nodes[usize::from(*place as u8)];
                    let key = keys[usize::from(node.slot)][group * FEW + lane];
                    *place = 2 * *place + u32::from(key >= node.cut);
                }
            }
        }
        Some(places.map(|place| exits[usize::from(place as u8)]))
    }

    /// Where one row leaves the crowns of the `N` trees from `first` on; `None` if there are none.
    #[inline(always)]
    pub fn exits_of_trees<const N: usize>(&self, first: usize, keys: &[[KeyOf<R>; 1]]) -> Option<[u32; N]> {
        let nodes: &[[CrownNode<R>; PLACES]; N] = self.nodes.get(first..)?.first_chunk()?;
        let exits: &[[u32; PLACES]; N] = self.exits.get(first..)?.first_chunk()?;
        let keys: &[[KeyOf<R>; 1]; SLOTS] = keys.first_chunk()?;
        let mut places = [1u32; N];
        for _ in 0..self.levels {
            for (place, nodes) in places.iter_mut().zip(nodes) {
                let node = nodes[usize::from(*place as u8)];
                *place = 2 * *place + u32::from(keys[usize::from(node.slot)][0] >= node.cut);
            }
        }
        Some(std::array::from_fn(|tree| exits[tree][usize::from(places[tree] as u8)]))
    }
}

/// The crown of the tree whose root is at `root`.
fn crown<R: Record>(records: &[R], root: u32, levels: u32) -> ([CrownNode<R>; PLACES], [u32; PLACES]) {
    let node = |position: u32| {
        let record = records[position as usize];
        CrownNode {
            cut: record.cut(),
            slot: record.slot() as u8,
        }
    };
    let mut nodes = [node(root); PLACES];
    let mut exits = [root; PLACES];
    let mut level = vec![root];
    for depth in 0..levels {
        let first = 1 << depth;
        for (place, &position) in (first..).zip(&level) {
            nodes[place] = node(position);
        }
        level = level
            .into_iter()
            .flat_map(|position| children(records, position))
            .collect();
    }
    for (place, position) in (1usize << levels..).zip(level) {
        exits[usize::from(place as u8)] = position;
    }
    (nodes, exits)
}

/// The records on both sides; a leaf leads to itself, never to what lies beside it.
fn children<R: Record>(records: &[R], position: u32) -> [u32; 2] {
    let child = records[position as usize].child();
    [child, if child == position { child } else { child + 1 }]
}

/// Levels that rows pass together, all rows being compared with all nodes: with vector instructions that is less work
/// than finding each row's own node.
const TOGETHER: u32 = 3;

/// So many walks side by side stay in the processor's registers; it has several groups of them in flight by itself.
const FEW: usize = 4;

/// Moves rows from the root down by [`TOGETHER`] levels.
#[inline(always)]
fn pass_together<R: Record, const N: usize>(
    nodes: &[CrownNode<R>; PLACES],
    keys: &[[KeyOf<R>; N]; SLOTS],
    places: &mut [u32; N],
) {
    let nodes: [(&[KeyOf<R>; N], KeyOf<R>); 1 << TOGETHER] =
        std::array::from_fn(|place| (&keys[usize::from(nodes[place].slot)], nodes[place].cut));
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
}

/// Without a branch, so that the compiler makes vectors of it.
#[inline(always)]
fn choose(condition: bool, yes: bool, no: bool) -> bool {
    (condition & yes) | (!condition & no)
}
