//! Checks of a graph before tract loads it: unsupported operators, and attributes that hold too large sizes.

use tract_onnx::pb::{GraphProto, NodeProto};

use crate::graph::{node_name, operator_name};
use crate::{Limits, ModelError, operators, recurrent};

/// Domains whose operators tract or this crate supports; the keys of the register omit the domain.
const DOMAINS: [&str; 4] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];

/// Operators whose output is random.
const RANDOM: [&str; 6] = [
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
];

/// Refuses a graph with an unsupported operator or an attribute that holds a size larger than a row.
pub(crate) fn check(graph: &GraphProto, limits: &Limits) -> Result<(), ModelError> {
    match unsupported_operators(graph).into_iter().next() {
        Some(error) => Err(error),
        None => check_size_attributes(graph, limits),
    }
}

/// A [`ModelError::Unsupported`] for each node whose operator is not supported. tract checks subgraphs.
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

/// Attributes that hold sizes, which tract does not check.
const SIZES: [&str; 7] = [
    "dilations",
    "hidden_size",
    "kernel_shape",
    "output_padding",
    "output_shape",
    "pads",
    "strides",
];

/// Refuses an attribute that holds a size larger than the limit on columns.
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
