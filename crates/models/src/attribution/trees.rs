//! Trees laid out for attribution. The paths of the background rows are computed once, when the model is loaded.
//!
//! The contribution of a leaf depends on two sets of features: those whose conditions on the path to the leaf the row
//! violates, and those whose conditions a background row violates. Each branch holds a bit for each background row:
//! whether it violates the conditions of the branch's feature on the path to either child. Each leaf holds the set of
//! every background row. The walk of a row then visits only nodes that a mixture of the row and some background row
//! reaches.

use super::shapley::ShapleyWeights;
use crate::forest::ensemble::{Branch, Ensemble, Node};
use crate::forest::key::{Key, Number};
use crate::forest::split::Splits;

/// Number of background rows of a block: one for each bit of a u64.
const LANES: usize = 64;
/// Upper bound on the features of a path, which are the bits of a u64.
const MAX_POSITIONS: usize = 64;
/// Upper bound on the leaves of a block. Nodes with several parents are laid out once for each path to them.
const MAX_LEAVES: usize = 1 << 20;

/// The sum of leaf values of an ensemble for one target, laid out against background rows.
#[derive(Debug)]
pub(super) struct AttributionTrees {
    pub(super) blocks: Vec<Block>,
    pub(super) weights: ShapleyWeights,
    /// One more than the largest column that a branch reads.
    columns: usize,
    /// The mean of the sum of leaf values over the background rows.
    pub(super) baseline: f64,
    pub(super) background_rows: usize,
    /// The first of eight numbers that stand for no feature. Each position of a group has its own, because additions to
    /// the same sum have to wait for each other.
    pub(super) no_feature: u32,
}

/// One more than the largest feature.
fn no_feature(features: &[u32]) -> u32 {
    features.iter().max().map_or(0, |largest| largest + 1)
}

/// The trees laid out for up to 64 background rows.
#[derive(Debug)]
pub(super) struct Block {
    pub roots: Vec<u32>,
    pub branches: Vec<BlockBranch>,
    pub leaves: Vec<BlockLeaf>,
    pub sets: Vec<CutSet>,
    /// For each leaf the features of its path, in the order of their first occurrence, in groups of eight. The last
    /// group is filled up with numbers from [`AttributionTrees::no_feature`] on.
    pub features: Vec<[u32; 8]>,
    /// For each group and background row the violated features of the group, as bits.
    pub violations: Vec<u8>,
    pub rows: usize,
}

/// A child with this bit is a leaf, otherwise a branch.
pub(super) const LEAF: u32 = 1 << 31;
/// If a slot has this bit, the cut of its branch is the number of a [`CutSet`].
pub(super) const CUT_SET: u32 = 1 << 31;

#[derive(Clone, Copy, Debug)]
pub(super) struct BlockBranch {
    /// Keys from this one on go right.
    pub cut: i64,
    /// For each child the background rows that violate a condition of the feature on the path to it.
    pub violating: [u64; 2],
    pub children: [u32; 2],
    /// The index of the key that is compared.
    pub slot: u32,
    /// The index of the feature among those of the path.
    pub position: u8,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct BlockLeaf {
    pub value: f64,
    /// The index of its first group in [`Block::features`], and the number of its groups, at least 1.
    pub first_group: u32,
    pub groups: u32,
}

/// The cuts of a comparison with several: equality, or membership of a set.
#[derive(Debug)]
pub(super) struct CutSet {
    cuts: Vec<i64>,
    first_region_goes_right: bool,
    missing_goes_right: bool,
}

impl CutSet {
    pub fn goes_right(&self, key: i64) -> bool {
        if key == i64::LOWEST {
            return self.missing_goes_right;
        }
        let region = self.cuts.partition_point(|&cut| cut <= key);
        self.first_region_goes_right == region.is_multiple_of(2)
    }
}

/// An ensemble and its background rows.
pub(super) struct AttributedEnsemble<'a> {
    /// The trees. Thresholds are rounded to the type in which they are compared.
    pub ensemble: &'a Ensemble,
    /// The target whose leaf weights are added up.
    pub target: u32,
    /// The feature of each column. Columns of one feature come from the same row.
    pub features: &'a [u32],
    /// Background rows, row-major, with a value for each of `features`.
    pub background: &'a [f64],
}

