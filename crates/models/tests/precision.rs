//! Numbers that float cannot hold: columns of doubles and integers keep them. Networks of float16 are run in float.
//! tests/data/exports compares more such models with ONNX Runtime (`times_*`, `half_*`).

mod support;

use support::*;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, NodeProto, TensorProto};
use tract_onnx::prelude::f16;

/// 2023-11-14 22:13:20 UTC in seconds. In float its neighbours are 128 seconds away.
const START: f64 = 1_700_000_000.0;

fn of_one(kind: DataType, nodes: Vec<NodeProto>, constants: Vec<TensorProto>) -> ModelProto {
    let outputs = vec![value("y", DataType::Float, &[0, 1])];
    let mut model = model(vec![value("x", kind, &[0, 1])], nodes, outputs);
    model.graph.as_mut().unwrap().initializer = constants;
    model
}

fn cast(from: &str, to: &str, kind: DataType) -> NodeProto {
    NodeProto {
        name: format!("{to} cast"),
        ..node("Cast", &[from], &[to], vec![int("to", kind as i64)])
    }
}

/// The seconds since [`START`], computed in double.
fn since_start(kind: DataType) -> ModelProto {
    let nodes = vec![
        cast("x", "doubles", DataType::Double),
        node("Sub", &["doubles", "start"], &["since"], Vec::new()),
        cast("since", "y", DataType::Float),
    ];
    of_one(kind, nodes, vec![double_tensor("start", &[START])])
}

#[test]
fn doubles_and_integers_reach_the_model_as_they_are() {
    let rows = [START, START + 61.0, START + 3599.25];
    assert_eq!(
        run_doubles(&since_start(DataType::Double), &rows).unwrap(),
        [0.0, 61.0, 3599.25]
    );
    assert_eq!(
        run_doubles(&since_start(DataType::Int64), &rows).unwrap(),
        [0.0, 61.0, 3599.0]
    );
    assert_eq!(
        run_doubles(&since_start(DataType::Int32), &rows).unwrap(),
        [0.0, 61.0, 3599.0]
    );
    // A float holds neither: the nearest are the start and 128 seconds later.
    assert_eq!(
        run_doubles(&since_start(DataType::Float), &rows[..2]).unwrap(),
        [0.0, 0.0]
    );
    let large = [9_007_199_254_740_991.0];
    let as_text = |number: f64| format!("{number:.0}");
    let nodes = vec![node("Identity", &["x"], &["y"], Vec::new())];
    let found = run_doubles(&of_one(DataType::Int64, nodes, Vec::new()), &large).unwrap();
    assert_eq!(as_text(found[0]), "9007199254740991");
}

/// In float the difference would be 0 or 128.
#[test]
fn scalers_subtract_doubles_in_double() {
    let scaler = ml(
        "Scaler",
        &["x"],
        &["y"],
        vec![floats("offset", &[START as f32]), floats("scale", &[0.5])],
    );
    let model = of_one(DataType::Double, vec![scaler], Vec::new());
    assert_eq!(run_doubles(&model, &[START, START + 61.0]).unwrap(), [0.0, 30.5]);
}

/// 1 up to 60 seconds after [`START`], 3 later.
fn tree_of_doubles() -> ModelProto {
    let tree = branch("BRANCH_LEQ", 0, 0.0, false, leaf(1.0), leaf(3.0));
    let mut attributes = ensemble("target", &[tree]);
    attributes.retain(|attribute| !matches!(attribute.name.as_str(), "nodes_values" | "target_weights"));
    attributes.extend([
        tensor_attribute("nodes_values_as_tensor", double_tensor("", &[START + 60.0, 0.0, 0.0])),
        tensor_attribute("target_weights_as_tensor", double_tensor("", &[1.0, 3.0])),
        int("n_targets", 1),
    ]);
    let tree = ml("TreeEnsembleRegressor", &["x"], &["y"], attributes);
    of_one(DataType::Double, vec![tree], Vec::new())
}

#[test]
fn trees_compare_doubles() {
    let rows = [START + 60.0, START + 61.0, f64::NAN];
    assert_eq!(run_doubles(&tree_of_doubles(), &rows).unwrap(), [1.0, 3.0, 3.0]);
}

#[test]
fn contributions_of_doubles_are_those_of_the_rows() {
    let model = load(&tree_of_doubles()).unwrap();
    let attribution = model.attribution(&[START, START + 61.0]).unwrap();
    assert_eq!(attribution.baseline(), 2.0);
    let mut contributions = Vec::new();
    for (row, expected) in [(START + 60.0, -1.0), (START + 61.0, 1.0)] {
        attribution.explainer().explain(&[row], &mut contributions).unwrap();
        assert_eq!(contributions, [expected]);
    }
}

/// A tensor of float16, its bits as bytes or as integers.
fn halves(name: &str, numbers: &[f32], in_bytes: bool) -> TensorProto {
    let bits: Vec<u16> = numbers.iter().map(|&number| f16::from_f32(number).to_bits()).collect();
    let mut tensor = TensorProto {
        name: name.to_owned(),
        dims: vec![numbers.len() as i64],
        data_type: DataType::Float16 as i32,
        ..TensorProto::default()
    };
    match in_bytes {
        true => tensor.raw_data = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect(),
        false => tensor.int32_data = bits.iter().map(|&bits| i32::from(bits)).collect(),
    }
    tensor
}

/// Relu(1.5 x - 0.25) + 0.125, all of float16, with a bias in a Constant node.
#[test]
fn a_network_of_float16_runs_in_float() {
    for (in_bytes, ends) in [
        (true, DataType::Float),
        (false, DataType::Float),
        (true, DataType::Float16),
    ] {
        let bias = tensor_attribute("value", halves("", &[-0.25], in_bytes));
        let nodes = vec![
            cast("x", "half", DataType::Float16),
            node("Constant", &[], &["bias"], vec![bias]),
            node("Mul", &["half", "weight"], &["product"], Vec::new()),
            node("Add", &["product", "bias"], &["sum"], Vec::new()),
            node("Relu", &["sum"], &["active"], Vec::new()),
            NodeProto {
                name: "last".to_owned(),
                ..node("Add", &["active", "shift"], &["result"], Vec::new())
            },
            cast("result", "y", ends),
        ];
        let constants = vec![halves("weight", &[1.5], in_bytes), halves("shift", &[0.125], in_bytes)];
        let mut model = of_one(DataType::Float, nodes, constants);
        model.graph.as_mut().unwrap().output = vec![value("y", ends, &[0, 1])];
        let found = run(&model, &[1.0, -1.0, f32::NAN, 0.1]).unwrap();
        assert_close(&found, &[1.375, 0.125, f64::NAN, 0.125]);
        assert_eq!(load(&model).unwrap().description().score.as_deref(), Some("y[0]"));
    }
}
