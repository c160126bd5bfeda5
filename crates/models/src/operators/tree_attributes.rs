//! Reads a tree ensemble of ai.onnx.ml 1 to 3 from the attributes of a node.
//!
//! Specification: TreeEnsembleClassifier and TreeEnsembleRegressor. As in ONNX Runtime, the root of a tree is its first
//! node, and weights of nodes that are not leaves are ignored.

use std::collections::HashMap;

use tract_onnx::tract_hir::internal::*;

use super::attributes::Attributes;
use crate::forest::ensemble::{Branch, Comparison, Ensemble, Node, Weight};

/// The names of the attributes that hold the leaf weights.
pub(crate) struct WeightNames {
    pub ids: &'static str,
    pub node_ids: &'static str,
    pub tree_ids: &'static str,
    pub weights: &'static str,
}

pub(crate) const CLASS_WEIGHTS: WeightNames = WeightNames {
    ids: "class_ids",
    node_ids: "class_nodeids",
    tree_ids: "class_treeids",
    weights: "class_weights",
};

pub(crate) const TARGET_WEIGHTS: WeightNames = WeightNames {
    ids: "target_ids",
    node_ids: "target_nodeids",
    tree_ids: "target_treeids",
    weights: "target_weights",
};

/// An ensemble and whether its thresholds are doubles.
pub(crate) fn read(attributes: Attributes<'_>, names: &WeightNames, targets: usize) -> TractResult<(Ensemble, bool)> {
    let tree_ids = attributes.ints("nodes_treeids")?;
    let node_ids = attributes.ints("nodes_nodeids")?;
    let true_ids = attributes.ints("nodes_truenodeids")?;
    let false_ids = attributes.ints("nodes_falsenodeids")?;
    let features = attributes.ints("nodes_featureids")?;
    let modes = attributes.byte_strings("nodes_modes")?;
    let (thresholds, are_doubles) = attributes.floats_or_tensor("nodes_values")?;
    let missing = attributes.ints("nodes_missing_value_tracks_true")?;
    let count = tree_ids.len();
    ensure!(count > 0, "the ensemble has no nodes");
    let lengths = [
        node_ids.len(),
        true_ids.len(),
        false_ids.len(),
        features.len(),
        modes.len(),
        thresholds.len(),
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

    let index = NodeIndex::new(tree_ids, node_ids)?;
    let mut weights = read_weights(attributes, names, &index, targets)?;
    let mut ensemble = Ensemble {
        targets,
        roots: index.roots.clone(),
        ..Ensemble::default()
    };
    ensemble.nodes.reserve_exact(count);
    for node in 0..count {
        let Some(comparison) = comparison(modes[node].as_slice())? else {
            ensemble.nodes.push(weights.leaf(node));
            continue;
        };
        let child = |id: i64| {
            index
                .find(tree_ids[node], id)
                .with_context(|| format!("tree {} has no node {id}", tree_ids[node]))
        };
        ensemble.nodes.push(Node::Branch(Branch {
            feature: feature(features[node])?,
            comparison,
            threshold: thresholds[node],
            missing_is_true: missing.get(node).is_some_and(|&flag| flag == 1) || comparison == Comparison::NotEqual,
            on_true: child(true_ids[node])?,
            on_false: child(false_ids[node])?,
        }));
    }
    ensemble.weights = weights.in_order;
    Ok((ensemble, are_doubles))
}

fn comparison(mode: &[u8]) -> TractResult<Option<Comparison>> {
    Ok(Some(match mode {
        b"LEAF" => return Ok(None),
        b"BRANCH_LEQ" => Comparison::LessOrEqual,
        b"BRANCH_LT" => Comparison::Less,
        b"BRANCH_GTE" => Comparison::GreaterOrEqual,
        b"BRANCH_GT" => Comparison::Greater,
        b"BRANCH_EQ" => Comparison::Equal,
        b"BRANCH_NEQ" => Comparison::NotEqual,
        other => bail!("unknown node mode {:?}", String::from_utf8_lossy(other)),
    }))
}

/// Upper bound on features, above the limit on the columns of an input.
const MAX_FEATURE: i64 = 1 << 24;

pub(crate) fn feature(id: i64) -> TractResult<u32> {
    ensure!((0..MAX_FEATURE).contains(&id), "feature {id} is out of range");
    Ok(id as u32)
}

/// Finds nodes by tree and node id.
struct NodeIndex<'a> {
    node_ids: &'a [i64],
    /// For each tree its first node and the length of the run of nodes from there on.
    trees: HashMap<i64, (u32, u32)>,
    /// Nodes whose position is not that of the first node plus their id.
    others: HashMap<(i64, i64), u32>,
    roots: Vec<u32>,
}

