//! A variant of a pipeline: other models, or other rules, thresholds and expressions over the same features.

use riskstream_engine::Event;
use riskstream_engine::plan::Plan;
use riskstream_events::{Flags, Slot, Value};
use riskstream_scoring::{Decider, Decision, DecisionSet, InForce, Lineup, ModelPlan};
use std::collections::HashMap;
use std::sync::Arc;

/// Decides on events whose features were computed by another pipeline.
pub struct Variant {
    plan: Arc<Plan>,
    in_force: InForce,
    decider: Decider,
    /// For each slot of this plan the one that holds its value in rows of the other.
    sources: Vec<Option<Slot>>,
    events: Vec<Event>,
    decisions: Vec<Decision>,
}

impl Variant {
    /// `plan` and what decides over rows of `base`, which has the same inputs and features under the same names.
    pub fn new(base: &Plan, plan: Arc<Plan>, set: Arc<DecisionSet>) -> Variant {
        let slots = base.slots.iter().enumerate();
        let by_name: HashMap<&str, Slot> = slots.rev().map(|(slot, info)| (info.name.as_str(), slot)).collect();
        let sources = plan.slots.iter().map(|info| by_name.get(info.name.as_str()).copied());
        Variant {
            sources: sources.collect(),
            plan,
            in_force: InForce::new(set),
            decider: Decider::default(),
            events: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// Decides on events of the base, which has decided on them before.
    pub(crate) fn decide(&mut self, events: &[Event]) -> &[Decision] {
        self.events.resize_with(events.len(), Event::default);
        for (own, event) in self.events.iter_mut().zip(events) {
            own.input = event.input;
            own.watermark = event.watermark;
            own.flags = event.flags.without(Flags::DEGRADED);
            own.row.clear();
            let value = |source: &Option<Slot>| source.map_or(Value::Null, |slot| event.row[slot].clone());
            own.row.extend(self.sources.iter().map(value));
        }
        let Variant {
            plan,
            in_force,
            decider,
            ..
        } = self;
        decider.decide(plan, in_force, &mut self.events, &mut self.decisions);
        &self.decisions
    }
}

/// What decides on history: models without time budgets, since nobody waits and answers must not depend on the clock; without
/// shadows and explanations, which a report does not show.
pub fn on_history(set: &DecisionSet) -> DecisionSet {
    let model = |model: &Arc<ModelPlan>| {
        Arc::new(ModelPlan {
            explanation: None,
            within: None,
            ..ModelPlan::clone(model)
        })
    };
    DecisionSet {
        lineup: Lineup {
            models: set.lineup.models.iter().map(model).collect(),
            shadows: Vec::new(),
            ..set.lineup.clone()
        },
        ..set.clone()
    }
}
