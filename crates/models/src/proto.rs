//! Decoding a model file, and the checks that tract omits.

use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};
use tract_onnx::prelude::Framework;

use crate::decoded_size;
use crate::graph::node_name;
use crate::guard::shortened;
use crate::{Limits, ModelError};

fn invalid(reason: impl Into<String>) -> ModelError {
    ModelError::Invalid(reason.into())
}

/// Decodes a model and checks its graph, subgraphs included.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<ModelProto, ModelError> {
    if bytes.len() as u64 > limits.file_bytes {
        return Err(ModelError::Limit(format!(
            "{} bytes, {} are allowed",
            bytes.len(),
            limits.file_bytes
        )));
    }
    decoded_size::check(bytes)?;
    let model = tract_onnx::Onnx::default()
        .proto_model_for_read(&mut &*bytes)
        .map_err(|error| invalid(shortened(&error)))?;
    if !model.functions.is_empty() {
        return Err(ModelError::Unsupported {
            operator: "model-local functions".to_owned(),
            node: model.functions[0].name.clone().unwrap_or_default(),
            advice: "export with functions inlined (onnx.inliner.inline_local_functions)".to_owned(),
        });
    }
    let graph = model.graph.as_ref().ok_or_else(|| invalid("the file holds no graph"))?;
    let mut nodes = 0;
    check_graph(graph, limits, &mut nodes)?;
    Ok(model)
}

fn check_graph(graph: &GraphProto, limits: &Limits, nodes: &mut usize) -> Result<(), ModelError> {
    *nodes += graph.node.len();
    if *nodes > limits.graph_nodes {
        return Err(ModelError::Limit(format!("more than {} nodes", limits.graph_nodes)));
    }
    if !graph.sparse_initializer.is_empty() {
        return Err(invalid("sparse initializers are not supported"));
    }
    graph
        .initializer
        .iter()
        .try_for_each(|tensor| check_tensor(tensor, limits))?;
    graph.node.iter().try_for_each(|node| check_node(node, limits, nodes))
}

fn check_node(node: &NodeProto, limits: &Limits, nodes: &mut usize) -> Result<(), ModelError> {
    for attribute in &node.attribute {
        check_axes(node, attribute)?;
        check_scanned_inputs(node, attribute)?;
        if attribute.sparse_tensor.is_some() || !attribute.sparse_tensors.is_empty() {
            return Err(invalid(format!(
                "attribute {} is a sparse tensor, which is not supported",
                attribute.name
            )));
        }
        attribute
            .t
            .iter()
            .chain(&attribute.tensors)
            .try_for_each(|tensor| check_tensor(tensor, limits))?;
        for graph in attribute.g.iter().chain(&attribute.graphs) {
            check_graph(graph, limits, nodes)?;
        }
    }
    Ok(())
}

/// Refuses an axis above 63: tract loops up to the axis, whatever the rank.
fn check_axes(node: &NodeProto, attribute: &AttributeProto) -> Result<(), ModelError> {
    const MAX_AXIS: u64 = 63;
    if !attribute.name.ends_with("axis") && !attribute.name.ends_with("axes") {
        return Ok(());
    }
    let mut axes = attribute.ints.iter().chain([&attribute.i]);
    match axes.find(|axis| axis.unsigned_abs() > MAX_AXIS) {
        Some(axis) => Err(invalid(format!("node {:?} has no axis {axis}", node_name(node)))),
        None => Ok(()),
    }
}

/// Refuses a Scan of more inputs than it has: tract allocates a list of that length, and subtracts it from the number
/// of the body's inputs.
fn check_scanned_inputs(node: &NodeProto, attribute: &AttributeProto) -> Result<(), ModelError> {
    if attribute.name != "num_scan_inputs" {
        return Ok(());
    }
    let bodies = node.attribute.iter().filter_map(|attribute| attribute.g.as_ref());
    let available = bodies.map(|body| body.input.len()).chain([node.input.len()]).min();
    match available.is_some_and(|available| (0..=available as i64).contains(&attribute.i)) {
        true => Ok(()),
        false => Err(invalid(format!(
            "node {:?} cannot scan {} inputs",
            node_name(node),
            attribute.i
        ))),
    }
}

/// The elements of a tensor must be in the file, and their number must match its shape.
fn check_tensor(tensor: &TensorProto, limits: &Limits) -> Result<(), ModelError> {
    let name = &tensor.name;
    if tensor.data_location == Some(DataLocation::External as i32) || !tensor.external_data.is_empty() {
        return Err(invalid(format!(
            "tensor {name:?} lies outside the file: save the model with its data inside"
        )));
    }
    let elements = tensor
        .dims
        .iter()
        .try_fold(1usize, |product, &dim| product.checked_mul(usize::try_from(dim).ok()?));
    let elements =
        elements.ok_or_else(|| invalid(format!("tensor {name:?} has the impossible shape {:?}", tensor.dims)))?;
    if elements > limits.tensor_elements {
        return Err(ModelError::Limit(format!(
            "tensor {name:?} has {elements} elements, {} are allowed",
            limits.tensor_elements
        )));
    }
    let kind = DataType::try_from(tensor.data_type).unwrap_or(DataType::Undefined);
    let raw = &tensor.raw_data;
    let (size, listed) = match kind {
        DataType::Float => (4, tensor.float_data.len()),
        DataType::Double => (8, tensor.double_data.len()),
        DataType::Int64 => (8, tensor.int64_data.len()),
        DataType::Int32 => (4, tensor.int32_data.len()),
        DataType::Int8 | DataType::Uint8 | DataType::Bool => (1, tensor.int32_data.len()),
        DataType::Int16 | DataType::Uint16 | DataType::Float16 => (2, tensor.int32_data.len()),
        DataType::String if raw.is_empty() => (1, tensor.string_data.len()),
        other => {
            return Err(invalid(format!(
                "tensor {name:?} is of the unsupported type {}",
                other.as_str_name()
            )));
        }
    };
    let given = if raw.is_empty() { listed } else { raw.len() / size };
    let is_whole = raw.len().is_multiple_of(size);
    if given != elements || !is_whole {
        return Err(invalid(format!(
            "tensor {name:?} of shape {:?} has {given} elements",
            tensor.dims
        )));
    }
    Ok(())
}
