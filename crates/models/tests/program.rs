//! Scores computed by programs against outputs computed by tract, for graphs of many shapes and batches of several
//! sizes. allocation.rs shows that programs are used.

mod support;

use riskstream_models::Model;
use support::*;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, NodeProto, TensorProto};

/// Rows of three columns with different values, some missing.
fn numbers(count: usize, missing: bool) -> Vec<f32> {
    let number = |place: usize| match place % 11 {
        0 if missing => f32::NAN,
        _ => (place * 37 % 101) as f32 / 25.0 - 2.01,
    };
    (0..3 * count).map(number).collect()
}

/// A model from input `x` of three columns to output `y`.
fn graph(nodes: Vec<NodeProto>, initializers: Vec<TensorProto>) -> ModelProto {
    let mut model = model(vec![rows("x", 3)], nodes, vec![value("y", DataType::Float, &[0, 0])]);
    model.graph.as_mut().unwrap().initializer = initializers;
    model
}

fn weights(name: &str, dims: &[i64]) -> TensorProto {
    let count: i64 = dims.iter().product();
    let values: Vec<f32> = (0..count).map(|place| (place * 7 % 13) as f32 / 6.0 - 1.0).collect();
    float_tensor(name, dims, &values)
}

fn scores(model: &Model, rows: &[f32], batch: usize) -> Vec<f64> {
    let mut scorer = model.scorer();
    let (mut all, mut scores) = (Vec::new(), Vec::new());
    for rows in doubles(rows).chunks(batch * model.input_width()) {
        scorer.score(rows, &mut scores).unwrap();
        all.extend(scores.iter().map(|&score| f64::from(score)));
    }
    all
}

#[track_caller]
fn assert_scores_are_the_output(proto: &ModelProto, missing: bool) {
    let model = load_first(proto);
    let rows = numbers(150, missing);
    let output = answers(&model, &rows, "y");
    let columns = output.len() / 150;
    let expected: Vec<f64> = output.chunks(columns).map(|row| row[0]).collect();
    for batch in [1, 2, 3, 5, 64, 65, 150] {
        assert_close(&scores(&model, &rows, batch), &expected);
    }
}

fn load_first(proto: &ModelProto) -> Model {
    use prost::Message;
    let options = riskstream_models::LoadOptions {
        score: Some("y[0]".parse().unwrap()),
        ..Default::default()
    };
    Model::from_bytes(&proto.encode_to_vec(), &options).unwrap()
}

#[test]
fn layers_of_weights() {
    let gemm = |trans: i64, dims: &[i64]| {
        let attributes = vec![int("transB", trans), float("alpha", 0.5), float("beta", 2.0)];
        let node = node("Gemm", &["x", "w", "b"], &["y"], attributes);
        graph(vec![node], vec![weights("w", dims), weights("b", &[20])])
    };
    assert_scores_are_the_output(&gemm(0, &[3, 20]), true);
    assert_scores_are_the_output(&gemm(1, &[20, 3]), true);
    let product = vec![
        node("MatMul", &["x", "w"], &["product"], vec![]),
        node("Add", &["b", "product"], &["sum"], vec![]),
        node("Relu", &["sum"], &["relu"], vec![]),
        node("MatMul", &["relu", "v"], &["value"], vec![]),
        node("Sigmoid", &["value"], &["y"], vec![]),
    ];
    let initializers = vec![weights("w", &[3, 17]), weights("b", &[17]), weights("v", &[17, 1])];
    assert_scores_are_the_output(&graph(product, initializers), false);
}

#[test]
fn arithmetic_with_constants_on_either_side() {
    for operator in ["Add", "Sub", "Mul", "Div", "Min", "Max", "Pow"] {
        for (first, second) in [("x", "c"), ("c", "x")] {
            for dims in [&[3][..], &[1], &[1, 3]] {
                let node = node(operator, &[first, second], &["y"], vec![]);
                let constant = float_tensor("c", dims, &[1.5, 2.5, 0.5][..dims[dims.len() - 1] as usize]);
                assert_scores_are_the_output(&graph(vec![node], vec![constant]), false);
            }
        }
    }
}

