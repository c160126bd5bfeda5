//! Trees laid out for attribution: what the background rows do is worked out once, when the model is loaded.
//!
//! The contribution of a leaf depends on two sets of features: those whose conditions on the path to it the row violates,
//! and those whose conditions a background row violates. Each branch keeps, as a bit for each background row, which of
//! them violate its feature's conditions on the way to either child; each leaf keeps every background row's set. A walk
//! with a row then only follows what some background row and the row can reach together.

use crate::forest::ensemble::{Branch, Ensemble, Node};
use crate::forest::key::{Key, Number};
use crate::forest::split::Splits;

/// Background rows that a block of trees is laid out for: one for each bit.
const LANES: usize = 64;
/// A path's features are numbered in a byte and kept as bits.
const MAX_POSITIONS: usize = 64;
/// Leaves beyond which trees are not laid out: paths through nodes that are reached in several ways multiply.
const MAX_LEAVES: usize = 1 << 20;

/// An ensemble's one target as a function of a row, ready to be attributed against background rows.
#[derive(Debug)]
pub(super) struct Trees {
    pub(super) blocks: Vec<Block>,
    pub(super) weights: Weights,
    /// Number of columns that any branch looks at: the largest one and those before it.
    columns: usize,
    /// The mean of the sum of leaf values over the background rows.
    pub(super) baseline: f64,
    pub(super) background_rows: usize,
    /// From here on numbers stand for no feature, one for each of eight positions: waiting for the same sum takes time.
    pub(super) no_feature: u32,
}

/// The number after the largest feature's.
fn no_feature(features: &[u32]) -> u32 {
    features.iter().max().map_or(0, |largest| largest + 1)
}

/// The trees laid out for up to 64 background rows.
#[derive(Debug)]
pub(super) struct Block {
    pub roots: Vec<u32>,
    pub branches: Vec<LaidBranch>,
    pub leaves: Vec<LaidLeaf>,
    pub sets: Vec<Set>,
    /// For each leaf the features of its path, in the order in which the path meets them, eight at a time; where there
    /// are fewer, numbers from [`Trees::no_feature`] on fill up.
    pub features: Vec<[u32; 8]>,
    /// For each eight of these, each background row's violated ones as bits.
    pub violations: Vec<u8>,
    pub rows: usize,
}

/// Children are branches, or leaves if this bit is set.
pub(super) const LEAF: u32 = 1 << 31;
/// The slot's bit for a branch whose cut is the number of a [`Set`].
pub(super) const SET: u32 = 1 << 31;

#[derive(Clone, Copy, Debug)]
pub(super) struct LaidBranch {
    /// A key from here on goes right.
    pub cut: i64,
    /// For each child the background rows that violate the feature's conditions on the path to it.
    pub violating: [u64; 2],
    pub children: [u32; 2],
    /// The key to look at.
    pub slot: u32,
    /// The feature's number on the path.
    pub position: u8,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct LaidLeaf {
    pub value: f64,
    /// Its first eight of [`Block::features`], and how many eights it has: at least one.
    pub first_eight: u32,
    pub eights: u32,
}

/// A comparison with several cuts: equality, or membership of a set.
#[derive(Debug)]
pub(super) struct Set {
    cuts: Vec<i64>,
    first_region_goes_right: bool,
    missing_goes_right: bool,
}

impl Set {
    pub fn goes_right(&self, key: i64) -> bool {
        if key == i64::LOWEST {
            return self.missing_goes_right;
        }
        let region = self.cuts.partition_point(|&cut| cut <= key);
        self.first_region_goes_right == region.is_multiple_of(2)
    }
}

/// Shapley weights of a leaf that is reached if some features come from the row and others from the background row.
#[derive(Debug)]
pub(super) struct Weights {
    pairs: Vec<Weight>,
    stride: usize,
}

/// With `a` features from the row and `b` from the background row:
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    /// (a−1)! b! / (a+b)!, what each of the former gains.
    pub gain: f32,
    /// a! (b−1)! / (a+b)!, what each of the latter loses.
    pub loss: f64,
}

impl Weights {
    fn new(positions: usize) -> Self {
        let stride = positions + 1;
        let mut pairs = vec![Weight::default(); stride * stride];
        for from_background in 0..stride {
            // The binomial coefficient (a+b over a), for a = 0, 1, …
            let mut choices = 1.0;
            for from_row in 0..stride - from_background {
                let inverse = |count: usize| {
                    if count == 0 {
                        0.0
                    } else {
                        1.0 / (count as f64 * choices)
                    }
                };
                pairs[from_background * stride + from_row] = Weight {
                    gain: inverse(from_row) as f32,
                    loss: inverse(from_background),
                };
                choices *= (from_row + 1 + from_background) as f64 / (from_row + 1) as f64;
            }
        }
        Weights { pairs, stride }
    }

