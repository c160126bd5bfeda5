//! Models exported by scikit-learn, XGBoost, LightGBM and PyTorch, against the outputs of ONNX Runtime.
//!
//! The data are outside the checkout, under `RISKSTREAM_REFERENCE_DATA` or `../shared/data`.

use std::path::PathBuf;

use riskstream_models::{Cell, LoadOptions, Model, OutputValues, Values};
use serde_json::Value;

const TOLERANCE: f64 = 1e-5;

fn data() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    std::env::var_os("RISKSTREAM_REFERENCE_DATA").map_or_else(|| default.into(), PathBuf::from)
}

fn floats(name: &str) -> Vec<f64> {
    let bytes = std::fs::read(data().join("models").join(name)).unwrap();
    bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&bytes| f64::from(f32::from_le_bytes(bytes)))
        .collect()
}

fn doubles(name: &str) -> Vec<f64> {
    let bytes = std::fs::read(data().join("models").join(name)).unwrap();
    bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|&bytes| f64::from_le_bytes(bytes))
        .collect()
}

/// The rows of a variant for `model`: thirty numbers, and two texts if the model takes texts.
fn rows(model: &Model, variant: &str) -> Vec<f64> {
    let numbers = floats(if variant == "clean" { "X.f32" } else { "Xnan.f32" });
    if model.input_width() == 30 {
        return numbers;
    }
    let texts = std::fs::read_to_string(data().join("models/cat.txt")).unwrap();
    let mut rows = Vec::new();
    for (numbers, texts) in numbers.chunks(30).zip(texts.lines()) {
        let numbers = numbers.iter().map(|&number| Cell::Number(number));
        let cells: Vec<Cell<'_>> = numbers.chain(texts.split(',').map(Cell::Text)).collect();
        model.encode(&cells, &mut rows).unwrap();
    }
    rows
}

/// Compares all outputs and the score of one model on one set of rows. Returns the differences.
fn differences(name: &str, variant: &str, outputs: &Value) -> Vec<String> {
    let path = data().join("models").join(format!("{name}.onnx"));
    let model = match Model::load(&path, &LoadOptions::default()) {
        Ok(model) => model,
        Err(error) => return vec![format!("{name}: {error}")],
    };
    let rows = rows(&model, variant);
    let mut scorer = model.scorer();
    let answers = match scorer.outputs(&rows) {
        Ok(answers) => answers,
        Err(error) => return vec![format!("{name} {variant}: {error}")],
    };
    let mut differences = Vec::new();
    for (output, description) in outputs.as_object().unwrap() {
        let expected = doubles(&format!("{name}.{variant}.{output}.f64"));
        let answer = answers.iter().find(|answer| answer.name == *output).unwrap();
        let is_exact = description["kind"] == "int64";
        if let Some(difference) = difference(answer, &expected, if is_exact { 0.0 } else { TOLERANCE }) {
            differences.push(format!("{name} {variant} {output}: {difference}"));
        }
    }
    let mut scores = Vec::new();
    scorer.score(&rows, &mut scores).unwrap();
    let mut single = Vec::new();
    for (row, &score) in rows.chunks(model.input_width()).zip(&scores) {
        scorer.score(row, &mut single).unwrap();
        if single[0].to_bits() != score.to_bits() && (single[0] - score).abs() > 1e-6 {
            differences.push(format!(
                "{name} {variant}: alone a row scores {}, among others {score}",
                single[0]
            ));
            break;
        }
    }
    differences
}

fn difference(answer: &OutputValues, expected: &[f64], tolerance: f64) -> Option<String> {
    let Values::Numbers(values) = &answer.values else {
        return Some("strings".to_owned());
    };
    if values.len() != expected.len() {
        return Some(format!("{} values, expected {}", values.len(), expected.len()));
    }
    let differs = |(a, b): (&f64, &f64)| (a - b).abs() > tolerance || a.is_nan() != b.is_nan();
    let count = values.iter().zip(expected).filter(|&pair| differs(pair)).count();
    let first = values.iter().zip(expected).position(differs)?;
    Some(format!(
        "{count} differ, the first at {first}: {}, expected {}",
        values[first], expected[first]
    ))
}

/// The probabilities of both classes from the Handbook's published models add up to one.
#[test]
#[ignore = "needs ../shared/data; run by scripts/reference"]
fn the_handbook_models_load_and_score() {
    for name in ["logreg", "xgboost", "random_forest"] {
        let path = data().join("handbook/models").join(format!("{name}.onnx"));
        let model = Model::load(&path, &LoadOptions::default()).unwrap();
        assert_eq!(
            (model.input_width(), model.description().score.as_deref()),
            (15, Some("probabilities[1]")),
            "{name}"
        );
        let mut scores = Vec::new();
        model.scorer().score(&[50.0; 30], &mut scores).unwrap();
        assert!(
            scores.iter().all(|score| (0.0..=1.0).contains(score)),
            "{name}: {scores:?}"
        );
    }
}

#[test]
#[ignore = "needs ../shared/data; run by scripts/reference"]
fn exported_models_answer_as_in_onnx_runtime() {
    let manifest = std::fs::read_to_string(data().join("models/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let mut problems = Vec::new();
    let mut checked = 0;
    for model in manifest.as_array().unwrap() {
        let name = model["name"].as_str().unwrap();
        for (variant, outputs) in model["variants"].as_object().unwrap() {
            problems.extend(differences(name, variant, outputs));
            checked += 1;
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
    assert!(checked >= 26, "only {checked} model variants were checked");
}
