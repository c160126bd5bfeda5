//! Reads a TreeEnsemble of ai.onnx.ml 5 from the attributes of a node.
//!
//! Inner nodes and leaves are numbered separately. A tree with a single leaf is a node whose children are both that
//! leaf.

use tract_onnx::tract_hir::internal::*;

use super::attributes::{Attributes, tensor_numbers};
use super::tree_attributes::feature;
use crate::forest::ensemble::{Branch, Comparison, Ensemble, Node, Weight};

/// An ensemble and whether its thresholds are doubles.
pub(crate) fn read(attributes: Attributes<'_>, targets: usize) -> TractResult<(Ensemble, bool)> {
    let features = attributes.ints("nodes_featureids")?;
    let trues = Children {
        ids: attributes.ints("nodes_truenodeids")?,
        are_leaves: attributes.ints("nodes_trueleafs")?,
    };
    let falses = Children {
        ids: attributes.ints("nodes_falsenodeids")?,
        are_leaves: attributes.ints("nodes_falseleafs")?,
    };
    let missing = attributes.ints("nodes_missing_value_tracks_true")?;
    let (modes, _) = numbers(attributes, "nodes_modes")?;
    let (splits, are_doubles) = numbers(attributes, "nodes_splits")?;
    let (members, _) = match attributes.tensor("membership_values")? {
        Some(tensor) => tensor_numbers(tensor)?,
        None => (Vec::new(), false),
    };
    let (weights, _) = numbers(attributes, "leaf_weights")?;
    let target_ids = attributes.ints("leaf_targetids")?;
    let count = features.len();
    let lengths = [
        trues.ids.len(),
        trues.are_leaves.len(),
        falses.ids.len(),
        falses.are_leaves.len(),
        modes.len(),
        splits.len(),
    ];
    ensure!(
        lengths.iter().all(|&length| length == count),
        "the nodes_ attributes differ in length: {count}, {lengths:?}"
    );
    ensure!(
        missing.is_empty() || missing.len() == count,
        "nodes_missing_value_tracks_true has {} values for {count} nodes",
        missing.len()
    );
    ensure!(
        weights.len() == target_ids.len(),
        "{} leaf_weights for {} leaf_targetids",
        weights.len(),
        target_ids.len()
    );
    ensure!(count + weights.len() < 1 << 30, "the ensemble is too large");

    let mut ensemble = Ensemble {
        targets,
        ..Ensemble::default()
    };
    let mut sets = Sets {
        members: &members,
        next: 0,
    };
    for node in 0..count {
        let comparison = sets.comparison(modes[node], &mut ensemble.members)?;
        ensemble.nodes.push(Node::Branch(Branch {
            feature: feature(features[node])?,
            comparison,
            threshold: splits[node],
            missing_is_true: missing.get(node).is_some_and(|&flag| flag == 1) || comparison == Comparison::NotEqual,
            on_true: trues.find(node, count, weights.len())?,
            on_false: falses.find(node, count, weights.len())?,
        }));
    }
    add_leaves(&mut ensemble, &weights, target_ids)?;
    for &root in attributes.ints("tree_roots")? {
        let root = u32::try_from(root).ok().filter(|&root| (root as usize) < count);
        ensemble.roots.push(root.context("a tree's root does not exist")?);
    }
    ensure!(!ensemble.roots.is_empty(), "the ensemble has no trees");
    Ok((ensemble, are_doubles))
}

/// Adds a leaf with one weight for each of `weights`.
fn add_leaves(ensemble: &mut Ensemble, weights: &[f64], target_ids: &[i64]) -> TractResult<()> {
    let targets = ensemble.targets;
    for (leaf, (&value, &target)) in weights.iter().zip(target_ids).enumerate() {
        let target = u32::try_from(target).ok().filter(|&target| (target as usize) < targets);
        let target = target.with_context(|| format!("leaf {leaf} is for a target out of {targets}"))?;
        ensemble.nodes.push(Node::Leaf {
            first: leaf as u32,
            count: 1,
        });
        ensemble.weights.push(Weight { target, value });
    }
    Ok(())
}

fn numbers(attributes: Attributes<'_>, name: &str) -> TractResult<(Vec<f64>, bool)> {
    tensor_numbers(
        attributes
            .tensor(name)?
            .with_context(|| format!("there are no {name}"))?,
    )
}

/// The children of the nodes on one side.
struct Children<'a> {
    ids: &'a [i64],
    are_leaves: &'a [i64],
}

impl Children<'_> {
    /// The index of the child if the leaves follow the inner nodes.
    fn find(&self, node: usize, nodes: usize, leaves: usize) -> TractResult<u32> {
        let (first, count) = if self.are_leaves[node] != 0 {
            (nodes, leaves)
        } else {
            (0, nodes)
        };
        let id = usize::try_from(self.ids[node]).ok().filter(|&id| id < count);
        Ok((first + id.with_context(|| format!("node {node} has a child that does not exist"))?) as u32)
    }
}

/// The sets of the membership nodes, in the order of these nodes, separated by NaN.
struct Sets<'a> {
    members: &'a [f64],
    next: usize,
}

impl Sets<'_> {
    fn comparison(&mut self, mode: f64, members: &mut Vec<f64>) -> TractResult<Comparison> {
        Ok(match mode as u8 {
            0 => Comparison::LessOrEqual,
            1 => Comparison::Less,
            2 => Comparison::GreaterOrEqual,
            3 => Comparison::Greater,
            4 => Comparison::Equal,
            5 => Comparison::NotEqual,
            6 => {
                let rest = self.members.get(self.next..).unwrap_or_default();
                let count = rest.iter().position(|member| member.is_nan()).unwrap_or(rest.len());
                let first = members.len() as u32;
                members.extend_from_slice(&rest[..count]);
                self.next += count + 1;
                Comparison::Member {
                    first,
                    count: count as u32,
                }
            }
            other => bail!("unknown node mode {other}"),
        })
    }
}