#[test]
fn arithmetic_of_two_values() {
    for operator in ["Add", "Sub", "Mul", "Div", "Min", "Max"] {
        let nodes = vec![
            node("Exp", &["x"], &["e"], vec![]),
            node(operator, &["x", "e"], &["y"], vec![]),
        ];
        assert_scores_are_the_output(&graph(nodes, vec![]), false);
    }
    // One column is broadcast over all columns.
    let nodes = vec![
        node("Gather", &["x", "first"], &["g"], vec![int("axis", 1)]),
        node("Sub", &["x", "g"], &["y"], vec![]),
    ];
    assert_scores_are_the_output(&graph(nodes, vec![int_tensor("first", &[1], &[1])]), false);
}

#[test]
fn functions_of_each_number() {
    for operator in [
        "Relu",
        "Sigmoid",
        "Tanh",
        "Erf",
        "Exp",
        "Abs",
        "Neg",
        "Sqrt",
        "Softplus",
        "Elu",
        "LeakyRelu",
        "HardSigmoid",
        "Floor",
    ] {
        let node = node(operator, &["x"], &["y"], vec![]);
        assert_scores_are_the_output(&graph(vec![node], vec![]), false);
    }
}

#[test]
fn columns_taken_apart_and_put_together() {
    let nodes = vec![
        node("Gather", &["x", "places"], &["g"], vec![int("axis", 1)]),
        node("Slice", &["x", "from", "to", "axes"], &["s"], vec![]),
        node("Concat", &["s", "g", "x"], &["joined"], vec![int("axis", 1)]),
        node("MatMul", &["joined", "w"], &["y"], vec![]),
    ];
    let initializers = vec![
        int_tensor("places", &[2], &[-1, 0]),
        int_tensor("from", &[1], &[1]),
        int_tensor("to", &[1], &[3]),
        int_tensor("axes", &[1], &[1]),
        weights("w", &[7, 2]),
    ];
    assert_scores_are_the_output(&graph(nodes, initializers), true);
}

#[test]
fn pipelines_of_scikit_learn() {
    let imputed = [
        floats("imputed_value_floats", &[0.5, 1.0, -1.0]),
        float("replaced_value_float", f32::NAN),
    ];
    let scaled = [floats("offset", &[0.1, 0.2, 0.3]), floats("scale", &[2.0, 0.5, 1.5])];
    let linear = vec![
        floats("coefficients", &[0.5, -0.25, 1.0, -0.5, 0.25, -1.0]),
        floats("intercepts", &[0.1, -0.1]),
        ints("classlabels_ints", &[0, 1]),
        string("post_transform", "LOGISTIC"),
    ];
    let nodes = vec![
        ml("Imputer", &["x"], &["imputed"], imputed.to_vec()),
        ml("Scaler", &["imputed"], &["scaled"], scaled.to_vec()),
        ml("LinearClassifier", &["scaled"], &["label", "y"], linear),
    ];
    assert_scores_are_the_output(&graph(nodes, vec![]), true);
}

#[test]
fn rows_that_operators_would_mix_are_scored_alone() {
    // The maximum over all rows depends on the batch; a row scored alone is its own maximum.
    let nodes = vec![
        node(
            "ReduceMax",
            &["x"],
            &["largest"],
            vec![ints("axes", &[0]), int("keepdims", 1)],
        ),
        node("Sub", &["x", "largest"], &["y"], vec![]),
    ];
    let model = load_first(&graph(nodes, vec![]));
    let rows = [1.0, 2.0, 3.0, 4.0, 1.0, 5.0];
    assert_close(&scores(&model, &rows, 2), &[0.0, 0.0]);
}
