//! Which values of a graph hold texts, and which of these come together.
//!
//! Texts that meet (in a Concat, a Where, an Equal) must be coded alike, so values are kept in groups. A group with a
//! string input in it is coded; the others stay as they are: class labels on their way to an output, for example.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto};

use super::is_text;

/// The groups of values that hold texts.
#[derive(Default)]
pub(super) struct Trace<'a> {
    /// Each value's place in `parents`.
    places: HashMap<&'a str, usize>,
    /// A forest: the root of a place is its group.
    parents: Vec<usize>,
    /// Groups, by any of their places, that come from the graph's inputs.
    fed: Vec<usize>,
    coded: HashSet<usize>,
}

impl<'a> Trace<'a> {
    /// Traces texts through a graph whose nodes are in topological order.
    pub fn new(graph: &'a GraphProto) -> Trace<'a> {
        let mut trace = Trace::default();
        for input in graph.input.iter().filter(|input| is_text(input)) {
            let place = trace.add(&input.name);
            trace.fed.push(place);
        }
        for tensor in &graph.initializer {
            if tensor.data_type == DataType::String as i32 {
                trace.add(&tensor.name);
            }
        }
        graph.node.iter().for_each(|node| trace.follow(node));
        trace.coded = trace.fed.iter().map(|&place| trace.root(place)).collect();
        trace
    }

    /// Whether the value holds texts that are coded.
    pub fn is_coded(&self, value: &str) -> bool {
        self.places
            .get(value)
            .is_some_and(|&place| self.coded.contains(&self.root(place)))
    }

    fn add(&mut self, value: &'a str) -> usize {
        let place = self.parents.len();
        self.parents.push(place);
        self.places.insert(value, place);
        place
    }

    fn root(&self, mut place: usize) -> usize {
        while self.parents[place] != place {
            place = self.parents[place];
        }
        place
    }

    fn follow(&mut self, node: &'a NodeProto) {
        let together = meeting_inputs(node);
        let mut places: Vec<usize> = together
            .iter()
            .filter_map(|input| self.places.get(input.as_str()).copied())
            .collect();
        if makes_texts(node, !places.is_empty()) {
            if node.op_type != "Cast" {
                places.clear();
            }
            places.extend(node.output.first().map(|output| self.add(output)));
        } else if !places.is_empty() && moves(&node.op_type) {
            places.extend(node.output.iter().map(|output| self.add(output)));
        }
        for pair in places.windows(2) {
            let (first, second) = (self.root(pair[0]), self.root(pair[1]));
            self.parents[second] = first;
        }
    }
}

/// Operators that hand their data on as they are.
pub(super) fn moves(operator: &str) -> bool {
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

/// The inputs whose elements come together in the output or are compared. The others say how: indices, shapes.
fn meeting_inputs(node: &NodeProto) -> &[String] {
    match node.op_type.as_str() {
        "Concat" | "Equal" => &node.input,
        "Where" => node.input.get(1..).unwrap_or_default(),
        _ => node.input.get(..1).unwrap_or_default(),
    }
}

/// Whether the node's first output holds texts that it does not take from its inputs as they are.
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
