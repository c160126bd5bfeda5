//! Recurrent networks and a transformer encoder over an entity's last events, exported from PyTorch, against the
//! outputs of ONNX Runtime, for several numbers of rows and after other rows. tests/data/sequence/make wrote the
//! files.

mod support;

use std::path::{Path, PathBuf};

use riskstream_models::{LoadOptions, Model};
use support::*;
use tract_onnx::pb::tensor_proto::DataType;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/sequence")
        .join(name)
}

fn floats(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(file(name)).unwrap();
    bytes
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect()
}

fn largest_difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let differences = found
        .iter()
        .zip(expected)
        .map(|(found, expected)| (found - expected).abs());
    // NaN counts as an infinite difference.
    differences.fold(
        0.0,
        |largest, difference| if difference <= largest { largest } else { difference },
    )
}

fn check(name: &str, shapes: &[(&str, &[usize])]) {
    let model = Model::load(&file(&format!("{name}.onnx")), &LoadOptions::default()).unwrap();
    assert_eq!(model.inputs().collect::<Vec<_>>(), shapes);
    let rows = doubles(&floats(&format!("{name}.rows")));
    let expected = floats(&format!("{name}.scores"));
    let mut scorer = model.scorer();
    let mut together = Vec::new();
    scorer.score(&rows, &mut together).unwrap();
    assert!(largest_difference(&together, &expected) < 1e-5, "{name}, all at once");
    let (mut alone, mut score) = (Vec::new(), Vec::new());
    for row in rows.chunks_exact(model.input_width()) {
        scorer.score(row, &mut score).unwrap();
        alone.extend_from_slice(&score);
    }
    assert!(largest_difference(&alone, &expected) < 1e-5, "{name}, each alone");
    // Another number of rows with the same scorer.
    let seven = 7 * model.input_width();
    scorer.score(&rows[..seven], &mut score).unwrap();
    assert!(largest_difference(&score, &expected[..7]) < 1e-5, "{name}, seven");
}

#[test]
fn recurrent_networks_over_the_last_events() {
    for name in ["gru", "lstm", "lstm_stacked"] {
        check(name, &[("event", &[2]), ("history", &[8, 3])]);
    }
}

#[test]
fn a_transformer_encoder_over_the_last_events() {
    check("encoder", &[("amounts", &[16])]);
}

/// A GRU, LSTM or RNN with one unit over sequences of two numbers. The score is its last state. The initial state is
/// zero, given (`start`) or by default.
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

/// tract by itself keeps the state from one run to the next, as for a stream.
#[test]
fn a_sequence_is_scored_from_its_initial_state() {
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
    // The state after both steps by the formula of the specification.
    let step = |state: f64, x: f64| (0.5 * x + 0.5 * state).tanh();
    let mut found = Vec::new();
    recurrent("RNN", 1, "")
        .scorer()
        .score(&[1.0, -2.0], &mut found)
        .unwrap();
    assert!((f64::from(found[0]) - step(step(0.0, 1.0), -2.0)).abs() < 1e-6);
}

/// NaN makes all gates NaN by the formulas of the specification. tract turns sequences of 2 steps into a loop, and of 5
/// steps into one operator if the reset gate follows the product, which it simplifies further with 70 units.
#[test]
fn a_missing_event_makes_the_score_missing() {
    for (operator, gates, after) in [("GRU", 3, 0), ("GRU", 3, 1), ("LSTM", 4, 0), ("RNN", 1, 0)] {
        for (steps, hidden) in [(2, 2), (5, 2), (5, 70)] {
            let rows = gates * hidden;
            let weights = |columns: i64, name| {
                let numbers = (0..rows * columns).map(|place| (place % 7) as f32 * 0.1 - 0.25);
                float_tensor(name, &[1, rows, columns], &numbers.collect::<Vec<_>>())
            };
            let mut attributes = vec![int("hidden_size", hidden)];
            if operator == "GRU" {
                attributes.push(int("linear_before_reset", after));
            }
            let nodes = vec![
                node("Transpose", &["x"], &["steps"], vec![ints("perm", &[1, 0, 2])]),
                node(operator, &["steps", "w", "r", "b"], &["all", "last"], attributes),
                node("Squeeze", &["last", "first"], &["last_state"], Vec::new()),
                node(
                    "ReduceMean",
                    &["all"],
                    &["mean"],
                    vec![ints("axes", &[0, 1]), int("keepdims", 0)],
                ),
                node("Concat", &["last_state", "mean"], &["y"], vec![int("axis", 1)]),
            ];
            let input = value("x", DataType::Float, &[0, steps, 2]);
            let mut model = model(vec![input], nodes, vec![value("y", DataType::Float, &[0, 2 * hidden])]);
            let bias = vec![0.1; 2 * rows as usize];
            model.graph.as_mut().unwrap().initializer = vec![
                weights(2, "w"),
                weights(hidden, "r"),
                float_tensor("b", &[1, 2 * rows], &bias),
                int_tensor("first", &[1], &[0]),
            ];
            let width = 2 * steps as usize;
            let complete: Vec<f32> = (0..width).map(|column| column as f32 * 0.3 - 1.0).collect();
            let alone = run(&model, &complete).unwrap();
            let what = format!("{operator} {after} of {steps} steps and {hidden} units");
            assert!(alone.iter().all(|number| number.is_finite()), "{what}: {alone:?}");
            for place in [0, 3, width - 1] {
                let mut missing = complete.clone();
                missing[place] = f32::NAN;
                let found = run(&model, &[complete.clone(), missing, complete.clone()].concat()).unwrap();
                let rows: Vec<&[f64]> = found.chunks(found.len() / 3).collect();
                assert!(rows[1].iter().all(|number| number.is_nan()), "{what}: {:?}", rows[1]);
                assert_close(rows[0], &alone);
                assert_close(rows[2], &alone);
            }
            if hidden == 70 {
                // Weights of both signs: the gates are infinity less infinity.
                let infinite = [&[f32::INFINITY; 2], &complete[2..]].concat();
                let found = run(&model, &infinite).unwrap();
                assert!(found.iter().all(|number| number.is_nan()), "{what}: {found:?}");
            }
        }
    }
}