impl AttributionTrees {
    /// Lays the trees out; `None` if they are too large or a path has too many features.
    pub fn new(attributed: &AttributedEnsemble<'_>) -> Option<AttributionTrees> {
        let splits = Splits::new::<f64>(attributed.ensemble);
        let width = attributed.features.len();
        let columns = attributed.ensemble.nodes.iter().filter_map(|node| match node {
            Node::Branch(branch) => Some(branch.feature as usize + 1),
            Node::Leaf { .. } => None,
        });
        let columns = columns.max().unwrap_or(0);
        if columns > width {
            return None;
        }
        let mut blocks = Vec::new();
        let (mut sum, mut positions) = (0.0, 0);
        for background in attributed.background.chunks(LANES * width) {
            let mut builder = BlockBuilder::new(attributed, &splits, columns, background);
            builder.build()?;
            sum += builder.sum;
            positions = positions.max(builder.positions);
            blocks.push(builder.block);
        }
        let background_rows = attributed.background.len() / width;
        Some(AttributionTrees {
            blocks,
            weights: ShapleyWeights::new(positions),
            columns,
            baseline: sum / background_rows as f64,
            background_rows,
            no_feature: no_feature(attributed.features),
        })
    }

    /// Fills `keys` with the row's keys, missing values lowest, then the same with missing values highest.
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

/// A feature of a path, and the background rows that violate its conditions so far.
#[derive(Clone, Copy)]
struct PathFeature {
    feature: u32,
    violating: u64,
}

/// A node of the ensemble that is yet to be laid out.
struct PendingNode {
    node: u32,
    /// The parent and the side of this child; `None` for a root.
    parent: Option<(u32, usize)>,
    path: Vec<PathFeature>,
}

struct BlockBuilder<'a> {
    attributed: &'a AttributedEnsemble<'a>,
    splits: &'a Splits<i64>,
    columns: usize,
    /// The keys of each background row.
    background: Vec<Vec<i64>>,
    block: Block,
    /// The sum of the leaf values that the background rows reach.
    sum: f64,
    /// The largest number of features of a path.
    positions: usize,
    no_feature: u32,
}

impl<'a> BlockBuilder<'a> {
    fn new(
        attributed: &'a AttributedEnsemble<'a>,
        splits: &'a Splits<i64>,
        columns: usize,
        background: &[f64],
    ) -> Self {
        let keys = |row: &[f64]| {
            let mut keys = Vec::new();
            fill_keys(columns, row.iter().copied(), &mut keys);
            keys
        };
        let background: Vec<Vec<i64>> = background.chunks_exact(attributed.features.len()).map(keys).collect();
        let block = Block {
            roots: Vec::new(),
            branches: Vec::new(),
            leaves: Vec::new(),
            sets: Vec::new(),
            features: Vec::new(),
            violations: Vec::new(),
            rows: background.len(),
        };
        BlockBuilder {
            attributed,
            splits,
            columns,
            background,
            block,
            sum: 0.0,
            positions: 0,
            no_feature: no_feature(attributed.features),
        }
    }

    fn build(&mut self) -> Option<()> {
        let mut pending = Vec::new();
        for &root in &self.attributed.ensemble.roots {
            pending.push(PendingNode {
                node: root,
                parent: None,
                path: Vec::new(),
            });
            while let Some(next) = pending.pop() {
                self.lay_out(next, &mut pending)?;
            }
        }
        Some(())
    }

