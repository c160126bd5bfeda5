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

/// A pipeline with rules, expressions, lists, a further output and an example. `note` is only counted, `device` is not read.
pub fn governed_text(name: &str) -> String {
    format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    key: customer
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, customer: text, amount: float, country: text, note: text, device: text}}
entities: {{customer: {{key: customer}}, payment: {{key: id}}}}
features:
  payments: {{entity: customer, count: transactions, window: 1d}}
  noted: {{entity: customer, count: transactions, window: 1d, when: note != ''}}
  repeats: {{entity: payment, count: transactions, window: 1d}}
  abroad: {{entity: customer, count: transactions, window: 1d, when: country in foreign}}
  share: {{expression: amount / 1000}}
  double_share: {{expression: share * 2}}
lists:
  foreign: [FR, DE]
  risky: [BR, RU]
  watched: [BR]
  blocked: {{key: customer, topic: {name}-blocked}}
model: {{file: models/old.onnx}}
rollout: {{topic: {name}-rollouts}}
rules:
  - {{name: risky_country, when: country in risky, then: review}}
  - {{name: blocked_customer, when: customer in blocked, then: decline}}
  - {{name: large, when: double_share > 1.9, then: review, set: {{queue: large}}}}
decision: {{decline: score >= 0.99, review: score >= 0.9}}
outputs:
  decisions: {name}-decisions
  dead_letters: {name}-dead-letters
  alerts: {{topic: {name}-alerts, when: country in watched || attributes.queue == 'large'}}
examples:
  - name: an ordinary payment
    events:
      - transactions: {{id: a, time: '2026-01-05T12:00:00Z', customer: c1, amount: 100, country: FR, note: ''}}
        expect: {{outcome: approve}}
"
    )
}
