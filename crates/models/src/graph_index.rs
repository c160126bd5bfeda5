//! A graph by the names of its values: which node writes each, and which are constants.

use std::collections::HashMap;

use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

use crate::operators::attributes::{Attributes, tensor_integers};

/// Operators that act on each element alone, if their other operands are single numbers or of the same shape.
const ELEMENTWISE: [&str; 32] = [
    "Abs",
    "Add",
    "And",
    "Binarizer",
    "Cast",
    "Ceil",
    "Clip",
    "Div",
    "Equal",
    "Exp",
    "Floor",
    "Greater",
    "GreaterOrEqual",
    "Identity",
    "Imputer",
    "IsNaN",
    "LabelEncoder",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "Relu",
    "Scaler",
    "Sqrt",
    "Sub",
    "Where",
];

/// Whether the node's operator acts on each element alone.
pub(crate) fn is_elementwise(node: &NodeProto) -> bool {
    ELEMENTWISE.contains(&node.op_type.as_str())
}

/// The values of a graph by name.
pub(crate) struct GraphIndex<'a> {
    graph: &'a GraphProto,
    producers: HashMap<&'a str, usize>,
    constants: HashMap<&'a str, &'a TensorProto>,
}

impl<'a> GraphIndex<'a> {
    pub fn new(graph: &'a GraphProto) -> Self {
        let nodes = graph.node.iter().enumerate();
        let outputs =
            |(place, node): (usize, &'a NodeProto)| node.output.iter().map(move |name| (name.as_str(), place));
        let constants = graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor));
        GraphIndex {
            graph,
            producers: nodes.flat_map(outputs).collect(),
            constants: constants.collect(),
        }
    }

    pub fn graph(&self) -> &'a GraphProto {
        self.graph
    }

    /// The place in the graph of the node that writes `value`.
    pub fn place(&self, value: &str) -> Option<usize> {
        self.producers.get(value).copied()
    }

    /// The node that writes `value`.
    pub fn producer(&self, value: &str) -> Option<&'a NodeProto> {
        self.place(value).map(|place| &self.graph.node[place])
    }

    pub fn constant(&self, value: &str) -> Option<&'a TensorProto> {
        self.constants.get(value).copied()
    }

    /// The value from whose rows the node selects columns, and these columns; `None` for other nodes.
    pub fn selection(&self, node: &'a NodeProto) -> Option<(&'a str, Vec<usize>)> {
        let [source, columns] = node.input.as_slice() else {
            return None;
        };
        let columns = self.constant(columns)?;
        let is_selection = match node.op_type.as_str() {
            "ArrayFeatureExtractor" => true,
            // A single index instead of a list would take the axis away.
            "Gather" => Attributes(node).int("axis").ok()? == Some(1) && columns.dims.len() == 1,
            _ => false,
        };
        is_selection.then_some(())?;
        let columns: Option<Vec<usize>> = tensor_integers(columns)?
            .into_iter()
            .map(|column| usize::try_from(column).ok())
            .collect();
        Some((source, columns?))
    }
}
