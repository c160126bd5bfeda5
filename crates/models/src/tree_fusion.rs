//! Fuses forests that were exported with one operator for each tree.
//!
//! scikit-learn's isolation forest is exported as a sum over trees of a function of the tree's leaf: a
//! TreeEnsembleRegressor with one tree gives the number of the leaf, and thirty small operators follow. On loading, the
//! operators of the file compute that function once for each leaf. One ensemble whose leaves hold the results replaces
//! the sum. It adds them up in f32 in the order of the sum, so the results are bit-identical.

use std::collections::{BTreeMap, BTreeSet};

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

use crate::graph_index::{GraphIndex, is_elementwise};
use crate::operators::attributes::{Attributes, tensor_integers};

/// A sum of fewer trees is not fused.
const MIN_TREES: usize = 2;

/// A sum over trees that one ensemble can replace.
pub(crate) struct Fusion {
    /// The node that sums.
    sum: usize,
    /// For each input of the sum, the node of its tree.
    trees: Vec<usize>,
    /// The graph that computes the sum's inputs from the trees' outputs.
    pub leaf_graph: GraphProto,
    /// For each tree the values of its leaves.
    pub leaf_values: Vec<Vec<f32>>,
}

/// Looks for a sum over trees.
struct Finder<'a> {
    index: GraphIndex<'a>,
}

/// Finds a sum to fuse in a prepared graph.
pub(crate) fn find(graph: &GraphProto) -> Option<Fusion> {
    let finder = Finder {
        index: GraphIndex::new(graph),
    };
    let mut sums = graph
        .node
        .iter()
        .enumerate()
        .filter(|(_, node)| node.op_type == "Sum" && node.input.len() >= MIN_TREES);
    sums.find_map(|(place, _)| finder.fusion(place))
}

impl<'a> Finder<'a> {
    fn node(&self, place: usize) -> &'a NodeProto {
        &self.index.graph().node[place]
    }

    fn fusion(&self, sum: usize) -> Option<Fusion> {
        let node = self.node(sum);
        let mut between = BTreeSet::new();
        let mut trees = Vec::new();
        for input in &node.input {
            trees.push(self.tree_behind(input, &mut between)?);
        }
        let source = self.source(trees[0])?.0;
        let is_one_source = trees
            .iter()
            .all(|&tree| self.source(tree).is_some_and(|(name, _)| name == source));
        let are_different = trees.iter().collect::<BTreeSet<_>>().len() == trees.len();
        if !is_one_source || !are_different {
            return None;
        }
        let leaf_values = trees
            .iter()
            .map(|&tree| leaf_values(self.node(tree)))
            .collect::<Option<_>>()?;
        Some(Fusion {
            sum,
            leaf_graph: self.leaf_graph(sum, &trees, &between),
            trees,
            leaf_values,
        })
    }

    /// The tree, if there is only one, that a value is a row-wise function of. Adds the nodes between them to
    /// `between`.
    fn tree_behind(&self, value: &str, between: &mut BTreeSet<usize>) -> Option<usize> {
        let mut tree = None;
        let mut seen = BTreeSet::new();
        let mut stack = vec![self.index.place(value)?];
        while let Some(place) = stack.pop() {
            if !seen.insert(place) {
                continue;
            }
            let node = self.node(place);
            if node.op_type == "TreeEnsembleRegressor" {
                if tree.is_some_and(|tree| tree != place) || !is_single_tree(node) {
                    return None;
                }
                tree = Some(place);
                continue;
            }
            between.insert(place);
            stack.extend(self.row_wise_inputs(node)?);
        }
        tree
    }

    /// The nodes that a row-wise node reads from; `None` if it is not row-wise.
    fn row_wise_inputs(&self, node: &NodeProto) -> Option<Vec<usize>> {
        let mut producers = Vec::new();
        for (place, input) in node.input.iter().enumerate() {
            match self.index.constant(input) {
                Some(tensor) if node.op_type == "Reshape" && place == 1 => {
                    (tensor_integers(tensor)? == [-1, 1]).then_some(())?;
                }
                Some(tensor) => tensor.dims.iter().all(|&dim| dim == 1).then_some(())?,
                None => producers.push(self.index.place(input)?),
            }
        }
        (node.op_type == "Reshape" || is_elementwise(node)).then_some(producers)
    }

    /// The value that a tree reads, and the columns of it if they are selected.
    fn source(&self, tree: usize) -> Option<(&'a str, Option<Vec<usize>>)> {
        let input = self.node(tree).input.first()?;
        let selection = self.index.producer(input).and_then(|node| self.index.selection(node));
        Some(selection.map_or((input, None), |(source, columns)| (source, Some(columns))))
    }

    fn leaf_graph(&self, sum: usize, trees: &[usize], between: &BTreeSet<usize>) -> GraphProto {
        let nodes: Vec<NodeProto> = between.iter().map(|&place| self.node(place).clone()).collect();
        let value = |name: &String| tract_onnx::pb::ValueInfoProto {
            name: name.clone(),
            ..Default::default()
        };
        let read: BTreeSet<&String> = nodes.iter().flat_map(|node| &node.input).collect();
        let initializers = self
            .index
            .graph()
            .initializer
            .iter()
            .filter(|tensor| read.contains(&tensor.name))
            .cloned();
        GraphProto {
            initializer: initializers.collect(),
            input: trees.iter().map(|&tree| value(&self.node(tree).output[0])).collect(),
            output: self.node(sum).input.iter().map(value).collect(),
            node: nodes,
            ..GraphProto::default()
        }
    }

    /// One ensemble of all trees whose leaves have the values `results`.
    fn fused(&self, fusion: &Fusion, results: &[Vec<f32>]) -> Option<NodeProto> {
        let mut attributes = EnsembleAttributes::default();
        for (tree, (&place, results)) in fusion.trees.iter().zip(results).enumerate() {
            let (_, columns) = self.source(place)?;
            attributes.add(tree as i64, self.node(place), columns.as_deref(), results)?;
        }
        let sum = self.node(fusion.sum);
        Some(NodeProto {
            op_type: "TreeEnsembleRegressor".to_owned(),
            domain: "ai.onnx.ml".to_owned(),
            name: sum.name.clone(),
            input: vec![self.source(fusion.trees[0])?.0.to_owned()],
            output: sum.output.clone(),
            attribute: attributes.build(),
            ..NodeProto::default()
        })
    }
}

