//! Recurrent layers: GRU, LSTM, RNN.
//!
//! A missing initial state (`initial_h`, `initial_c`) is zero by the specification. tract requires it if the number of
//! rows is not known, so this module adds nodes that compute the zeros. tract ignores some attributes without an error;
//! layers with them are refused.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

/// Advice for a layer with an attribute that tract ignores.
pub(crate) const ADVICE: &str =
    "export the layer forwards or in both directions, with its usual activations, without clip and input_forget";

/// The setting of a layer that tract ignores, if it has one.
pub(crate) fn unsupported(node: &NodeProto) -> Option<String> {
    let usual: &[&str] = match node.op_type.as_str() {
        "GRU" => &["Sigmoid", "Tanh"],
        "LSTM" => &["Sigmoid", "Tanh", "Tanh"],
        "RNN" => &["Tanh"],
        _ => return None,
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    node.attribute
        .iter()
        .find_map(|attribute| match attribute.name.as_str() {
            "activations" => {
                let given: Vec<String> = attribute.strings.iter().map(|name| text(name)).collect();
                let is_usual = given
                    .iter()
                    .zip(usual.iter().cycle())
                    .all(|(given, usual)| given.eq_ignore_ascii_case(usual));
                (!is_usual).then(|| format!("the activations {}", given.join(", ")))
            }
            "direction" => (attribute.s == b"reverse").then(|| "the direction reverse".to_owned()),
            "clip" => Some("clip".to_owned()),
            "input_forget" => (attribute.i != 0).then(|| "input_forget".to_owned()),
            _ => None,
        })
}

/// The indices of `initial_h` and `initial_c` among the inputs.
const STATE_INPUTS: [usize; 2] = [5, 6];

/// `node`, after nodes that compute its initial states if it is a recurrent layer without them.
pub(crate) fn with_initial_states(mut node: NodeProto) -> Vec<NodeProto> {
    let states = match node.op_type.as_str() {
        "GRU" | "RNN" => 1,
        "LSTM" => 2,
        _ => return vec![node],
    };
    let is_absent = |index: &&usize| node.input.get(**index).is_none_or(String::is_empty);
    let absent: Vec<usize> = STATE_INPUTS[..states].iter().filter(is_absent).copied().collect();
    let (Some(x), false) = (node.input.first().cloned(), absent.is_empty()) else {
        return vec![node];
    };
    let integer = |name: &str| {
        node.attribute
            .iter()
            .find(|attribute| attribute.name == name)
            .map(|found| found.i)
    };
    let is_bidirectional = node.attribute.iter().any(|attribute| attribute.s == b"bidirectional");
    let rows_first = integer("layout") == Some(1);
    let Some(hidden) = integer("hidden_size") else {
        return vec![node];
    };

    let stem = format!(
        "{} start",
        node.output.iter().find(|name| !name.is_empty()).unwrap_or(&x)
    );
    let name = |part: &str| format!("{stem} {part}");
    let sizes = if rows_first {
        ["rows", "directions", "hidden"]
    } else {
        ["directions", "rows", "hidden"]
    };
    let added = vec![
        operator("Shape", &[&x], &name("shape"), Vec::new()),
        integer_constant(i64::from(!rows_first), &name("axis")),
        operator("Gather", &[&name("shape"), &name("axis")], &name("rows"), Vec::new()),
        integer_constant(1 + i64::from(is_bidirectional), &name("directions")),
        integer_constant(hidden, &name("hidden")),
        operator(
            "Concat",
            &sizes.map(name).each_ref().map(String::as_str),
            &name("sizes"),
            vec![axis_0()],
        ),
        operator("ConstantOfShape", &[&name("sizes")], &name("zeros"), vec![zero()]),
    ];
    for index in absent {
        node.input.resize(node.input.len().max(index + 1), String::new());
        node.input[index] = name("zeros");
    }
    added.into_iter().chain([node]).collect()
}

fn operator(op_type: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op_type.to_owned(),
        name: output.to_owned(),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute,
        ..NodeProto::default()
    }
}

/// A constant vector of one int64.
fn integer_constant(number: i64, output: &str) -> NodeProto {
    let tensor = TensorProto {
        dims: vec![1],
        data_type: DataType::Int64 as i32,
        int64_data: vec![number],
        ..TensorProto::default()
    };
    operator("Constant", &[], output, vec![value(tensor)])
}

fn axis_0() -> AttributeProto {
    AttributeProto {
        name: "axis".to_owned(),
        r#type: AttributeType::Int as i32,
        ..AttributeProto::default()
    }
}

/// The default value of ConstantOfShape by the specification: a zero of f32.
pub(crate) fn zero() -> AttributeProto {
    value(TensorProto {
        dims: vec![1],
        data_type: DataType::Float as i32,
        float_data: vec![0.0],
        ..TensorProto::default()
    })
}

fn value(tensor: TensorProto) -> AttributeProto {
    AttributeProto {
        name: "value".to_owned(),
        r#type: AttributeType::Tensor as i32,
        t: Some(tensor),
        ..AttributeProto::default()
    }
}
