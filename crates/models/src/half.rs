//! Half precision: a graph of float16 is run in float.
//!
//! So does ONNX Runtime on processors without kernels for float16: it converts constants, computes in float, and drops
//! the casts to float16 between operators. A score is then closer to that of the float32 network than one computed in
//! float16, by about 1e-3.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{AttributeProto, GraphProto, TensorProto, ValueInfoProto};
use tract_onnx::prelude::f16;

const HALF: i32 = DataType::Float16 as i32;
const SINGLE: i32 = DataType::Float as i32;

/// `graph` with float in place of float16, subgraphs included.
pub(crate) fn widen(mut graph: GraphProto) -> GraphProto {
    widen_graph(&mut graph);
    graph
}

fn widen_graph(graph: &mut GraphProto) {
    graph.initializer.iter_mut().for_each(widen_tensor);
    graph.input.iter_mut().chain(&mut graph.output).for_each(widen_value);
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    attributes.for_each(widen_attribute);
}

fn widen_value(value: &mut ValueInfoProto) {
    let kind = value.r#type.as_mut().and_then(|kind| kind.value.as_mut());
    if let Some(TypeValue::TensorType(tensor)) = kind.filter(|TypeValue::TensorType(tensor)| tensor.elem_type == HALF) {
        tensor.elem_type = SINGLE;
    }
}

fn widen_attribute(attribute: &mut AttributeProto) {
    attribute
        .t
        .iter_mut()
        .chain(&mut attribute.tensors)
        .for_each(widen_tensor);
    attribute
        .g
        .iter_mut()
        .chain(&mut attribute.graphs)
        .for_each(widen_graph);
    let names_type = matches!(attribute.name.as_str(), "to" | "dtype" | "output_datatype");
    if names_type && attribute.i == i64::from(HALF) {
        attribute.i = i64::from(SINGLE);
    }
}

/// A tensor of float16 holds the bits of its elements, in two bytes each or as integers.
fn widen_tensor(tensor: &mut TensorProto) {
    if tensor.data_type != HALF {
        return;
    }
    let raw = tensor.raw_data.as_chunks::<2>().0.iter();
    let bits: Vec<u16> = match tensor.raw_data.is_empty() {
        true => tensor.int32_data.iter().map(|&bits| bits as u16).collect(),
        false => raw.map(|&bytes| u16::from_le_bytes(bytes)).collect(),
    };
    tensor.data_type = SINGLE;
    tensor.float_data = bits.into_iter().map(|bits| f16::from_bits(bits).to_f32()).collect();
    tensor.int32_data.clear();
    tensor.raw_data.clear();
}
