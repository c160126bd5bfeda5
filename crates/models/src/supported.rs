//! What of a graph is refused before tract sees it: operators that are not supported, and sizes beyond all sense.

use tract_onnx::pb::{GraphProto, NodeProto};

use crate::graph::{node_name, operator_name};
use crate::{Limits, ModelError, operators, recurrent};

/// Domains whose operators tract or this crate knows; the register itself is keyed without them.
const DOMAINS: [&str; 4] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];

/// Operators whose answer depends on chance.
const RANDOM: [&str; 6] = [
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
];

/// Every operator must have a builder, ours or tract's, that always gives the specified answer; sizes must make sense.
pub(crate) fn check(graph: &GraphProto, limits: &Limits) -> Result<(), ModelError> {
    match unsupported_operators(graph).into_iter().next() {
        Some(error) => Err(error),
        None => check_size_attributes(graph, limits),
    }
}

/// A [`ModelError::Unsupported`] for each node whose operator is not supported. Subgraphs are tract's to check.
pub(crate) fn unsupported_operators(graph: &GraphProto) -> Vec<ModelError> {
    let onnx = operators::front_end();
    let is_supported = |node: &&NodeProto| {
        let is_known = DOMAINS.contains(&node.domain.as_str()) && onnx.op_register.0.contains_key(&node.op_type);
        is_known && !RANDOM.contains(&node.op_type.as_str()) || node.op_type == "ZipMap"
    };
    let refused = |node: &NodeProto| {
        let (operator, advice) = match recurrent::unsupported(node) {
            Some(setting) => (format!("{} with {setting}", operator_name(node)), recurrent::ADVICE),
            None if !is_supported(&node) => (operator_name(node), operators::advice(&node.op_type)),
            None => return None,
        };
        Some(ModelError::Unsupported {
            operator,
            node: node_name(node).to_owned(),
            advice: advice.to_owned(),
        })
    };
    graph.node.iter().filter_map(refused).collect()
}

/// Attributes that say how large something is, which tract takes at their word.
const SIZES: [&str; 7] = [
    "dilations",
    "hidden_size",
    "kernel_shape",
    "output_padding",
    "output_shape",
    "pads",
    "strides",
];

/// No size that an attribute gives may be larger than a row.
fn check_size_attributes(graph: &GraphProto, limits: &Limits) -> Result<(), ModelError> {
    for node in &graph.node {
        for attribute in &node.attribute {
            let sizes = attribute.ints.iter().chain([&attribute.i]);
            let largest = sizes.map(|size| size.unsigned_abs()).max().unwrap_or(0);
            if SIZES.contains(&attribute.name.as_str()) && largest > limits.input_columns as u64 {
                return Err(ModelError::Limit(format!(
                    "node {:?} has {} of {largest}",
                    node_name(node),
                    attribute.name
                )));
            }
            for graph in attribute.g.iter().chain(&attribute.graphs) {
                check_size_attributes(graph, limits)?;
            }
        }
    }
    Ok(())
}
