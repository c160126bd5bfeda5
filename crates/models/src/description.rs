//! A summary of a model file, for display.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dimension;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{GraphProto, ModelProto, ValueInfoProto, tensor_shape_proto};

use crate::ScoreOutput;
use crate::graph::{fed_inputs, operator_name};

/// A summary of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelDescription {
    /// The program that wrote the file, such as `skl2onnx 1.20.0`.
    pub producer: String,
    /// Versions of the operator sets by domain; the standard domain is `ai.onnx`.
    pub operator_sets: BTreeMap<String, i64>,
    /// Inputs in the order of their columns in a row.
    pub inputs: Vec<InputDescription>,
    /// Outputs in the file's order.
    pub outputs: Vec<OutputDescription>,
    /// Operators by name, with the number of nodes of each.
    pub operators: Vec<OperatorCount>,
    /// Number of decision trees of all ensembles.
    pub trees: usize,
    /// Number of nodes of these trees, leaves included.
    pub tree_nodes: usize,
    /// Size of the file in bytes.
    pub bytes: usize,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The output that is the score, such as `probabilities[1]`; `None` if it is not determined.
    pub score: Option<String>,
}

/// One input tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputDescription {
    /// Its name in the file.
    pub name: String,
    /// Element type, such as `float` or `string`.
    pub elements: String,
    /// Number of columns in a row; `None` if the file does not fix it.
    pub columns: Option<usize>,
    /// Sizes of all axes but the first, which counts rows; empty if the file does not fix them.
    pub axes: Vec<usize>,
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputDescription {
    /// Its name in the file.
    pub name: String,
    /// Element type, such as `int64`, or `map` for the output of a ZipMap.
    pub elements: String,
}

/// The number of nodes of one operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperatorCount {
    /// Its name with its domain, such as `ai.onnx.ml.Scaler`.
    pub operator: String,
    /// The number of nodes.
    pub nodes: usize,
}

pub(crate) fn describe(
    model: &ModelProto,
    graph: &GraphProto,
    bytes: &[u8],
    score: Option<&ScoreOutput>,
) -> ModelDescription {
    let domain = |domain: &str| {
        if domain.is_empty() {
            "ai.onnx".to_owned()
        } else {
            domain.to_owned()
        }
    };
    let mut operators = BTreeMap::new();
    for node in &graph.node {
        *operators.entry(operator_name(node)).or_insert(0) += 1;
    }
    let (trees, tree_nodes) = count_trees(graph);
    ModelDescription {
        producer: on_one_line(&format!("{} {}", model.producer_name, model.producer_version)),
        operator_sets: model
            .opset_import
            .iter()
            .map(|set| (domain(&set.domain), set.version))
            .collect(),
        inputs: fed_inputs(graph).map(describe_input).collect(),
        outputs: graph
            .output
            .iter()
            .map(|output| OutputDescription {
                name: output.name.clone(),
                elements: elements(output),
            })
            .collect(),
        operators: operators
            .into_iter()
            .map(|(operator, nodes)| OperatorCount { operator, nodes })
            .collect(),
        trees,
        tree_nodes,
        bytes: bytes.len(),
        sha256: Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
        score: score.map(ToString::to_string),
    }
}

/// The first 100 characters of a text, on one line: some exporters write several pages.
fn on_one_line(text: &str) -> String {
    const MAX_CHARACTERS: usize = 100;
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MAX_CHARACTERS).collect()
}

fn describe_input(input: &ValueInfoProto) -> InputDescription {
    InputDescription {
        name: input.name.clone(),
        elements: elements(input),
        columns: columns(input),
        axes: axes(input).unwrap_or_default(),
    }
}

/// The product of all axes but the first.
fn columns(input: &ValueInfoProto) -> Option<usize> {
    let product = |product: usize, size: &usize| product.checked_mul(*size);
    axes(input)?.iter().try_fold(1, product)
}

fn axes(input: &ValueInfoProto) -> Option<Vec<usize>> {
    let Some(TypeValue::TensorType(tensor)) = input.r#type.as_ref()?.value.as_ref() else {
        return None;
    };
    let (_, axes) = tensor.shape.as_ref()?.dim.split_first()?;
    let size = |axis: &tensor_shape_proto::Dimension| match axis.value {
        Some(Dimension::DimValue(size)) => usize::try_from(size).ok(),
        _ => None,
    };
    axes.iter().map(size).collect()
}

/// The declared element type of an input or output; `map` for maps and sequences.
pub(crate) fn elements(output: &ValueInfoProto) -> String {
    match output.r#type.as_ref().and_then(|kind| kind.value.as_ref()) {
        Some(TypeValue::TensorType(tensor)) => DataType::try_from(tensor.elem_type)
            .map_or("unknown", |kind| kind.as_str_name())
            .to_lowercase(),
        None => "map".to_owned(),
    }
}

fn count_trees(graph: &GraphProto) -> (usize, usize) {
    let mut counts = (0, 0);
    for attribute in graph.node.iter().flat_map(|node| &node.attribute) {
        match attribute.name.as_str() {
            "nodes_treeids" => {
                let changes = attribute.ints.windows(2).filter(|pair| pair[0] != pair[1]).count();
                counts.0 += changes + usize::from(!attribute.ints.is_empty());
                counts.1 += attribute.ints.len();
            }
            "tree_roots" => counts.0 += attribute.ints.len(),
            "leaf_targetids" | "nodes_trueleafs" => counts.1 += attribute.ints.len(),
            _ => {}
        }
    }
    counts
}
