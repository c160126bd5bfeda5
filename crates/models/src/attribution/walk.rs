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
}

impl Trees {
    /// Writes each feature's contribution to the sum of leaf values, `contributions.len()` features in all.
    pub fn attribute(&self, row: impl Iterator<Item = f64>, walk: &mut Walk, contributions: &mut [f64]) {
        contributions.fill(0.0);
        self.fill_keys(row, &mut walk.keys);
        for block in &self.blocks {
            self.walk(block, walk, contributions);
        }
        let rows = self.background_rows as f64;
        contributions.iter_mut().for_each(|contribution| *contribution /= rows);
    }

    fn walk(&self, block: &Block, walk: &mut Walk, contributions: &mut [f64]) {
        let all = u64::MAX >> (64 - block.rows);
        let keys = walk.keys.as_slice();
        for &root in &block.roots {
            let (mut place, mut violated, mut lanes) = (root, 0u64, all);
            loop {
                if place & LEAF == 0 {
                    let branch = &block.branches[place as usize];
                    let side = usize::from(block.goes_right(branch, keys));
                    let bit = 1 << branch.position;
                    let others = lanes & !branch.violating[1 - side];
                    if others != 0 {
                        walk.stack.push((branch.children[1 - side], violated | bit, others));
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
                    self.leaf(block, leaf, violated, lanes, contributions);
                }
                let Some(next) = walk.stack.pop() else { break };
                (place, violated, lanes) = next;
            }
        }
    }

    /// Adds what a leaf contributes: features that only the row satisfies gain, those it violates lose.
    #[inline(always)]
    fn leaf(&self, block: &Block, leaf: &LaidLeaf, violated: u64, lanes: u64, contributions: &mut [f64]) {
        if leaf.value == 0.0 || leaf.positions == 0 {
            return;
        }
        let weights = self.weights.of(violated.count_ones() as usize);
        let positions = usize::from(leaf.positions);
        let players = &block.players[leaf.first_player as usize..][..positions];
        let chunks = positions.div_ceil(8);
        let violations = &block.violations[leaf.first_violation as usize..][..chunks * block.rows];
        if chunks <= 1 {
            let mut sums = Sums::default();
            for_each_lane(lanes, |lane| {
                let missing = usize::from(violations[lane]);
                sums.add(missing, weights[usize::from(BITS[missing])]);
            });
            sums.finish(leaf.value, players, violated, contributions);
            return;
        }
        // A long path: for each eight features the same, with the number of violations over all of them.
        for (chunk, players) in players.chunks(8).enumerate() {
            let mut sums = Sums::default();
            for_each_lane(lanes, |lane| {
                let missing = |chunk: usize| usize::from(violations[chunk * block.rows + lane]);
                let count: usize = (0..chunks).map(|chunk| usize::from(BITS[missing(chunk)])).sum();
                sums.add(missing(chunk), weights[count]);
            });
            sums.finish(leaf.value, players, violated >> (8 * chunk), contributions);
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

/// The sums over background rows for eight features of a leaf's path.
#[derive(Default)]
struct Sums {
    gains: [f64; 8],
    loss: f64,
}

impl Sums {
    /// Adds a background row that violates the positions in `missing`.
    #[inline(always)]
    fn add(&mut self, missing: usize, weight: Weight) {
        self.loss += weight.loss;
        for (gain, is_missing) in self.gains.iter_mut().zip(&SPREAD[missing]) {
            *gain += weight.gain * is_missing;
        }
    }

    #[inline(always)]
    fn finish(&self, value: f64, players: &[u32], violated: u64, contributions: &mut [f64]) {
        for (position, (&player, gain)) in players.iter().zip(self.gains).enumerate() {
            let is_violated = violated >> position & 1 != 0;
            contributions[player as usize] += value * if is_violated { -self.loss } else { gain };
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
static SPREAD: [[f64; 8]; 256] = {
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
