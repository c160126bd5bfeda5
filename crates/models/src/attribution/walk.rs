//! The walk that attributes one row: exact interventional Shapley values of a sum of trees.
//!
//! Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for trees", the algorithm
//! for the interventional value function: a feature set is worth the trees' mean sum when its features come from the row
//! and the others from a background row. There each background row is walked by itself; here one walk serves up to 64.

use super::trees::{Block, LEAF, LaidLeaf, Trees, Weight};

/// Memory that walks use again.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    keys: Vec<i64>,
    /// Nodes to visit, the positions that the row violates there, and the background rows that can get there.
    stack: Vec<(u32, u64, u64)>,
    /// Each feature's sum over trees and background rows; the last eight are for none.
    sums: Vec<f64>,
}

impl Trees {
    /// Adds each feature's contribution to the sum of leaf values.
    pub fn attribute(&self, row: impl Iterator<Item = f64>, walk: &mut Walk, contributions: &mut [f64]) {
        self.fill_keys(row, &mut walk.keys);
        walk.sums.clear();
        walk.sums.resize(self.no_feature as usize + 8, 0.0);
        self.blocks.iter().for_each(|block| self.walk(block, walk));
        let rows = self.background_rows as f64;
        for (contribution, sum) in contributions.iter_mut().zip(&walk.sums[..self.no_feature as usize]) {
            *contribution += sum / rows;
        }
    }

    fn walk(&self, block: &Block, walk: &mut Walk) {
        let Walk { keys, stack, sums } = walk;
        let (keys, sums) = (keys.as_slice(), sums.as_mut_slice());
        let all = u64::MAX >> (64 - block.rows);
        for &root in &block.roots {
            let (mut place, mut violated, mut lanes) = (root, 0u64, all);
            loop {
                if place & LEAF == 0 {
                    let branch = &block.branches[place as usize];
                    let side = usize::from(block.goes_right(branch, keys));
                    let bit = 1 << branch.position;
                    let others = lanes & !branch.violating[1 - side];
                    if others != 0 {
                        stack.push((branch.children[1 - side], violated | bit, others));
                    }
                    place = branch.children[side];
                    // Where the row violates the feature already, a background row has to provide it here as well.
                    let has_to = 0u64.wrapping_sub(violated >> branch.position & 1);
                    lanes &= !(branch.violating[side] & has_to);
                    if lanes != 0 {
                        continue;
                    }
                } else {
                    let leaf = &block.leaves[(place & !LEAF) as usize];
                    self.leaf(block, leaf, violated, lanes, sums);
                }
                let Some(next) = stack.pop() else { break };
                (place, violated, lanes) = next;
            }
        }
    }

    /// Adds what a leaf contributes: features that only the row satisfies gain, those it violates lose.
    #[inline(always)]
    fn leaf(&self, block: &Block, leaf: &LaidLeaf, violated: u64, lanes: u64, sums: &mut [f64]) {
        if leaf.value == 0.0 {
            return;
        }
        let first = leaf.first_eight as usize;
        let violations = &block.violations[first * block.rows..];
        if leaf.eights == 1 {
            let weights = self.weights.of(usize::from(BITS[usize::from(violated as u8)]));
            let mut moves = Moves::default();
            for_each_lane(lanes, |lane| {
                let missing = violations[lane];
                moves.add(missing, weights[usize::from(BITS[usize::from(missing)])]);
            });
            moves.finish(leaf.value, &block.features[first], violated as u8, sums);
            return;
        }
        // A long path: for each eight features the same, with the number of violations over all of them.
        let weights = self.weights.of(violated.count_ones() as usize);
        for (eight, features) in block.features[first..][..leaf.eights as usize].iter().enumerate() {
            let mut moves = Moves::default();
            for_each_lane(lanes, |lane| {
                let missing = |eight: usize| violations[eight * block.rows + lane];
                let counts = (0..leaf.eights as usize).map(|eight| usize::from(BITS[usize::from(missing(eight))]));
                moves.add(missing(eight), weights[counts.sum::<usize>()]);
            });
            moves.finish(leaf.value, features, (violated >> (8 * eight)) as u8, sums);
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

/// What eight features of a leaf's path gain or lose, for a leaf of value 1. In f32: it is a sum of few numbers of one
/// sign, and what counts is added up in f64.
#[derive(Default)]
struct Moves {
    gains: [f32; 8],
    loss: f64,
}

impl Moves {
    /// Adds a background row that violates the positions in `missing`.
    #[inline(always)]
    fn add(&mut self, missing: u8, weight: Weight) {
        self.loss += weight.loss;
        for (gain, is_missing) in self.gains.iter_mut().zip(&SPREAD[usize::from(missing)]) {
            *gain += weight.gain * is_missing;
        }
    }

    /// Those that the row violates lose; they are not among those that gain.
    #[inline(always)]
    fn finish(&self, value: f64, features: &[u32; 8], violated: u8, sums: &mut [f64]) {
        let loss = self.loss as f32;
        let mut moves = self.gains;
        for (moved, is_violated) in moves.iter_mut().zip(&SPREAD[usize::from(violated)]) {
            *moved -= loss * is_violated;
        }
        for (&feature, moved) in features.iter().zip(moves) {
            sums[feature as usize] += value * f64::from(moved);
        }
    }
}

/// The number of bits of a byte.
static BITS: [u8; 256] = {
    let mut bits = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        bits[byte] = (byte as u8).count_ones() as u8;
        byte += 1;
    }
    bits
};

/// A byte's bits as numbers.
static SPREAD: [[f32; 8]; 256] = {
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
