//! Exact attribution of a score function.

use super::method::Method;
use super::score_function::FunctionKind;
use super::trees::{AttributedEnsemble, AttributionTrees};
use super::walk::WalkBuffers;
use crate::forest::ensemble::{Ensemble, Node};

/// A score function together with what the background rows contribute to it.
#[derive(Debug)]
pub(super) enum ExactFunction {
    Trees(AttributionTrees),
    Linear {
        weights: Vec<f64>,
        /// The mean of each column over the background rows.
        means: Vec<f64>,
        /// The feature of each column.
        features: Vec<u32>,
    },
}

impl ExactFunction {
    /// `background` holds the columns of all background rows, row-major, `features` the feature of each column.
    /// `is_single_precision`: the columns are of type f32. `None` if the function is too large.
    pub fn new(
        kind: FunctionKind,
        features: Vec<u32>,
        background: &[f64],
        is_single_precision: bool,
    ) -> Option<ExactFunction> {
        match kind {
            FunctionKind::Trees {
                mut ensemble,
                target,
                has_doubles,
            } => {
                if is_single_precision && !has_doubles {
                    round_to_single_precision(&mut ensemble);
                }
                let ensemble = AttributedEnsemble {
                    ensemble: &ensemble,
                    target,
                    features: &features,
                    background,
                };
                AttributionTrees::new(&ensemble).map(ExactFunction::Trees)
            }
            FunctionKind::Linear(weights) => ExactFunction::linear(weights, features, background),
        }
    }

    fn linear(weights: Vec<f64>, features: Vec<u32>, background: &[f64]) -> Option<ExactFunction> {
        if weights.is_empty() || weights.len() != features.len() {
            return None;
        }
        let rows = (background.len() / weights.len()) as f64;
        let mut means = vec![0.0; weights.len()];
        for row in background.chunks_exact(weights.len()) {
            means
                .iter_mut()
                .zip(row)
                .for_each(|(mean, value)| *mean += value / rows);
        }
        Some(ExactFunction::Linear {
            weights,
            means,
            features,
        })
    }

    pub fn method(&self) -> Method {
        match self {
            ExactFunction::Trees(_) => Method::Trees,
            ExactFunction::Linear { .. } => Method::Linear,
        }
    }

    /// The mean of the function over the background rows.
    pub fn baseline(&self) -> f64 {
        match self {
            ExactFunction::Trees(trees) => trees.baseline,
            ExactFunction::Linear { weights, means, .. } => {
                weights.iter().zip(means).map(|(weight, mean)| weight * mean).sum()
            }
        }
    }

    /// Adds each feature's contribution to the value of the function for `columns`.
    pub fn attribute(&self, columns: &[f64], walk: &mut WalkBuffers, contributions: &mut [f64]) {
        match self {
            ExactFunction::Trees(trees) => trees.attribute(columns.iter().copied(), walk, contributions),
            ExactFunction::Linear {
                weights,
                means,
                features,
            } => {
                for (((&feature, weight), value), mean) in features.iter().zip(weights).zip(columns).zip(means) {
                    contributions[feature as usize] += weight * (value - mean);
                }
            }
        }
    }
}

/// Rounds thresholds, set members and weights to f32: over rows of f32 they are compared and added up in f32.
fn round_to_single_precision(ensemble: &mut Ensemble) {
    let round = |number: &mut f64| *number = f64::from(*number as f32);
    for node in &mut ensemble.nodes {
        if let Node::Branch(branch) = node {
            round(&mut branch.threshold);
        }
    }
    ensemble.members.iter_mut().for_each(round);
    ensemble.weights.iter_mut().for_each(|weight| round(&mut weight.value));
}
