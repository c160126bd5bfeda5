//! Inspects, loads and runs arbitrary bytes as a model file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use riskstream_models::{Inspection, LoadOptions, Model};

/// Silences panics inside tract, which are caught and become errors. Only an uncaught panic is a finding.
fn allow_caught_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}

fuzz_target!(init: allow_caught_panics(), |bytes: &[u8]| {
    let options = LoadOptions::default();
    let _ = Inspection::of_bytes(bytes, &options);
    let Ok(model) = Model::from_bytes(bytes, &options) else {
        return;
    };
    if model.input_width() > 1000 {
        return;
    }
    let rows = vec![0.5; model.input_width() * 3];
    let mut scorer = model.scorer();
    let mut scores = Vec::new();
    if scorer.score(&rows, &mut scores).is_ok() {
        assert_eq!(scores.len(), 3);
    }
    let _ = scorer.outputs(&rows);
});
