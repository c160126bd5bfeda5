//! The size of an entity's state at a stage, measured with made-up events.

use riskstream_engine::plan::{EVENT_ID, EVENT_TIME, Plan};
use riskstream_events::{Row, Value, ValueType};
use riskstream_features::state::{MemoryState, StateStore, StateWrites};
use riskstream_features::{ApplyError, EntityStates};
use std::sync::Arc;

/// The approximate size of an entity's state at a stage in bytes, uncompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntitySize {
    /// With one event.
    pub first: u64,
    /// For each further event while it is kept.
    pub event: u64,
}

/// The time of the first event: 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;
const EVENTS: u64 = 200;

/// Measures a stage with made-up transactions of one entity, which all lie within every window. `None` if the stage does
/// not accept them.
pub fn entity_size(plan: &Plan, stage: usize) -> Option<EntitySize> {
    let mut states = EntityStates::new(Arc::clone(&plan.stages[stage].features));
    let mut store = MemoryState::default();
    // At most an hour apart, and all within half of the retention, so that none is forgotten.
    let step = (plan.stages[stage].features.retention() / (2 * EVENTS as i64)).clamp(1, 3_600_000_000);
    let mut sizes = Vec::new();
    for event in 0..EVENTS {
        apply(plan, &mut states, &store, event, step).ok()?;
        let mut writes = StateWrites::default();
        states.collect(&mut writes);
        store.write(&writes, event as i64).ok()?;
        states.written();
        sizes.push(store.size());
    }
    let (first, last) = (*sizes.first()?, *sizes.last()?);
    Some(EntitySize {
        first,
        event: (last.saturating_sub(first)).div_ceil(EVENTS - 1),
    })
}

fn apply(plan: &Plan, states: &mut EntityStates, store: &MemoryState, event: u64, step: i64) -> Result<(), ApplyError> {
    let time = START + event as i64 * step;
    let mut row: Row = plan
        .slots
        .iter()
        .enumerate()
        .map(|(slot, info)| sample(info.value_type, slot as u64 + event))
        .collect();
    row[EVENT_TIME] = Value::Timestamp(time);
    row[EVENT_ID] = Value::Text(format!("{event:016}").into());
    states
        .apply(store, time, "a key of usual length", 0, &mut row)
        .map(|_| ())
}

/// A value of typical length.
fn sample(value_type: ValueType, seed: u64) -> Value {
    match value_type {
        ValueType::Bool => Value::Bool(true),
        ValueType::Int => Value::Int((seed * 7_919 % 100_000) as i64),
        ValueType::Float => Value::Float((seed * 7_919 % 100_000) as f64 / 100.0),
        ValueType::Text => Value::Text(format!("{:08}", seed % 20).into()),
        ValueType::Timestamp => Value::Timestamp(START + seed as i64),
        ValueType::List => Value::Null,
    }
}