/// Replaces the sum by one ensemble whose leaves have the values `results`.
pub(crate) fn apply(graph: &GraphProto, fusion: &Fusion, results: &[Vec<f32>]) -> Option<GraphProto> {
    let finder = Finder {
        index: GraphIndex::new(graph),
    };
    let fused = finder.fused(fusion, results)?;
    let mut graph = graph.clone();
    graph.node[fusion.sum] = fused;
    Some(graph)
}

/// Whether the node is one tree with one target, without base value and transform.
fn is_single_tree(node: &NodeProto) -> bool {
    let attributes = Attributes(node);
    let trees = attributes.ints("nodes_treeids").unwrap_or_default();
    let is_one_tree = !trees.is_empty() && trees.iter().all(|&tree| tree == trees[0]);
    let is_one_target = matches!(attributes.int("n_targets"), Ok(None | Some(1)));
    let is_plain = matches!(attributes.string("post_transform"), Ok(None | Some("NONE")));
    let has_no_tensors = node.attribute.iter().all(|attribute| attribute.t.is_none());
    let has_no_base = attributes
        .floats("base_values")
        .is_ok_and(|values| values.iter().all(|&value| value == 0.0));
    is_one_tree && is_one_target && is_plain && has_no_tensors && has_no_base
}

/// The value of each leaf of a tree, if each has one.
fn leaf_values(node: &NodeProto) -> Option<Vec<f32>> {
    let attributes = Attributes(node);
    let nodes = attributes.ints("target_nodeids").ok()?;
    let leaves = attributes
        .byte_strings("nodes_modes")
        .ok()?
        .iter()
        .filter(|mode| mode.as_slice() == b"LEAF")
        .count();
    let is_one_each = nodes.iter().collect::<BTreeSet<_>>().len() == nodes.len() && nodes.len() == leaves;
    is_one_each.then(|| attributes.floats("target_weights").map(<[f32]>::to_vec).ok())?
}

/// Collects the attributes of an ensemble.
#[derive(Default)]
struct EnsembleAttributes {
    integers: BTreeMap<&'static str, Vec<i64>>,
    modes: Vec<Vec<u8>>,
    thresholds: Vec<f32>,
    weights: Vec<f32>,
}

impl EnsembleAttributes {
    fn add(&mut self, tree: i64, node: &NodeProto, columns: Option<&[usize]>, results: &[f32]) -> Option<()> {
        let attributes = Attributes(node);
        let modes = attributes.byte_strings("nodes_modes").ok()?;
        let features = attributes.ints("nodes_featureids").ok()?;
        let column = |&feature: &i64| {
            columns.map_or(Some(feature), |columns| {
                let column = columns.get(usize::try_from(feature).ok()?)?;
                i64::try_from(*column).ok()
            })
        };
        let features = features.iter().map(column).collect::<Option<Vec<i64>>>()?;
        let missing = attributes.ints("nodes_missing_value_tracks_true").ok()?;
        let missing = if missing.is_empty() {
            vec![0; modes.len()]
        } else {
            missing.to_vec()
        };
        let mut extend = |name, values: &[i64]| self.integers.entry(name).or_default().extend_from_slice(values);
        extend("nodes_treeids", &vec![tree; modes.len()]);
        extend("nodes_featureids", &features);
        extend("nodes_missing_value_tracks_true", &missing);
        for name in [
            "nodes_nodeids",
            "nodes_truenodeids",
            "nodes_falsenodeids",
            "target_nodeids",
        ] {
            extend(name, attributes.ints(name).ok()?);
        }
        extend("target_treeids", &vec![tree; results.len()]);
        extend("target_ids", &vec![0; results.len()]);
        self.modes.extend_from_slice(modes);
        self.thresholds
            .extend_from_slice(attributes.floats("nodes_values").ok()?);
        self.weights.extend_from_slice(results);
        Some(())
    }

    fn build(self) -> Vec<AttributeProto> {
        let attribute = |name: &str, kind: AttributeType| AttributeProto {
            name: name.to_owned(),
            r#type: kind as i32,
            ..Default::default()
        };
        let mut attributes = vec![
            AttributeProto {
                strings: self.modes,
                ..attribute("nodes_modes", AttributeType::Strings)
            },
            AttributeProto {
                floats: self.thresholds,
                ..attribute("nodes_values", AttributeType::Floats)
            },
            AttributeProto {
                floats: self.weights,
                ..attribute("target_weights", AttributeType::Floats)
            },
            AttributeProto {
                i: 1,
                ..attribute("n_targets", AttributeType::Int)
            },
        ];
        attributes.extend(self.integers.into_iter().map(|(name, ints)| AttributeProto {
            ints,
            ..attribute(name, AttributeType::Ints)
        }));
        attributes
    }
}
