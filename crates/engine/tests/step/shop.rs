//! A shop with two stages, and events for it.

use riskstream_definition::compile;
use riskstream_engine::plan::{Plan, TRANSACTIONS};
use riskstream_engine::{Engine, Event, StageError, StreamTime};
use riskstream_events::{Flags, Row, Slot, Value};
use riskstream_features::EntityStates;
use riskstream_features::state::MemoryState;
use std::path::Path;
use std::sync::Arc;

/// Labels have no terminal: the first stage completes them.
pub const SHOP: &str = "
name: shop
max_future: 1h
inputs:
  transactions:
    topic: transactions
    key: customer
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, terminal: text, amount: float}
  labels:
    topic: labels
    id: id
    event_time: known_at
    fields: {id: text, known_at: timestamp, customer: text, fraud: bool}
entities:
  customer: {key: customer, lateness: 1h, dedupe: 1d}
  terminal: {key: terminal, lateness: 1h}
features:
  payments: {entity: customer, count: transactions, window: 1d}
  spent: {entity: customer, sum: amount, window: 1d}
  doubled: {entity: customer, max: amount * 2.0, window: 1d}
  risk: {entity: terminal, mean: fraud, of: labels, window: 7d, empty: 0}
  share: {expression: amount / spent}
rules:
  - {name: allowed, when: customer == 'vip', then: approve, reason: VIP}
  - {name: risky, when: risk > 0.4, then: review, reason: RISK}
  - {name: whole, when: share > 0.9 && amount > 1000.0, then: decline, reason: WHOLE}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

pub const LABELS: u8 = 1;

/// Some noon, in microseconds since the epoch.
pub const NOON: i64 = 1_767_614_400_000_000;
pub const MINUTE: i64 = 60_000_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

pub fn plan(source: &str) -> Arc<Plan> {
    compile("shop.yaml", source, Path::new(""), &|_| None)
        .unwrap_or_else(|report| panic!("{report}"))
        .plan
}

pub fn slot(plan: &Plan, name: &str) -> Slot {
    let slots = &plan.slots;
    slots.iter().position(|slot| slot.name == name).expect("a slot's name")
}

pub fn row(plan: &Plan, values: &[(&str, Value)]) -> Row {
    let mut row = vec![Value::Null; plan.slots.len()];
    for (name, value) in values {
        row[slot(plan, name)] = value.clone();
    }
    row
}

pub fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// All stages of a plan on one partition each.
pub struct Shop {
    pub engine: Engine,
    pub stages: Vec<Stage>,
}

#[derive(Debug)]
pub struct Stage {
    pub states: EntityStates,
    pub store: MemoryState,
    pub stream_time: StreamTime,
}

impl Shop {
    pub fn new(source: &str) -> Shop {
        let plan = plan(source);
        let stage = |stage: &riskstream_engine::plan::StagePlan| Stage {
            states: EntityStates::new(Arc::clone(&stage.features)),
            store: MemoryState::default(),
            stream_time: StreamTime::default(),
        };
        Shop {
            stages: plan.stages.iter().map(stage).collect(),
            engine: Engine::new(plan),
        }
    }

    pub fn plan(&self) -> &Plan {
        self.engine.plan()
    }

    pub fn value(&self, event: &Event, name: &str) -> Value {
        event.row[slot(self.plan(), name)].clone()
    }

    /// An admitted event. Its source's watermark is its own time.
    fn event(&self, input: u8, values: &[(&str, Value)]) -> Event {
        let mut event = Event {
            input,
            row: row(self.plan(), values),
            ..Event::default()
        };
        self.engine.admit(input, None, &mut event.row).expect("a valid event");
        event.watermark = event.event_time();
        event
    }

    pub fn payment(&self, id: &str, time: i64, customer: &str, terminal: &str, amount: f64) -> Event {
        let values = [
            ("id", text(id)),
            ("time", Value::Timestamp(time)),
            ("customer", text(customer)),
            ("terminal", text(terminal)),
            ("amount", Value::Float(amount)),
        ];
        self.event(TRANSACTIONS, &values)
    }

    pub fn label(&self, id: &str, time: i64, customer: &str, fraud: bool) -> Event {
        let values = [
            ("id", text(id)),
            ("known_at", Value::Timestamp(time)),
            ("customer", text(customer)),
            ("fraud", Value::Bool(fraud)),
        ];
        self.event(LABELS, &values)
    }

    /// Applies the event at every stage that it goes to.
    pub fn apply(&mut self, event: &mut Event) -> Result<(), StageError> {
        for (index, stage) in self.stages.iter_mut().enumerate() {
            if index == 0 || self.engine.travels(index, event) {
                let Stage {
                    states,
                    store,
                    stream_time,
                } = stage;
                self.engine.apply(index, states, store, stream_time, event)?;
            }
        }
        Ok(())
    }

    /// Applies a payment of customer `c` at terminal `t`: the event afterwards.
    pub fn pay(&mut self, id: &str, time: i64, amount: f64) -> Event {
        let mut event = self.payment(id, time, "c", "t", amount);
        self.apply(&mut event).expect("the payment is valid");
        event
    }
}

/// The names of the flags.
pub fn flags(event: &Event) -> Vec<&'static str> {
    Flags::names(event.flags).collect()
}
