//! Operators of the standard domain, where tract by itself would answer otherwise than ONNX Runtime.

mod support;

use riskstream_models::Model;
use support::*;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, ModelProto, TensorProto};

/// More columns than a vector register holds numbers.
const COLUMNS: usize = 19;

/// `operator` of rows of `kind` and of constants.
fn alone(operator: &str, kind: DataType, constants: Vec<TensorProto>, attributes: Vec<AttributeProto>) -> ModelProto {
    let names: Vec<String> = constants.iter().map(|tensor| tensor.name.clone()).collect();
    let inputs: Vec<&str> = std::iter::once("x").chain(names.iter().map(String::as_str)).collect();
    let mut model = model(
        vec![value("x", kind, &[0, COLUMNS as i64])],
        vec![node(operator, &inputs, &["y"], attributes)],
        vec![value("y", kind, &[0, 0])],
    );
    model.graph.as_mut().unwrap().initializer = constants;
    model
}

fn number(name: &str, kind: DataType, value: f64) -> TensorProto {
    let tensor = if kind == DataType::Float {
        float_tensor(name, &[], &[value as f32])
    } else {
        double_tensor(name, &[value])
    };
    TensorProto {
        dims: Vec::new(),
        ..tensor
    }
}

/// A missing value must not become a number that looks like a score.
#[test]
fn a_missing_value_stays_missing() {
    let mut row: Vec<f32> = (0..COLUMNS).map(|column| column as f32 - 9.0).collect();
    row[3] = f32::NAN;
    row[18] = f32::NAN;
    for kind in [DataType::Float, DataType::Double] {
        let low = || number("low", kind, -1.0);
        let cases = [
            ("Relu", vec![]),
            ("Sigmoid", vec![]),
            ("Tanh", vec![]),
            ("Elu", vec![]),
            ("Selu", vec![]),
            ("Softplus", vec![]),
            ("LeakyRelu", vec![]),
            ("HardSigmoid", vec![]),
            ("HardSwish", vec![]),
            ("Clip", vec![low(), number("high", kind, 1.0)]),
            ("Max", vec![low()]),
            ("Min", vec![low()]),
        ];
        for (operator, constants) in cases {
            let found = run(&alone(operator, kind, constants, Vec::new()), &row).unwrap();
            for (column, (found, given)) in found.iter().zip(&row).enumerate() {
                assert_eq!(
                    found.is_nan(),
                    given.is_nan(),
                    "{operator} of {kind:?}, column {column}"
                );
            }
        }
        for operator in ["ReduceMax", "ReduceMin"] {
            let attributes = || vec![ints("axes", &[1])];
            let found = run(&alone(operator, kind, Vec::new(), attributes()), &row).unwrap();
            assert!(found[0].is_nan(), "{operator} of {kind:?} answers {found:?}");
            let found = run(&alone(operator, kind, Vec::new(), attributes()), &[2.5; COLUMNS]).unwrap();
            assert_eq!(found, [2.5], "{operator} of {kind:?}");
        }
    }
}

#[test]
fn functions_of_doubles_are_computed_in_double() {
    let row: Vec<f32> = (0..COLUMNS).map(|column| column as f32 * 0.5 - 4.5).collect();
    type Function = fn(f64) -> f64;
    let cases: [(&str, Function); 4] = [
        ("Sigmoid", |x| 1.0 / (1.0 + (-x).exp())),
        ("LeakyRelu", |x| if x < 0.0 { f64::from(0.01f32) * x } else { x }),
        ("HardSwish", |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        ("Round", f64::round_ties_even),
    ];
    for (operator, function) in cases {
        let found = run(&alone(operator, DataType::Double, Vec::new(), Vec::new()), &row).unwrap();
        for (found, &x) in found.iter().zip(&row) {
            let expected = function(f64::from(x));
            assert!(
                (found - expected).abs() < 1e-14,
                "{operator} of {x}: {found}, expected {expected}"
            );
        }
    }
    let Err(error) = load(&alone("Erf", DataType::Double, Vec::new(), Vec::new())) else {
        panic!("Erf of doubles was accepted");
    };
    assert!(error.to_string().contains("Erf"), "{error}");
}

/// A GRU, LSTM or RNN of one state over sequences of two numbers; its last state is the score. The initial state is zero,
/// whether it is said (`start`) or not.
fn recurrent(operator: &str, gates: i64, start: &str) -> Model {
    let count = gates as usize;
    let weights: Vec<f32> = (0..count).map(|gate| 0.5 - 0.3 * gate as f32).collect();
    let attributes = vec![int("hidden_size", 1)];
    let nodes = vec![
        node("Transpose", &["x"], &["steps"], vec![ints("perm", &[1, 0, 2])]),
        node("Shape", &["x"], &["shape"], Vec::new()),
        node("Gather", &["shape", "first"], &["rows"], Vec::new()),
        node("Concat", &["one", "rows", "one"], &["states"], vec![int("axis", 0)]),
        node("ConstantOfShape", &["states"], &["start"], Vec::new()),
        node(operator, &["steps", "w", "r", "", "", start], &["", "last"], attributes),
        node("Reshape", &["last", "column"], &["y"], Vec::new()),
    ];
    let mut model = model(vec![value("x", DataType::Float, &[0, 2, 1])], nodes, vec![rows("y", 1)]);
    model.graph.as_mut().unwrap().initializer = vec![
        float_tensor("w", &[1, gates, 1], &weights),
        float_tensor("r", &[1, gates, 1], &weights),
        int_tensor("first", &[1], &[0]),
        int_tensor("one", &[1], &[1]),
        int_tensor("column", &[2], &[-1, 1]),
    ];
    load(&model).unwrap()
}

/// tract keeps the state from one run to the next, as one would to hear a stream.
#[test]
fn a_sequence_is_scored_from_its_own_start() {
    for (operator, gates) in [("GRU", 3), ("LSTM", 4), ("RNN", 1)] {
        let model = recurrent(operator, gates, "start");
        let mut scorer = model.scorer();
        let (mut found, mut again) = (Vec::new(), Vec::new());
        scorer.score(&[1.0, -2.0], &mut found).unwrap();
        scorer.score(&[3.0, 3.0, 1.0, -2.0, 0.5, 4.0], &mut again).unwrap();
        assert_eq!(again[1], found[0], "{operator} among other sequences");
        scorer.score(&[1.0, -2.0], &mut again).unwrap();
        assert_eq!(again, found, "{operator} after other sequences");
        recurrent(operator, gates, "")
            .scorer()
            .score(&[1.0, -2.0], &mut again)
            .unwrap();
        assert_eq!(again, found, "{operator} without an initial state");
    }
    // The state after both steps, by the specification's formula.
    let step = |state: f64, x: f64| (0.5 * x + 0.5 * state).tanh();
    let mut found = Vec::new();
    recurrent("RNN", 1, "")
        .scorer()
        .score(&[1.0, -2.0], &mut found)
        .unwrap();
    assert!((f64::from(found[0]) - step(step(0.0, 1.0), -2.0)).abs() < 1e-6);
}