    /// The weights for `from_background` features from the background row, by the number from the row.
    #[inline(always)]
    pub fn of(&self, from_background: usize) -> &[Weight] {
        &self.pairs[from_background * self.stride..][..self.stride]
    }
}

/// What to lay out.
pub(super) struct Source<'a> {
    /// The trees; thresholds already rounded to the type in which they are compared.
    pub ensemble: &'a Ensemble,
    /// The target whose leaf weights count.
    pub target: u32,
    /// The column's feature: columns of one feature are given and taken together.
    pub features: &'a [u32],
    /// Background rows, one after another, as wide as `features` is long.
    pub background: &'a [f64],
}

impl Trees {
    /// Lays the trees out; `None` if they are too large or too deep for that.
    pub fn new(source: &Source<'_>) -> Option<Trees> {
        let splits = Splits::new::<f64>(source.ensemble);
        let width = source.features.len();
        let columns = source.ensemble.nodes.iter().filter_map(|node| match node {
            Node::Branch(branch) => Some(branch.feature as usize + 1),
            Node::Leaf { .. } => None,
        });
        let columns = columns.max().unwrap_or(0);
        if columns > width {
            return None;
        }
        let mut blocks = Vec::new();
        let (mut sum, mut positions) = (0.0, 0);
        for background in source.background.chunks(LANES * width) {
            let mut builder = Builder::new(source, &splits, columns, background);
            builder.build()?;
            sum += builder.sum;
            positions = positions.max(builder.positions);
            blocks.push(builder.block);
        }
        let background_rows = source.background.len() / width;
        Some(Trees {
            blocks,
            weights: Weights::new(positions),
            columns,
            baseline: sum / background_rows as f64,
            background_rows,
            no_feature: no_feature(source.features),
        })
    }

    /// The row's keys with missing values lowest, then the same with missing values highest.
    pub fn fill_keys(&self, row: impl Iterator<Item = f64>, keys: &mut Vec<i64>) {
        fill_keys(self.columns, row, keys);
    }
}

fn fill_keys(columns: usize, row: impl Iterator<Item = f64>, keys: &mut Vec<i64>) {
    keys.resize(2 * columns, 0);
    let (low, high) = keys.split_at_mut(columns);
    for ((low, high), value) in low.iter_mut().zip(high).zip(row) {
        let is_missing = value.is_nan();
        *low = if is_missing { i64::LOWEST } else { value.key() };
        *high = if is_missing { i64::HIGHEST } else { value.key() };
    }
}

/// A feature on a path, and the background rows that violate its conditions so far.
#[derive(Clone, Copy)]
struct PathFeature {
    feature: u32,
    violating: u64,
}

/// A node of the ensemble that waits for its place.
struct Pending {
    node: u32,
    /// The branch above and which of its children this is; none for a root.
    parent: Option<(u32, usize)>,
    path: Vec<PathFeature>,
}

