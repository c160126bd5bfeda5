//! The shop on the in-process log.

use crate::payments::payment;
use crate::shop::{directory, pipeline_text};
use riskstream_definition::{Compiled, Style, compile, prepare};
use riskstream_events::OwnedDecisionRecord;
use riskstream_pipeline::memory::StoredRecord;
use riskstream_pipeline::{TestDriver, Topology};
use riskstream_scoring::DecisionSet;
use std::sync::Arc;

/// The shop's pipeline with `model` as its section `model`.
pub fn pipeline(model: &str) -> Compiled {
    compile("shop.yaml", &pipeline_text("shop", model), &directory(), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)))
}

/// What decides in a roll-out.
pub fn rolled_out(pipeline: &Compiled, text: &str) -> Arc<DecisionSet> {
    let set = prepare("rollout.yaml", text, pipeline);
    Arc::new(set.unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120))))
}

pub fn topology(pipeline: &Compiled) -> Arc<Topology> {
    Arc::new(pipeline.json_topology(None).unwrap())
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
    let read = |record: StoredRecord| {
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
