//! A shop whose models are those under `models/`: `old` scores amount / 1024, `new` amount / 512.

use riskstream_definition::{Compiled, Style, compile, prepare};
use riskstream_events::OwnedDecisionRecord;
use riskstream_pipeline::{TestDriver, Topology};
use riskstream_scoring::Lineup;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

pub const OLD: &str = "{file: models/old.onnx}";

pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rollout")
}

pub fn pipeline(model: &str) -> Compiled {
    compile("shop.yaml", &pipeline_text("shop", model), &directory(), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)))
}

pub fn lineup(pipeline: &Compiled, text: &str) -> Arc<Lineup> {
    let lineup = prepare("rollout.yaml", text, pipeline);
    Arc::new(lineup.unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120))))
}

pub fn topology(pipeline: &Compiled) -> Arc<Topology> {
    Arc::new(pipeline.json_topology(None).unwrap())
}

/// A payment, a second after the one before.
pub fn payment(number: usize, customer: &str, amount: f64) -> Vec<u8> {
    let time = 1_767_225_600_000 + number as u64 * 1000;
    format!(r#"{{"id":"t{number}","time":{time},"customer":"{customer}","amount":{amount},"note":""}}"#).into_bytes()
}

/// Sends payments of these amounts, numbered from `first`, of 40 customers in turn.
pub fn pay(driver: &TestDriver, first: usize, amounts: &[f64]) {
    for (number, amount) in (first..).zip(amounts) {
        let customer = format!("c{}", number % 40);
        driver.send(0, &customer, &payment(number, &customer, *amount), None);
    }
}

/// The decisions partition by partition in the order of the log, without their latency stamps.
pub fn decisions(driver: &TestDriver) -> Vec<OwnedDecisionRecord> {
    let read = |record: riskstream_pipeline::memory::StoredRecord| {
        let mut decision = OwnedDecisionRecord::from_json(&record.value.unwrap()).unwrap();
        decision.latency = None;
        decision
    };
    driver.decisions().into_iter().map(read).collect()
}

/// The decision on payment `number`.
pub fn decision(decisions: &[OwnedDecisionRecord], number: usize) -> &OwnedDecisionRecord {
    let id = format!("t{number}");
    let mut found = decisions.iter().filter(|decision| decision.event_id == id);
    let decision = found.next().unwrap_or_else(|| panic!("{id} was not decided"));
    assert!(found.next().is_none(), "{id} was decided twice");
    decision
}

/// The version of the model that gave the score, or was to.
pub fn version(decision: &OwnedDecisionRecord) -> &str {
    &decision.model.as_ref().unwrap().version
}
