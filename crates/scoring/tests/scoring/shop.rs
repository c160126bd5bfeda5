//! A shop whose model `old` scores amount / 1024 and `new` amount / 512. `failing` fails and `nan` answers with NaN for
//! amounts above 500; `slow` takes many milliseconds.

use riskstream_definition::{Compiled, Style, compile, prepare};
use riskstream_engine::plan::{EVENT_ID, EVENT_TIME, Plan};
use riskstream_engine::{Engine, Event};
use riskstream_events::{OwnedDecisionRecord, Value, ValueType, encode_json};
use riskstream_scoring::{Decider, Decision, DecisionSet, InForce, with_decision_record};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const OLD: &str = "{file: models/old.onnx}";
/// An amount that no model objects to.
pub const GOOD: f64 = 100.0;
/// An amount for which `failing` fails and `nan` answers with NaN.
pub const BAD: f64 = 700.0;

/// The directory that holds `models`.
fn directory() -> PathBuf {
    root().join("crates/definition/tests/rollout")
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A model that scores the amount, with `more` of the section `model`.
pub fn model(name: &str, more: &str) -> String {
    format!("{{file: models/{name}.onnx, version: {name}, inputs: [amount]{more}}}")
}

/// The shop with this section `model`, and with `more` sections.
pub fn shop(model: &str, more: &str) -> Compiled {
    let source = format!(
        "
name: shop
inputs:
  transactions:
    topic: transactions
    key: customer
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, customer: text, amount: float}}
entities: {{customer: {{key: customer}}}}
features: {{payments: {{entity: customer, count: transactions, window: 1d}}}}
model: {model}
decision: {{decline: score >= 0.9, review: score >= 0.5}}
outputs: {{decisions: decisions, dead_letters: dead-letters}}
{more}
"
    );
    compile("shop.yaml", &source, &directory(), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)))
}

/// What decides in a roll-out of this text.
pub fn rollout(shop: &Compiled, text: &str) -> Arc<DecisionSet> {
    let set =
        prepare("rollout.yaml", text, shop).unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
    Arc::new(set)
}

/// A transaction with these numbers; everything else is missing.
pub fn transaction(plan: &Plan, id: &str, values: &[(&str, f64)]) -> Event {
    const TIME: i64 = 1_767_700_000_000_000;
    let mut row = vec![Value::Null; plan.slots.len()];
    row[EVENT_ID] = Value::Text(id.into());
    row[EVENT_TIME] = Value::Timestamp(TIME);
    for (name, value) in values {
        let slot = slot(plan, name);
        row[slot] = match plan.slots[slot].value_type {
            ValueType::Int => Value::Int(*value as i64),
            _ => Value::Float(*value),
        };
    }
    Event {
        row,
        watermark: TIME,
        ..Event::default()
    }
}

pub fn slot(plan: &Plan, name: &str) -> usize {
    plan.slots.iter().position(|slot| slot.name == name).unwrap()
}

/// Payments of these amounts, each of a customer of its own: `c0`, `c1`, ….
pub fn payments(plan: &Plan, amounts: &[f64]) -> Vec<Event> {
    let payment = |(number, amount): (usize, &f64)| {
        let mut event = transaction(plan, &format!("t{number}"), &[("amount", *amount)]);
        event.row[slot(plan, "customer")] = Value::Text(format!("c{number}").into());
        event
    };
    amounts.iter().enumerate().map(payment).collect()
}

/// A deciding task.
pub struct Task {
    pub engine: Engine,
    pub decider: Decider,
    pub models: InForce,
}

impl Task {
    pub fn new(shop: &Compiled) -> Task {
        Task::with_set(shop, Arc::clone(&shop.decision))
    }

    pub fn with_set(shop: &Compiled, set: Arc<DecisionSet>) -> Task {
        Task {
            engine: Engine::new(Arc::clone(&shop.plan)),
            decider: Decider::default(),
            models: InForce::new(set),
        }
    }

    pub fn decide(&mut self, events: &mut [Event]) -> Vec<Decision> {
        let mut decisions = Vec::new();
        self.decider
            .decide(self.engine.plan(), &mut self.models, events, &mut decisions);
        decisions
    }

    /// Decides on payments of these amounts, `together` in a batch.
    pub fn pay(&mut self, amounts: &[f64], together: usize) -> Vec<Decision> {
        let mut events = payments(self.engine.plan(), amounts);
        events
            .chunks_mut(together)
            .flat_map(|events| self.decide(events))
            .collect()
    }

    /// The version of the model at this index of the line-up in force.
    pub fn version(&self, model: Option<usize>) -> &str {
        model.map_or("none", |model| &self.models.set().lineup.models[model].version)
    }

    /// Decides on the events: the records as JSON.
    pub fn records(&mut self, events: &mut [Event]) -> Vec<String> {
        let decisions = self.decide(events);
        let record = |(event, decision): (&Event, &Decision)| {
            let (plan, set) = (self.engine.plan(), self.models.set());
            let mut bytes = Vec::new();
            with_decision_record(plan, set, self.models.lists(), event, decision, None, |record| {
                encode_json(record, &mut bytes);
            });
            String::from_utf8(bytes).unwrap()
        };
        events.iter().zip(&decisions).map(record).collect()
    }

    /// Decides on one event: its record.
    pub fn record(&mut self, event: Event) -> OwnedDecisionRecord {
        let records = self.records(&mut [event]);
        OwnedDecisionRecord::from_json(records[0].as_bytes()).unwrap()
    }
}
