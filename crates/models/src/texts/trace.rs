//! Finds the values of a graph that hold texts, and groups those that are combined.
//!
//! Texts that are combined (by a Concat, a Where, an Equal) must have the same form, so such values share a group
//! (union-find). The values of a group with a string input are coded. The others, such as class labels, stay texts.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto};

use super::is_text;

/// The groups of values that hold texts.
#[derive(Default)]
pub(super) struct Trace<'a> {
    /// The index of each value in `parents`.
    indices: HashMap<&'a str, usize>,
    /// The parents of a union-find forest: the root of an index is its group.
    parents: Vec<usize>,
    /// Indices of the graph's string inputs.
    string_inputs: Vec<usize>,
    /// The roots of the groups with a string input.
    coded: HashSet<usize>,
}

impl<'a> Trace<'a> {
    /// Traces texts through a graph whose nodes are in topological order.
    pub fn new(graph: &'a GraphProto) -> Trace<'a> {
        let mut trace = Trace::default();
        for input in graph.input.iter().filter(|input| is_text(input)) {
            let index = trace.add(&input.name);
            trace.string_inputs.push(index);
        }
        for tensor in &graph.initializer {
            if tensor.data_type == DataType::String as i32 {
                trace.add(&tensor.name);
            }
        }
        graph.node.iter().for_each(|node| trace.follow(node));
        trace.coded = trace.string_inputs.iter().map(|&index| trace.root(index)).collect();
        trace
    }

    /// Whether the value holds texts that are coded.
    pub fn is_coded(&self, value: &str) -> bool {
        self.indices
            .get(value)
            .is_some_and(|&index| self.coded.contains(&self.root(index)))
    }

    fn add(&mut self, value: &'a str) -> usize {
        let index = self.parents.len();
        self.parents.push(index);
        self.indices.insert(value, index);
        index
    }

    fn root(&self, mut index: usize) -> usize {
        while self.parents[index] != index {
            index = self.parents[index];
        }
        index
    }

    fn follow(&mut self, node: &'a NodeProto) {
        let mut group: Vec<usize> = combined_inputs(node)
            .iter()
            .filter_map(|input| self.indices.get(input.as_str()).copied())
            .collect();
        if makes_texts(node, !group.is_empty()) {
            if node.op_type != "Cast" {
                group.clear();
            }
            group.extend(node.output.first().map(|output| self.add(output)));
        } else if !group.is_empty() && moves_elements(&node.op_type) {
            group.extend(node.output.iter().map(|output| self.add(output)));
        }
        for pair in group.windows(2) {
            let (first, second) = (self.root(pair[0]), self.root(pair[1]));
            self.parents[second] = first;
        }
    }
}

/// Operators that move elements without changing them.
pub(super) fn moves_elements(operator: &str) -> bool {
    matches!(
        operator,
        "ArrayFeatureExtractor"
            | "Concat"
            | "Expand"
            | "Flatten"
            | "Gather"
            | "GatherElements"
            | "GatherND"
            | "Identity"
            | "Reshape"
            | "Slice"
            | "Split"
            | "Squeeze"
            | "Tile"
            | "Transpose"
            | "Unsqueeze"
            | "Where"
    )
}

/// The inputs whose elements are combined in the output or compared. The others are indices and shapes.
fn combined_inputs(node: &NodeProto) -> &[String] {
    match node.op_type.as_str() {
        "Concat" | "Equal" => &node.input,
        "Where" => node.input.get(1..).unwrap_or_default(),
        _ => node.input.get(..1).unwrap_or_default(),
    }
}

/// Whether the node's first output holds texts that are not moved from its inputs.
fn makes_texts(node: &NodeProto, reads_texts: bool) -> bool {
    let filled = |name: &str| {
        node.attribute.iter().any(|attribute| {
            let is_text_tensor = |data_type: i32| data_type == DataType::String as i32;
            let tensor = attribute.t.as_ref();
            attribute.name == name
                && (!attribute.strings.is_empty() || tensor.is_some_and(|tensor| is_text_tensor(tensor.data_type)))
        })
    };
    match node.op_type.as_str() {
        "Constant" => {
            filled("value")
                || filled("value_strings")
                || node.attribute.iter().any(|given| given.name == "value_string")
        }
        "LabelEncoder" => filled("values_strings") || filled("values_tensor"),
        "CategoryMapper" => !reads_texts,
        "Cast" => node
            .attribute
            .iter()
            .any(|given| given.name == "to" && given.i == i64::from(DataType::String as i32)),
        _ => filled("classlabels_strings"),
    }
}
