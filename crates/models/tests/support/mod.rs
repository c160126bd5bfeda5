//! Small ONNX models, built from protobuf messages.

#![allow(dead_code, reason = "each test file uses a part")]

pub mod mutate;

use prost::Message;
use riskstream_models::{LoadOptions, Model, ModelError, Values};
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

pub const ML: &str = "ai.onnx.ml";

/// A node of the ai.onnx.ml domain.
pub fn ml(operator: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        domain: ML.to_owned(),
        ..node(operator, inputs, outputs, attributes)
    }
}

/// A node of the standard domain.
pub fn node(operator: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: operator.to_owned(),
        name: format!("{operator}_node"),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: outputs.iter().map(|&name| name.to_owned()).collect(),
        attribute: attributes,
        ..NodeProto::default()
    }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: kind as i32,
        ..AttributeProto::default()
    }
}

pub fn floats(name: &str, values: &[f32]) -> AttributeProto {
    AttributeProto {
        floats: values.to_vec(),
        ..attribute(name, AttributeType::Floats)
    }
}

pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        ints: values.to_vec(),
        ..attribute(name, AttributeType::Ints)
    }
}

pub fn strings(name: &str, values: &[&str]) -> AttributeProto {
    let strings = values.iter().map(|value| value.as_bytes().to_vec()).collect();
    AttributeProto {
        strings,
        ..attribute(name, AttributeType::Strings)
    }
}

pub fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        s: value.as_bytes().to_vec(),
        ..attribute(name, AttributeType::String)
    }
}

pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        i: value,
        ..attribute(name, AttributeType::Int)
    }
}

pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        f: value,
        ..attribute(name, AttributeType::Float)
    }
}

pub fn tensor_attribute(name: &str, tensor: TensorProto) -> AttributeProto {
    AttributeProto {
        t: Some(tensor),
        ..attribute(name, AttributeType::Tensor)
    }
}

pub fn float_tensor(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        float_data: values.to_vec(),
        ..TensorProto::default()
    }
}

pub fn double_tensor(name: &str, values: &[f64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: DataType::Double as i32,
        double_data: values.to_vec(),
        ..TensorProto::default()
    }
}

pub fn byte_tensor(name: &str, values: &[u8]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: DataType::Uint8 as i32,
        raw_data: values.to_vec(),
        ..TensorProto::default()
    }
}

pub fn int_tensor(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Int64 as i32,
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }
}

/// An input or output. An axis of size 0 is not fixed.
pub fn value(name: &str, kind: DataType, axes: &[i64]) -> ValueInfoProto {
    let dimension = |&size: &i64| Dimension {
        value: (size > 0).then_some(dimension::Value::DimValue(size)),
        ..Dimension::default()
    };
    let shape = TensorShapeProto {
        dim: axes.iter().map(dimension).collect(),
    };
    let tensor = type_proto::Tensor {
        elem_type: kind as i32,
        shape: Some(shape),
    };
    let r#type = TypeProto {
        value: Some(type_proto::Value::TensorType(tensor)),
        ..TypeProto::default()
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(r#type),
        ..ValueInfoProto::default()
    }
}

/// A value whose type is a map, such as the output of a ZipMap. tract's protobuf types omit maps.
pub fn map_value(name: &str) -> ValueInfoProto {
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto::default()),
        ..ValueInfoProto::default()
    }
}

pub fn rows(name: &str, columns: i64) -> ValueInfoProto {
    value(name, DataType::Float, &[0, columns])
}

