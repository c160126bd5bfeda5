//! TreeEnsemble of ai.onnx.ml 5, and the attributes of doubles of earlier ensembles: cases computed by hand from the
//! specification.

mod support;

use support::*;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, ModelProto, TensorProto};

const NAN: f32 = f32::NAN;

/// Two trees: x0 against 1 (leaves of 1 and 2), and x1 against 0 (leaves of 10 and 20); `missing` is whether the first
/// has missing_value_tracks_true.
fn ensemble_5(mode: u8, missing: i64, targets: &[i64], attributes: Vec<AttributeProto>) -> ModelProto {
    let mut all = vec![
        ints("nodes_featureids", &[0, 1]),
        tensor_attribute("nodes_modes", byte_tensor("", &[mode, mode])),
        tensor_attribute("nodes_splits", float_tensor("", &[2], &[1.0, 0.0])),
        ints("nodes_missing_value_tracks_true", &[missing, 0]),
        ints("nodes_trueleafs", &[1, 1]),
        ints("nodes_truenodeids", &[0, 2]),
        ints("nodes_falseleafs", &[1, 1]),
        ints("nodes_falsenodeids", &[1, 3]),
        ints("leaf_targetids", targets),
        tensor_attribute("leaf_weights", float_tensor("", &[4], &[1.0, 2.0, 10.0, 20.0])),
        ints("tree_roots", &[0, 1]),
    ];
    let count = targets.iter().max().map_or(1, |&target| target + 1);
    all.push(int("n_targets", count));
    all.extend(attributes);
    single(2, ml("TreeEnsemble", &["x"], &["y"], all))
}

#[test]
fn modes_are_numbers() {
    // The first tree gives 1 if the branch holds for 0, 1 and 2; x1 keeps the second at 20 or 10.
    let cases: [(u8, [f64; 3]); 6] = [
        (0, [1.0, 1.0, 2.0]),
        (1, [1.0, 2.0, 2.0]),
        (2, [2.0, 1.0, 1.0]),
        (3, [2.0, 2.0, 1.0]),
        (4, [2.0, 1.0, 2.0]),
        (5, [1.0, 2.0, 1.0]),
    ];
    for (mode, expected) in cases {
        let model = ensemble_5(mode, 0, &[0, 0, 1, 1], Vec::new());
        let found = run(&model, &[0.0, 5.0, 1.0, 5.0, 2.0, 5.0]).unwrap();
        let first: Vec<f64> = found.iter().step_by(2).copied().collect();
        assert_eq!(first, expected, "mode {mode}");
    }
}

#[test]
fn missing_values_follow_their_track() {
    let rows = [NAN, NAN];
    assert_eq!(run(&ensemble_5(0, 0, &[0; 4], Vec::new()), &rows).unwrap(), [22.0]);
    assert_eq!(run(&ensemble_5(0, 1, &[0; 4], Vec::new()), &rows).unwrap(), [21.0]);
}

#[test]
fn aggregate_functions_are_numbers() {
    let row = [0.0, 5.0];
    for (aggregate, expected) in [(0, 10.5), (1, 21.0), (2, 1.0), (3, 20.0)] {
        let model = ensemble_5(0, 0, &[0; 4], vec![int("aggregate_function", aggregate)]);
        assert_eq!(run(&model, &row).unwrap(), [expected], "aggregate function {aggregate}");
    }
    assert!(load(&ensemble_5(0, 0, &[0; 4], vec![int("aggregate_function", 4)])).is_err());
}

/// In the specification 1 is SOFTMAX and 2 is LOGISTIC; in ONNX Runtime, which is followed, 1 is LOGISTIC and 2
/// SOFTMAX.
#[test]
fn post_transforms_are_numbers() {
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    let cases = [
        (0, [1.0, 10.0]),
        (1, [logistic(1.0), logistic(10.0)]),
        (2, [logistic(-9.0), logistic(9.0)]),
        (3, [logistic(-9.0), logistic(9.0)]),
    ];
    for (transform, expected) in cases {
        let model = ensemble_5(0, 0, &[0, 0, 1, 1], vec![int("post_transform", transform)]);
        assert_close(&run(&model, &[0.0, -1.0]).unwrap(), &expected);
    }
    assert!(load(&ensemble_5(0, 0, &[0; 4], vec![int("post_transform", 5)])).is_err());
}

#[test]
fn doubles_stay_doubles() {
    let two_doubles = |values: &[f64]| double_tensor("", values);
    let attributes = vec![
        int("n_targets", 1),
        ints("nodes_featureids", &[0]),
        tensor_attribute("nodes_modes", byte_tensor("", &[0])),
        tensor_attribute("nodes_splits", two_doubles(&[0.1])),
        ints("nodes_trueleafs", &[1]),
        ints("nodes_truenodeids", &[0]),
        ints("nodes_falseleafs", &[1]),
        ints("nodes_falsenodeids", &[1]),
        ints("leaf_targetids", &[0, 0]),
        tensor_attribute("leaf_weights", two_doubles(&[1.0, 2.0])),
        ints("tree_roots", &[0]),
    ];
    let mut model = single(1, ml("TreeEnsemble", &["x"], &["y"], attributes));
    model.graph.as_mut().unwrap().input = vec![value("x", DataType::Double, &[0, 1])];
    // As f64 the f32 nearest to 0.1 is above 0.1.
    assert_eq!(run(&model, &[0.1, 0.1f32.next_down()]).unwrap(), [2.0, 1.0]);
}

fn as_doubles(attributes: Vec<AttributeProto>) -> Vec<AttributeProto> {
    let convert = |attribute: AttributeProto| {
        if attribute.floats.is_empty() {
            return attribute;
        }
        let values: Vec<f64> = attribute.floats.iter().map(|&value| f64::from(value)).collect();
        let tensor: TensorProto = double_tensor("", &values);
        tensor_attribute(&format!("{}_as_tensor", attribute.name), tensor)
    };
    attributes.into_iter().map(convert).collect()
}

/// `nodes_values_as_tensor`, `class_weights_as_tensor` and `base_values_as_tensor` instead of lists of floats.
#[test]
fn classifiers_take_doubles_as_tensors() {
    let weights = |first: f32, third: f32| Tree::Leaf(vec![(0, first), (1, 0.5), (2, third)]);
    let tree = branch("BRANCH_LEQ", 0, 0.25, true, weights(1.0, 0.0), weights(0.0, 2.0));
    let mut attributes = ensemble("class", &[tree]);
    attributes.push(floats("base_values", &[0.125, 0.25, 0.5]));
    let mut attributes = as_doubles(attributes);
    attributes.push(ints("classlabels_int64s", &[7, 8, 9]));
    let model = model(
        vec![value("x", DataType::Double, &[0, 1])],
        vec![ml("TreeEnsembleClassifier", &["x"], &["label", "y"], attributes)],
        vec![
            value("label", DataType::Int64, &[0]),
            value("y", DataType::Float, &[0, 3]),
        ],
    );
    let expected = [1.125, 0.75, 0.5, 0.125, 0.75, 2.5, 1.125, 0.75, 0.5];
    assert_eq!(run(&model, &[0.25, 0.5, NAN]).unwrap(), expected);
}
