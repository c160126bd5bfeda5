//! Loading runs a model on a few rows: it refuses a model that always fails, and finds rows that depend on each other.

mod support;

use riskstream_models::{Model, ModelError};
use support::*;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, NodeProto};

const ROWS: [f32; 6] = [1.0, 2.0, -3.0, 0.5, 10.0, 4.0];

fn scores(model: &Model, rows: &[f32]) -> Vec<f32> {
    let mut scores = Vec::new();
    model.scorer().score(&doubles(rows), &mut scores).unwrap();
    scores
}

fn two_columns(nodes: Vec<NodeProto>) -> ModelProto {
    let mut model = model(vec![rows("x", 2)], nodes, vec![rows("y", 1)]);
    model.graph.as_mut().unwrap().initializer = vec![int_tensor("1", &[1], &[1])];
    model
}

/// The exponentials of a row over the sum of those of all rows: the score of a row depends on the other rows.
fn softmax_over_rows() -> ModelProto {
    two_columns(vec![
        node("Softmax", &["x"], &["shares"], vec![int("axis", 0)]),
        node("ReduceSum", &["shares", "1"], &["y"], Vec::new()),
    ])
}

#[test]
fn a_model_that_mixes_rows_scores_each_alone() {
    let model = load(&softmax_over_rows()).unwrap();
    assert_eq!(
        scores(&model, &ROWS),
        [2.0, 2.0, 2.0],
        "a row alone has a share of 1 in both columns"
    );
}

#[test]
fn a_model_that_fails_on_every_row_is_refused() {
    // Two columns cannot become three.
    let model = two_columns(vec![
        node("Shape", &["x"], &["sizes"], Vec::new()),
        node("Add", &["sizes", "1"], &["larger"], Vec::new()),
        node("Reshape", &["x", "larger"], &["reshaped"], Vec::new()),
        node("ReduceSum", &["reshaped", "1"], &["y"], Vec::new()),
    ]);
    let error = load(&model).unwrap_err();
    assert!(matches!(error, ModelError::Invalid(_)), "{error}");
}

/// An embedding of the categories 1000 to 1004, of which the rows tried hold none.
#[test]
fn a_model_that_knows_no_category_of_the_rows_tried_is_accepted() {
    let mut model = model(
        vec![rows("x", 1)],
        vec![
            node("Cast", &["x"], &["category"], vec![int("to", 7)]),
            node("Sub", &["category", "first"], &["index"], Vec::new()),
            node("Gather", &["weights", "index"], &["y"], Vec::new()),
        ],
        vec![rows("y", 1)],
    );
    model.graph.as_mut().unwrap().initializer = vec![
        int_tensor("first", &[1], &[1000]),
        float_tensor("weights", &[5], &[0.0, 1.0, 2.0, 3.0, 4.0]),
    ];
    let model = load(&model).unwrap();
    assert_eq!(scores(&model, &[1003.0, 1000.0]), [3.0, 0.0]);
}

#[test]
fn all_outputs_of_a_model_for_four_rows_are_there_for_one() {
    let sum = node("ReduceSum", &["x", "1"], &["y"], Vec::new());
    let fixed = node("Reshape", &["sum", "four"], &["y"], Vec::new());
    let sum = NodeProto {
        output: vec!["sum".to_owned()],
        ..sum
    };
    let mut model = model(
        vec![value("x", DataType::Float, &[4, 2])],
        vec![sum, fixed],
        vec![value("y", DataType::Float, &[4, 1])],
    );
    model.graph.as_mut().unwrap().initializer = vec![int_tensor("1", &[1], &[1]), int_tensor("four", &[2], &[4, 1])];
    let model = load(&model).unwrap();
    assert_eq!(answers(&model, &ROWS, "y"), [3.0, -2.5, 14.0]);
    assert_eq!(answers(&model, &ROWS[..2], "y"), [3.0]);
}

/// tract ignores these attributes without an error.
#[test]
fn recurrent_layers_with_unusual_attributes_are_refused() {
    let cases = [
        (strings("activations", &["Relu"]), "the activations Relu"),
        (string("direction", "reverse"), "the direction reverse"),
        (float("clip", 3.0), "clip"),
    ];
    for (attribute, expected) in cases {
        let layer = node(
            "RNN",
            &["x", "w", "r"],
            &["", "y"],
            vec![int("hidden_size", 1), attribute],
        );
        let mut model = model(
            vec![value("x", DataType::Float, &[0, 1, 1])],
            vec![layer],
            vec![rows("y", 1)],
        );
        let weight = |name| float_tensor(name, &[1, 1, 1], &[1.0]);
        model.graph.as_mut().unwrap().initializer = vec![weight("w"), weight("r")];
        let error = load(&model).unwrap_err();
        assert!(matches!(error, ModelError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn an_output_that_cannot_be_a_score_is_named() {
    let mut model = two_columns(vec![node("Cast", &["x"], &["y"], vec![int("to", 7)])]);
    model.graph.as_mut().unwrap().output = vec![value("y", DataType::Int64, &[0, 2])];
    let error = load(&model).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no output is of type float, double or float16, as a score must be; the outputs are: y"
    );
}
