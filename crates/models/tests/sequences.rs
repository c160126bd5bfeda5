//! Recurrent networks and a transformer encoder over an entity's last events, exported from PyTorch: ONNX Runtime's
//! answers, whatever the number of rows and whatever was scored before. tests/data/sequence/make has made the files.

use riskstream_models::{LoadOptions, Model};
use std::path::{Path, PathBuf};

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
    // A score that is no number is no small difference.
    differences.fold(
        0.0,
        |largest, difference| if difference <= largest { largest } else { difference },
    )
}

fn check(name: &str, shapes: &[(&str, &[usize])]) {
    let model = Model::load(&file(&format!("{name}.onnx")), &LoadOptions::default()).unwrap();
    assert_eq!(model.inputs().collect::<Vec<_>>(), shapes);
    let rows = floats(&format!("{name}.rows"));
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
    // Some other number of rows, with the same scorer.
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
