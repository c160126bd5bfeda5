//! Contributions by sampling, for any model that can be run.
//!
//! Castro et al. 2009, "Polynomial calculation of the Shapley value based on sampling", with antithetic pairs (Mitchell
//! et al. 2022): beginning with a background row, features are set to the row's values one after another, in a random
//! order and then in the reverse order. Every background row is used in the same number of pairs, so contributions add
//! up to the score minus the baseline for any orders. The orders come from a fixed seed, so contributions are
//! reproducible.

use super::background::Background;
use crate::{ModelError, Scorer};

/// Lower bound on the pairs of orders, over all background rows.
const PAIRS: usize = 64;
/// Rows scored in one call.
const BATCH: usize = 256;

/// Buffers that are reused from row to row.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    order: Vec<usize>,
    rows: Vec<f64>,
    /// For each row in `rows` the feature that was set last; `None` for the first row of an order.
    steps: Vec<Option<usize>>,
    scores: Vec<f32>,
}

impl Sampler {
    /// Writes each feature's contribution to the score.
    pub fn attribute(
        &mut self,
        scorer: &mut Scorer,
        background: &Background,
        row: &[f64],
        contributions: &mut [f64],
    ) -> Result<(), ModelError> {
        contributions.fill(0.0);
        let rounds = PAIRS.div_ceil(background.len());
        let mut random = Random(0x5EED);
        let mut last_score = 0.0;
        for other in background.rows() {
            self.order.clear();
            // The contribution of a feature with equal values is 0.
            let differing = (0..row.len()).filter(|&column| row[column].to_bits() != other[column].to_bits());
            self.order.extend(differing);
            for _ in 0..rounds {
                random.shuffle(&mut self.order);
                for _ in 0..2 {
                    self.push_path(row, other);
                    if self.steps.len() >= BATCH {
                        self.score(scorer, &mut last_score, contributions)?;
                    }
                    self.order.reverse();
                }
            }
        }
        self.score(scorer, &mut last_score, contributions)?;
        let paths = (2 * rounds * background.len()) as f64;
        contributions.iter_mut().for_each(|contribution| *contribution /= paths);
        Ok(())
    }

    /// Appends the rows on the way from `other` to `row`, changing one feature at a time.
    fn push_path(&mut self, row: &[f64], other: &[f64]) {
        self.steps.push(None);
        self.rows.extend_from_slice(other);
        for &column in &self.order {
            self.rows.extend_from_within(self.rows.len() - row.len()..);
            let first = self.rows.len() - row.len();
            self.rows[first + column] = row[column];
            self.steps.push(Some(column));
        }
    }

    /// Scores the appended rows and adds each step's difference to the contribution of its feature.
    fn score(
        &mut self,
        scorer: &mut Scorer,
        last_score: &mut f64,
        contributions: &mut [f64],
    ) -> Result<(), ModelError> {
        scorer.score_padded(&mut self.rows, &mut self.scores)?;
        for (&score, step) in self.scores.iter().zip(&self.steps) {
            let score = f64::from(score);
            if let Some(feature) = *step {
                contributions[feature] += score - *last_score;
            }
            *last_score = score;
        }
        self.rows.clear();
        self.steps.clear();
        Ok(())
    }
}

/// SplitMix64 (Steele et al. 2014): the same sequence on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The Fisher-Yates shuffle. The bias of the multiplication is below 2^-32.
    fn shuffle(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            let chosen = ((self.next() >> 32) * (last as u64 + 1)) >> 32;
            order.swap(last, chosen as usize);
        }
    }
}
