//! The plans of all stages.

use super::carries::{find_at_decision, find_carries};
use super::context::StageContext;
use super::expressions::place_expressions;
use super::identity::{fingerprint, identity, values};
use super::keys::{Keys, find_keys};
use crate::compile::features::PlannedExpression;
use crate::compile::inputs::ResolvedInput;
use crate::diagnostics::{Diagnostic, Diagnostics};
use riskstream_engine::plan::{EVENT_ID, EVENT_TIME, InputKind, SlotExpression, StagePlan};
use riskstream_events::{Slot, ValueType};
use riskstream_features::{EntityFeatures, EntitySpec, InputSpec};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The stages, and what is left to the decision.
pub struct PlannedStages {
    /// The stages.
    pub stages: Vec<StagePlan>,
    /// The expressions that are left to the decision.
    pub decide_expressions: Vec<SlotExpression>,
    /// The slots that have values at the decision.
    pub at_decision: BTreeSet<Slot>,
    /// What the values that the stages compute depend on, as text.
    pub values: String,
}

/// Plans the stages. `None` if one of them is wrong, which was reported.
pub fn compile(context: &StageContext<'_>, diagnostics: &mut Diagnostics) -> Option<PlannedStages> {
    let keys = find_keys(context, diagnostics)?;
    let placed = place_expressions(context);
    let carries = find_carries(context, &keys, &placed);
    let at_decision = find_at_decision(context, &carries, &placed);
    let mut stages = Vec::new();
    let mut all_values = String::new();
    for (at, carries) in carries.into_iter().enumerate() {
        let spec = entity_spec(context, at, &keys);
        let features = Arc::new(compile_features(context, at, &spec, diagnostics)?);
        all_values += &values(context, &spec, &placed.stages[at]);
        stages.push(StagePlan {
            entity: context.entities[at].name.clone(),
            keys: keys.slots[at].clone(),
            before: slot_expressions(&placed.stages[at]),
            fingerprint: fingerprint(context, &context.entities[at], &spec, &features),
            features,
            reach: reach(&spec),
            completes_labels: at == 0 && !keys.carried.is_empty(),
            carries,
        });
    }
    Some(PlannedStages {
        stages,
        decide_expressions: slot_expressions(&placed.decision),
        at_decision,
        values: all_values,
    })
}

/// What the state of a stage's entities is for. Features are sorted by what their state depends on, so that it stays
/// valid when they are moved or renamed in the file.
fn entity_spec(context: &StageContext<'_>, at: usize, keys: &Keys) -> EntitySpec {
    let entity = &context.entities[at];
    let mut features = context.features.stages[at].clone();
    features.sort_by_cached_key(|feature| identity(context, feature));
    // A row has no id: it takes the place of those before it.
    let input = |input: &&ResolvedInput| InputSpec {
        event_time: EVENT_TIME,
        id: Some(EVENT_ID).filter(|_| input.kind != InputKind::Table),
    };
    EntitySpec {
        name: entity.name.clone(),
        features,
        inputs: context.usage.inputs.iter().map(input).collect(),
        lateness: entity.lateness,
        dedupe: entity.dedupe,
        keep: if at == 0 { keys.keep } else { 0 },
        carried: if at == 0 { keys.carried.clone() } else { Vec::new() },
        cache_bytes: context.cache_bytes,
    }
}

/// Earlier phases have checked all types, with better messages. An error here means that one of them lacks a check.
fn compile_features(
    context: &StageContext<'_>,
    at: usize,
    spec: &EntitySpec,
    diagnostics: &mut Diagnostics,
) -> Option<EntityFeatures> {
    let types: Vec<ValueType> = context
        .symbols
        .names
        .slots()
        .iter()
        .map(|slot| slot.value_type)
        .collect();
    match EntityFeatures::compile(spec, &types) {
        Ok(features) => Some(features),
        Err(errors) => {
            for error in errors {
                let span = context.entities[at].key.span.clone();
                diagnostics.add(Diagnostic::new(error.to_string(), span));
            }
            None
        }
    }
}

/// The largest distance from an event to the start of a window, in microseconds.
fn reach(spec: &EntitySpec) -> i64 {
    let windows = spec.features.iter();
    let windows = windows.filter_map(|feature| Some(feature.delay + feature.window?));
    windows.max().unwrap_or(0)
}

fn slot_expressions(steps: &[&PlannedExpression]) -> Vec<SlotExpression> {
    let slot_expression = |step: &&PlannedExpression| SlotExpression {
        slot: step.slot,
        expression: step.expression.clone(),
    };
    steps.iter().map(slot_expression).collect()
}