impl<'a> NodeIndex<'a> {
    fn new(tree_ids: &[i64], node_ids: &'a [i64]) -> TractResult<Self> {
        let mut index = NodeIndex {
            node_ids,
            trees: HashMap::new(),
            others: HashMap::new(),
            roots: Vec::new(),
        };
        for (node, (&tree, &id)) in tree_ids.iter().zip(node_ids).enumerate() {
            let node = node as u32;
            let (first, count) = index.trees.entry(tree).or_insert((node, 0));
            if *count == 0 {
                index.roots.push(node);
            }
            if *first + *count == node {
                *count += 1;
            }
            let expected = i64::from(*first).checked_add(id);
            if expected != Some(i64::from(node)) && index.others.insert((tree, id), node).is_some() {
                bail!("tree {tree} has two nodes {id}");
            }
        }
        Ok(index)
    }

    fn find(&self, tree: i64, id: i64) -> Option<u32> {
        let &(first, count) = self.trees.get(&tree)?;
        if (0..i64::from(count)).contains(&id) {
            let node = first + id as u32;
            if self.node_ids[node as usize] == id {
                return Some(node);
            }
        }
        self.others.get(&(tree, id)).copied()
    }
}

/// Leaf weights grouped by node; those of a node are in the order of the file.
struct LeafWeights {
    /// For each node the end of its weights in `in_order`; they begin at the end of the previous node's.
    ends: Vec<u32>,
    in_order: Vec<Weight>,
}

impl LeafWeights {
    fn leaf(&mut self, node: usize) -> Node {
        let first = if node == 0 { 0 } else { self.ends[node - 1] };
        Node::Leaf {
            first,
            count: self.ends[node] - first,
        }
    }
}

fn read_weights(
    attributes: Attributes<'_>,
    names: &WeightNames,
    index: &NodeIndex<'_>,
    targets: usize,
) -> TractResult<LeafWeights> {
    let ids = attributes.ints(names.ids)?;
    let node_ids = attributes.ints(names.node_ids)?;
    let tree_ids = attributes.ints(names.tree_ids)?;
    let (values, _) = attributes.floats_or_tensor(names.weights)?;
    let lengths = [node_ids.len(), tree_ids.len(), values.len()];
    ensure!(
        lengths.iter().all(|&length| length == ids.len()),
        "{} and the attributes beside it differ in length: {}, {lengths:?}",
        names.ids,
        ids.len()
    );
    let mut entries = Vec::with_capacity(ids.len());
    for position in 0..ids.len() {
        let (tree, id) = (tree_ids[position], node_ids[position]);
        let node = index
            .find(tree, id)
            .with_context(|| format!("a weight is for node {id} of tree {tree}, which does not exist"))?;
        let target = usize::try_from(ids[position]).ok().filter(|&target| target < targets);
        let target = target.with_context(|| format!("a weight is for target {} of {targets}", ids[position]))?;
        entries.push((
            node,
            Weight {
                target: target as u32,
                value: values[position],
            },
        ));
    }
    entries.sort_by_key(|&(node, _)| node);
    let mut ends = vec![0; index.node_ids.len()];
    for &(node, _) in &entries {
        ends[node as usize] += 1;
    }
    let mut end = 0;
    for count in &mut ends {
        end += *count;
        *count = end;
    }
    Ok(LeafWeights {
        ends,
        in_order: entries.into_iter().map(|(_, weight)| weight).collect(),
    })
}