struct Builder<'a> {
    source: &'a Source<'a>,
    splits: &'a Splits<i64>,
    columns: usize,
    /// Each background row's keys.
    background: Vec<Vec<i64>>,
    block: Block,
    /// The leaf values that the background rows come to.
    sum: f64,
    /// The most features on any path.
    positions: usize,
    no_feature: u32,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source<'a>, splits: &'a Splits<i64>, columns: usize, background: &[f64]) -> Self {
        let keys = |row: &[f64]| {
            let mut keys = Vec::new();
            fill_keys(columns, row.iter().copied(), &mut keys);
            keys
        };
        let background: Vec<Vec<i64>> = background.chunks_exact(source.features.len()).map(keys).collect();
        let block = Block {
            roots: Vec::new(),
            branches: Vec::new(),
            leaves: Vec::new(),
            sets: Vec::new(),
            features: Vec::new(),
            violations: Vec::new(),
            rows: background.len(),
        };
        Builder {
            source,
            splits,
            columns,
            background,
            block,
            sum: 0.0,
            positions: 0,
            no_feature: no_feature(source.features),
        }
    }

    fn build(&mut self) -> Option<()> {
        let mut pending = Vec::new();
        for &root in &self.source.ensemble.roots {
            pending.push(Pending {
                node: root,
                parent: None,
                path: Vec::new(),
            });
            while let Some(next) = pending.pop() {
                self.place(next, &mut pending)?;
            }
        }
        Some(())
    }

    /// Gives a node its place, and asks for its children's.
    fn place(&mut self, next: Pending, pending: &mut Vec<Pending>) -> Option<()> {
        let place = match &self.source.ensemble.nodes[next.node as usize] {
            &Node::Leaf { first, count } => self.leaf(first, count, &next.path),
            Node::Branch(branch) => self.branch(next.node, branch, next.path, pending)?,
        };
        match next.parent {
            Some((parent, side)) => self.block.branches[parent as usize].children[side] = place,
            None => self.block.roots.push(place),
        }
        (self.block.leaves.len() <= MAX_LEAVES && self.block.branches.len() <= MAX_LEAVES).then_some(())
    }

    fn branch(
        &mut self,
        node: u32,
        branch: &Branch,
        mut path: Vec<PathFeature>,
        pending: &mut Vec<Pending>,
    ) -> Option<u32> {
        let feature = self.source.features[branch.feature as usize];
        let known = path.iter().position(|known| known.feature == feature);
        let position = known.unwrap_or(path.len());
        if known.is_none() {
            path.push(PathFeature { feature, violating: 0 });
        }
        if path.len() > MAX_POSITIONS {
            return None;
        }
        self.positions = self.positions.max(path.len());
        let (cut, slot, true_side) = self.test(node, branch);
        let mut laid = LaidBranch {
            cut,
            violating: [0; 2],
            children: [0; 2],
            slot,
            position: position as u8,
        };
        let goes_right = |(lane, keys): (usize, &Vec<i64>)| u64::from(self.block.goes_right(&laid, keys)) << lane;
        let right = self
            .background
            .iter()
            .enumerate()
            .map(goes_right)
            .fold(0, |lanes, lane| lanes | lane);
        let all = u64::MAX >> (64 - self.background.len());
        let before = path[position].violating;
        laid.violating = [before | right, before | (all & !right)];
        let place = self.block.branches.len() as u32;
        self.block.branches.push(laid);
        for side in [0, 1] {
            let mut path = path.clone();
            path[position].violating = laid.violating[side];
            pending.push(Pending {
                node: if side == true_side {
                    branch.on_true
                } else {
                    branch.on_false
                },
                parent: Some((place, side)),
                path,
            });
        }
        Some(place)
    }

    /// The branch's comparison as cut and slot, and on which side it holds.
    fn test(&mut self, node: u32, branch: &Branch) -> (i64, u32, usize) {
        let split = self.splits.of::<f64>(node, branch);
        if split.count() == 1 {
            let true_side = usize::from(!split.first_region_is_true);
            let missing_goes_right = branch.missing_is_true == (true_side == 1);
            let slot = branch.feature + if missing_goes_right { self.columns as u32 } else { 0 };
            return (self.splits.cut(split, 0), slot, true_side);
        }
        self.block.sets.push(Set {
            cuts: (0..split.count()).map(|cut| self.splits.cut(split, cut)).collect(),
            first_region_goes_right: split.first_region_is_true,
            missing_goes_right: branch.missing_is_true,
        });
        (self.block.sets.len() as i64 - 1, branch.feature | SET, 1)
    }

    fn leaf(&mut self, first: u32, count: u32, path: &[PathFeature]) -> u32 {
        let weights = &self.source.ensemble.weights[first as usize..][..count as usize];
        let own = weights.iter().filter(|weight| weight.target == self.source.target);
        let value: f64 = own.map(|weight| weight.value).sum();
        let place = self.block.leaves.len() as u32;
        let first_eight = self.block.features.len() as u32;
        if path.is_empty() {
            self.eight(path);
        }
        path.chunks(8).for_each(|eight| self.eight(eight));
        self.block.leaves.push(LaidLeaf {
            value,
            first_eight,
            eights: self.block.features.len() as u32 - first_eight,
        });
        let violated = path.iter().fold(0, |lanes, known| lanes | known.violating);
        let reached = self.background.len() as u32 - violated.count_ones();
        self.sum += value * f64::from(reached);
        LEAF | place
    }

    /// Lays out up to eight features of a leaf's path.
    fn eight(&mut self, path: &[PathFeature]) {
        let feature = |position: usize| {
            path.get(position)
                .map_or(self.no_feature + position as u32, |known| known.feature)
        };
        self.block.features.push(std::array::from_fn(feature));
        for lane in 0..self.background.len() {
            let bit = |(bit, known): (usize, &PathFeature)| ((known.violating >> lane & 1) as u8) << bit;
            let violated = path.iter().enumerate().map(bit).fold(0, |bits, bit| bits | bit);
            self.block.violations.push(violated);
        }
    }
}

impl Block {
    #[inline(always)]
    pub fn goes_right(&self, branch: &LaidBranch, keys: &[i64]) -> bool {
        if branch.slot & SET == 0 {
            keys[branch.slot as usize] >= branch.cut
        } else {
            self.sets[branch.cut as usize].goes_right(keys[(branch.slot & !SET) as usize])
        }
    }
}
