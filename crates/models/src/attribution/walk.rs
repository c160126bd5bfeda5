//! Exact interventional Shapley values of a sum of trees for one row.
//!
//! The algorithm is that of Lundberg et al. 2020, "From local explanations to global understanding with explainable AI
//! for trees", for the interventional value function. There each background row has a walk of its own; here one walk
//! serves up to 64 background rows.

use super::shapley::ShapleyWeight;
use super::trees::{AttributionTrees, Block, BlockLeaf, LEAF};

/// Buffers that are reused from walk to walk.
#[derive(Clone, Debug, Default)]
pub(super) struct WalkBuffers {
    keys: Vec<i64>,
    /// Nodes to visit, each with the features of the path that the row violates, and the background rows that reach it.
    stack: Vec<(u32, u64, u64)>,
    /// The sum of each feature over trees and background rows; the last eight are those of no feature.
    sums: Vec<f64>,
}

impl AttributionTrees {
    /// Adds each feature's contribution to the sum of leaf values.
    pub fn attribute(&self, row: impl Iterator<Item = f64>, walk: &mut WalkBuffers, contributions: &mut [f64]) {
        self.fill_keys(row, &mut walk.keys);
        walk.sums.clear();
        walk.sums.resize(self.no_feature as usize + 8, 0.0);
        self.blocks.iter().for_each(|block| self.walk(block, walk));
        let rows = self.background_rows as f64;
        for (contribution, sum) in contributions.iter_mut().zip(&walk.sums[..self.no_feature as usize]) {
            *contribution += sum / rows;
        }
    }

    fn walk(&self, block: &Block, walk: &mut WalkBuffers) {
        let WalkBuffers { keys, stack, sums } = walk;
        let (keys, sums) = (keys.as_slice(), sums.as_mut_slice());
        let all = u64::MAX >> (64 - block.rows);
        for &root in &block.roots {
            let (mut node, mut violated, mut lanes) = (root, 0u64, all);
            loop {
                if node & LEAF == 0 {
                    let branch = &block.branches[node as usize];
                    let side = usize::from(block.goes_right(branch, keys));
                    let bit = 1 << branch.position;
                    let others = lanes & !branch.violating[1 - side];
                    if others != 0 {
                        stack.push((branch.children[1 - side], violated | bit, others));
                    }
                    node = branch.children[side];
                    // If the row violates the feature already, the background rows must satisfy it here, too.
                    let must_satisfy = 0u64.wrapping_sub(violated >> branch.position & 1);
                    lanes &= !(branch.violating[side] & must_satisfy);
                    if lanes != 0 {
                        continue;
                    }
                } else {
                    let leaf = &block.leaves[(node & !LEAF) as usize];
                    self.leaf(block, leaf, violated, lanes, sums);
                }
                let Some(next) = stack.pop() else { break };
                (node, violated, lanes) = next;
            }
        }
    }

    /// Adds the contributions of a leaf: features that only the row satisfies gain, those that it violates lose.
    #[inline(always)]
    fn leaf(&self, block: &Block, leaf: &BlockLeaf, violated: u64, lanes: u64, sums: &mut [f64]) {
        if leaf.value == 0.0 {
            return;
        }
        let first = leaf.first_group as usize;
        let violations = &block.violations[first * block.rows..];
        if leaf.groups == 1 {
            let weights = self.weights.of(usize::from(BIT_COUNTS[usize::from(violated as u8)]));
            let mut group_sums = GroupSums::default();
            for_each_lane(lanes, |lane| {
                let missing = violations[lane];
                group_sums.add(missing, weights[usize::from(BIT_COUNTS[usize::from(missing)])]);
            });
            group_sums.finish(leaf.value, &block.features[first], violated as u8, sums);
            return;
        }
        // A path of several groups: the weights depend on the violations of all groups.
        let weights = self.weights.of(violated.count_ones() as usize);
        for (group, features) in block.features[first..][..leaf.groups as usize].iter().enumerate() {
            let mut group_sums = GroupSums::default();
            for_each_lane(lanes, |lane| {
                let missing = |group: usize| violations[group * block.rows + lane];
                let counts =
                    (0..leaf.groups as usize).map(|group| usize::from(BIT_COUNTS[usize::from(missing(group))]));
                group_sums.add(missing(group), weights[counts.sum::<usize>()]);
            });
            group_sums.finish(leaf.value, features, (violated >> (8 * group)) as u8, sums);
        }
    }
}

#[inline(always)]
fn for_each_lane(mut lanes: u64, mut visit: impl FnMut(usize)) {
    while lanes != 0 {
        visit(lanes.trailing_zeros() as usize);
        lanes &= lanes - 1;
    }
}

/// The gains of a group of features, and their loss, for a leaf of value 1. The gains are f32: they are sums of few
/// numbers of one sign. [`WalkBuffers::sums`] are f64.
#[derive(Default)]
struct GroupSums {
    gains: [f32; 8],
    loss: f64,
}

impl GroupSums {
    /// Adds a background row that violates the features in `missing`.
    #[inline(always)]
    fn add(&mut self, missing: u8, weight: ShapleyWeight) {
        self.loss += weight.loss;
        for (gain, is_missing) in self.gains.iter_mut().zip(&BITS_AS_NUMBERS[usize::from(missing)]) {
            *gain += weight.gain * is_missing;
        }
    }

    /// Adds the gains to `sums`. The features in `violated` lose; they have no gains.
    #[inline(always)]
    fn finish(&self, value: f64, features: &[u32; 8], violated: u8, sums: &mut [f64]) {
        let loss = self.loss as f32;
        let mut changes = self.gains;
        for (change, is_violated) in changes.iter_mut().zip(&BITS_AS_NUMBERS[usize::from(violated)]) {
            *change -= loss * is_violated;
        }
        for (&feature, change) in features.iter().zip(changes) {
            sums[feature as usize] += value * f64::from(change);
        }
    }
}

/// The number of bits that are set in a byte.
static BIT_COUNTS: [u8; 256] = {
    let mut bits = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        bits[byte] = (byte as u8).count_ones() as u8;
        byte += 1;
    }
    bits
};

/// The bits of a byte as numbers.
static BITS_AS_NUMBERS: [[f32; 8]; 256] = {
    let mut spread = [[0.0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut bit = 0;
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                spread[byte][bit] = 1.0;
            }
            bit += 1;
        }
        byte += 1;
    }
    spread
};
