//! Unusable model files.

use crate::support::process::run;
use crate::support::root;

/// Runs the shipped pipeline with another model file; exit code and standard error.
fn run_with_model(model: Option<&[u8]>) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let shipped = std::fs::read_to_string(root().join("pipelines/card-fraud.yaml")).unwrap();
    let text = shipped.replace("../models/card-fraud.onnx", "model.onnx");
    assert_ne!(text, shipped, "the shipped pipeline names its model");
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("pipeline.yaml"), text).unwrap();
    if let Some(model) = model {
        std::fs::write(path("model.onnx"), model).unwrap();
    }
    let (pipeline, state) = (path("pipeline.yaml"), path("state"));
    let mut arguments = vec![
        "run",
        pipeline.to_str().unwrap(),
        "--state-dir",
        state.to_str().unwrap(),
    ];
    arguments.extend(["--http", "127.0.0.1:0", "--brokers", "127.0.0.1:1"]);
    let (code, _, errors) = run(&arguments, &[("RISKSTREAM_PERSONAL_DATA_KEY", "secret".to_owned())]);
    assert!(!state.exists(), "the state directory must not be created");
    (code, errors)
}

#[test]
fn an_unusable_model_file_is_reported_with_its_place_in_the_pipeline_file() {
    let shipped = std::fs::read(root().join("models/card-fraud.onnx")).unwrap();
    let part = |bytes: usize| Some(&shipped[..bytes]);
    let cases = [
        ("missing", None, "No such file"),
        ("empty", part(0), "model.onnx"),
        ("a byte", part(1), "model.onnx"),
        ("its beginning", part(100), "model.onnx"),
        ("half of it", part(shipped.len() / 2), "model.onnx"),
        ("all but a byte", part(shipped.len() - 1), "model.onnx"),
        ("a page", Some(b"<html>404 Not Found</html>".as_slice()), "model.onnx"),
    ];
    for (name, model, expected) in cases {
        let (code, errors) = run_with_model(model);
        assert!(
            code == Some(2) && errors.contains(expected) && errors.contains("pipeline.yaml:"),
            "{name}: {code:?} {errors}"
        );
    }
}