    /// Lays out a node and adds its children to `pending`.
    fn lay_out(&mut self, next: PendingNode, pending: &mut Vec<PendingNode>) -> Option<()> {
        let index = match &self.attributed.ensemble.nodes[next.node as usize] {
            &Node::Leaf { first, count } => self.leaf(first, count, &next.path),
            Node::Branch(branch) => self.branch(next.node, branch, next.path, pending)?,
        };
        match next.parent {
            Some((parent, side)) => self.block.branches[parent as usize].children[side] = index,
            None => self.block.roots.push(index),
        }
        (self.block.leaves.len() <= MAX_LEAVES && self.block.branches.len() <= MAX_LEAVES).then_some(())
    }

    fn branch(
        &mut self,
        node: u32,
        branch: &Branch,
        mut path: Vec<PathFeature>,
        pending: &mut Vec<PendingNode>,
    ) -> Option<u32> {
        let feature = self.attributed.features[branch.feature as usize];
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
        let mut laid_out = BlockBranch {
            cut,
            violating: [0; 2],
            children: [0; 2],
            slot,
            position: position as u8,
        };
        let goes_right = |(lane, keys): (usize, &Vec<i64>)| u64::from(self.block.goes_right(&laid_out, keys)) << lane;
        let right = self
            .background
            .iter()
            .enumerate()
            .map(goes_right)
            .fold(0, |lanes, lane| lanes | lane);
        let all = u64::MAX >> (64 - self.background.len());
        let before = path[position].violating;
        laid_out.violating = [before | right, before | (all & !right)];
        let index = self.block.branches.len() as u32;
        self.block.branches.push(laid_out);
        for side in [0, 1] {
            let mut path = path.clone();
            path[position].violating = laid_out.violating[side];
            pending.push(PendingNode {
                node: if side == true_side {
                    branch.on_true
                } else {
                    branch.on_false
                },
                parent: Some((index, side)),
                path,
            });
        }
        Some(index)
    }

    /// The cut and slot of the branch's comparison, and the side on which it holds.
    fn test(&mut self, node: u32, branch: &Branch) -> (i64, u32, usize) {
        let split = self.splits.of::<f64>(node, branch);
        if split.count() == 1 {
            let true_side = usize::from(!split.first_region_is_true);
            let missing_goes_right = branch.missing_is_true == (true_side == 1);
            let slot = branch.feature + if missing_goes_right { self.columns as u32 } else { 0 };
            return (self.splits.cut(split, 0), slot, true_side);
        }
        self.block.sets.push(CutSet {
            cuts: (0..split.count()).map(|cut| self.splits.cut(split, cut)).collect(),
            first_region_goes_right: split.first_region_is_true,
            missing_goes_right: branch.missing_is_true,
        });
        (self.block.sets.len() as i64 - 1, branch.feature | CUT_SET, 1)
    }

    fn leaf(&mut self, first: u32, count: u32, path: &[PathFeature]) -> u32 {
        let weights = &self.attributed.ensemble.weights[first as usize..][..count as usize];
        let own = weights.iter().filter(|weight| weight.target == self.attributed.target);
        let value: f64 = own.map(|weight| weight.value).sum();
        let index = self.block.leaves.len() as u32;
        let first_group = self.block.features.len() as u32;
        if path.is_empty() {
            self.group(path);
        }
        path.chunks(8).for_each(|group| self.group(group));
        self.block.leaves.push(BlockLeaf {
            value,
            first_group,
            groups: self.block.features.len() as u32 - first_group,
        });
        let violated = path.iter().fold(0, |lanes, known| lanes | known.violating);
        let reached = self.background.len() as u32 - violated.count_ones();
        self.sum += value * f64::from(reached);
        LEAF | index
    }

    /// Lays out a group of up to eight features of a leaf's path.
    fn group(&mut self, path: &[PathFeature]) {
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
    pub fn goes_right(&self, branch: &BlockBranch, keys: &[i64]) -> bool {
        if branch.slot & CUT_SET == 0 {
            keys[branch.slot as usize] >= branch.cut
        } else {
            self.sets[branch.cut as usize].goes_right(keys[(branch.slot & !CUT_SET) as usize])
        }
    }
}