/// A model of these nodes with float outputs of these names.
pub fn model(inputs: Vec<ValueInfoProto>, nodes: Vec<NodeProto>, outputs: Vec<ValueInfoProto>) -> ModelProto {
    let graph = GraphProto {
        name: "test".to_owned(),
        node: nodes,
        input: inputs,
        output: outputs,
        ..GraphProto::default()
    };
    let set = |domain: &str, version| OperatorSetIdProto {
        domain: domain.to_owned(),
        version,
    };
    ModelProto {
        ir_version: 8,
        producer_name: "test".to_owned(),
        opset_import: vec![set("", 17), set(ML, 3)],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

/// One node that reads the float input `x` of `columns` columns and writes the float output `y`.
pub fn single(columns: i64, node: NodeProto) -> ModelProto {
    model(
        vec![rows("x", columns)],
        vec![node],
        vec![value("y", DataType::Float, &[0, 0])],
    )
}

pub fn load(model: &ModelProto) -> Result<Model, ModelError> {
    Model::from_bytes(&model.encode_to_vec(), &LoadOptions::default())
}

/// Numbers as rows hold them.
pub fn doubles(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().copied().map(f64::from).collect()
}

/// The numbers of one output.
pub fn answers(model: &Model, rows: &[f32], output: &str) -> Vec<f64> {
    let outputs = model.scorer().outputs(&doubles(rows)).unwrap();
    let found = outputs
        .into_iter()
        .find(|found| found.name == output)
        .expect("the output exists");
    match found.values {
        Values::Numbers(numbers) => numbers,
        Values::Strings(strings) => panic!("{output} holds strings: {strings:?}"),
    }
}

/// The output `y` of a model. Loading names it as the score, also if its type would not be chosen by default.
pub fn run(model: &ModelProto, rows: &[f32]) -> Result<Vec<f64>, ModelError> {
    run_doubles(model, &doubles(rows))
}

/// The same for rows of doubles.
pub fn run_doubles(model: &ModelProto, rows: &[f64]) -> Result<Vec<f64>, ModelError> {
    let score = Some("y[0]".parse().unwrap());
    let model = Model::from_bytes(
        &model.encode_to_vec(),
        &LoadOptions {
            score,
            ..LoadOptions::default()
        },
    )?;
    let outputs = model.scorer().outputs(rows)?;
    match outputs
        .into_iter()
        .find(|found| found.name == "y")
        .expect("the output exists")
        .values
    {
        Values::Numbers(numbers) => Ok(numbers),
        Values::Strings(strings) => panic!("y holds strings: {strings:?}"),
    }
}

#[track_caller]
pub fn assert_close(found: &[f64], expected: &[f64]) {
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * b.abs().max(1.0) || (a.is_nan() && b.is_nan());
    let all = found.len() == expected.len() && found.iter().zip(expected).all(close);
    assert!(all, "found {found:?}, expected {expected:?}");
}

/// A tree in the form in which tests write it.
#[derive(Clone, Debug)]
pub enum Tree {
    /// Weights by target.
    Leaf(Vec<(i64, f32)>),
    /// Mode, feature, threshold, whether a missing value goes to the first child, and the children.
    Branch(&'static str, i64, f32, bool, Box<(Tree, Tree)>),
}

pub fn leaf(value: f32) -> Tree {
    Tree::Leaf(vec![(0, value)])
}

pub fn branch(mode: &'static str, feature: i64, threshold: f32, missing: bool, on_true: Tree, on_false: Tree) -> Tree {
    Tree::Branch(mode, feature, threshold, missing, Box::new((on_true, on_false)))
}

#[derive(Default)]
struct Lists {
    tree_ids: Vec<i64>,
    node_ids: Vec<i64>,
    features: Vec<i64>,
    modes: Vec<&'static str>,
    thresholds: Vec<f32>,
    trues: Vec<i64>,
    falses: Vec<i64>,
    missing: Vec<i64>,
    weight_trees: Vec<i64>,
    weight_nodes: Vec<i64>,
    weight_ids: Vec<i64>,
    weights: Vec<f32>,
}

impl Lists {
    fn add(&mut self, tree: i64, next: &mut i64, part: &Tree) -> i64 {
        let id = *next;
        *next += 1;
        let place = self.node_ids.len();
        self.tree_ids.push(tree);
        self.node_ids.push(id);
        let (mode, feature, threshold, missing) = match part {
            Tree::Leaf(_) => ("LEAF", 0, 0.0, false),
            Tree::Branch(mode, feature, threshold, missing, _) => (*mode, *feature, *threshold, *missing),
        };
        self.modes.push(mode);
        self.features.push(feature);
        self.thresholds.push(threshold);
        self.missing.push(i64::from(missing));
        self.trues.push(0);
        self.falses.push(0);
        match part {
            Tree::Leaf(weights) => {
                for &(target, weight) in weights {
                    self.weight_trees.push(tree);
                    self.weight_nodes.push(id);
                    self.weight_ids.push(target);
                    self.weights.push(weight);
                }
            }
            Tree::Branch(.., children) => {
                self.trues[place] = self.add(tree, next, &children.0);
                self.falses[place] = self.add(tree, next, &children.1);
            }
        }
        id
    }
}

/// The attributes of an ensemble; `prefix` is `class` or `target`.
pub fn ensemble(prefix: &str, trees: &[Tree]) -> Vec<AttributeProto> {
    let mut lists = Lists::default();
    for (index, tree) in trees.iter().enumerate() {
        lists.add(index as i64, &mut 0, tree);
    }
    vec![
        ints("nodes_treeids", &lists.tree_ids),
        ints("nodes_nodeids", &lists.node_ids),
        ints("nodes_featureids", &lists.features),
        strings("nodes_modes", &lists.modes),
        floats("nodes_values", &lists.thresholds),
        ints("nodes_truenodeids", &lists.trues),
        ints("nodes_falsenodeids", &lists.falses),
        ints("nodes_missing_value_tracks_true", &lists.missing),
        ints(&format!("{prefix}_treeids"), &lists.weight_trees),
        ints(&format!("{prefix}_nodeids"), &lists.weight_nodes),
        ints(&format!("{prefix}_ids"), &lists.weight_ids),
        floats(&format!("{prefix}_weights"), &lists.weights),
    ]
}
