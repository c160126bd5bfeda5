//! Contributions against those of the Python package shap, for models that scikit-learn, XGBoost and LightGBM trained.
//!
//! scripts/shap-reference wrote tests/data/shap.

use std::path::PathBuf;

use riskstream_models::{LoadOptions, Method, Model, Space};

const TOLERANCE: f64 = 1e-5;
const BACKGROUND_ROWS: usize = 16;
const WIDTH: usize = 8;

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/shap")).join(name)
}

fn floats(name: &str) -> Vec<f64> {
    let bytes = std::fs::read(path(name)).unwrap();
    let chunks = bytes.as_chunks::<4>().0.iter();
    chunks.map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect()
}

#[track_caller]
fn assert_agrees(name: &str, rows: &str, method: Method, space: Space) {
    let rows = floats(rows);
    let model = Model::load(&path(&format!("{name}.onnx")), &LoadOptions::default()).unwrap();
    let attribution = model.attribution(&rows[..BACKGROUND_ROWS * WIDTH]).unwrap();
    assert_eq!((attribution.method(), attribution.space()), (method, space), "{name}");
    let mut explainer = attribution.explainer();
    let (mut found, mut scores) = (Vec::new(), Vec::new());
    model.scorer().score(&rows, &mut scores).unwrap();
    let expected = floats(&format!("{name}.f32"));
    assert_eq!((scores.len(), expected.len()), (1000, 1000 * WIDTH), "{name}");
    for (index, (row, expected)) in rows.chunks(WIDTH).zip(expected.chunks(WIDTH)).enumerate() {
        explainer.explain(row, &mut found).unwrap();
        let differs = |(a, b): (&f64, &f64)| (a - b).abs() > TOLERANCE;
        assert!(
            !found.iter().zip(expected).any(differs),
            "{name}, row {index}: {found:?}, shap says {expected:?}"
        );
        let value = attribution.baseline() + found.iter().sum::<f64>();
        let score = if space == Space::LogOdds {
            1.0 / (1.0 + (-value).exp())
        } else {
            value
        };
        assert!(
            (score - f64::from(scores[index])).abs() < 1e-4,
            "{name}, row {index}: contributions add up to {score}, the score is {}",
            scores[index]
        );
    }
}

#[test]
fn forests_agree() {
    for name in ["random_forest", "extra_trees", "forest_regressor"] {
        assert_agrees(name, "rows.f32", Method::Trees, Space::Score);
    }
}

#[test]
fn boosted_models_agree() {
    assert_agrees("gradient_boosting", "rows.f32", Method::Trees, Space::LogOdds);
    assert_agrees("xgboost", "rows_missing.f32", Method::Trees, Space::LogOdds);
    assert_agrees("lightgbm", "rows_missing.f32", Method::Trees, Space::LogOdds);
}

#[test]
fn the_logistic_regression_agrees() {
    assert_agrees("logistic_regression", "rows.f32", Method::Linear, Space::LogOdds);
}
