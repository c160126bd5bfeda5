//! A pipeline whose models are those in `models/`: `old` scores amount / 1024, `new` amount / 512.

use std::path::{Path, PathBuf};

/// The pipeline file, with `model` as its section `model`.
pub fn pipeline_text(name: &str, model: &str) -> String {
    format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    key: customer
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, customer: text, amount: float, note: text}}
entities: {{customer: {{key: customer}}}}
features:
  payments: {{entity: customer, count: transactions, window: 1d}}
  noted: {{entity: customer, count: transactions, window: 1d, when: note != ''}}
model: {model}
rollout: {{topic: {name}-rollouts}}
decision: {{decline: score >= 0.9, review: score >= 0.5}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
"
    )
}

/// The section `model` of a pipeline that the old model decides for.
pub const OLD: &str = "{file: models/old.onnx}";

/// The directory of the models.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../definition/tests/rollout")
}
