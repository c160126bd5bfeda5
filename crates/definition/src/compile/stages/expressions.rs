//! Assigns each expression to the stage that computes it.

use super::context::{StageContext, reads_of_feature};
use crate::compile::features::PlannedExpression;
use riskstream_events::Slot;
use std::collections::BTreeSet;

/// All expressions, in order of their dependencies, by where they are computed.
pub struct ExpressionPlacement<'a> {
    /// For each stage, those that its features' values and conditions need and that no earlier stage computes.
    pub stages: Vec<Vec<&'a PlannedExpression>>,
    /// Those that are left to the decision.
    pub decision: Vec<&'a PlannedExpression>,
}

/// Places all expressions.
pub fn place_expressions<'a>(context: &StageContext<'a>) -> ExpressionPlacement<'a> {
    let mut done = BTreeSet::new();
    let mut stages = Vec::new();
    for features in &context.features.stages {
        let mut needed = BTreeSet::new();
        for slot in features.iter().flat_map(reads_of_feature) {
            collect(slot, context, &mut needed);
        }
        let steps = context.features.steps.iter();
        let own = steps.filter(|step| needed.contains(&step.slot) && done.insert(step.slot));
        stages.push(own.collect());
    }
    let steps = context.features.steps.iter();
    let decision = steps.filter(|step| !done.contains(&step.slot)).collect();
    ExpressionPlacement { stages, decision }
}

/// Adds the slots of the expressions that a slot's value needs.
fn collect(slot: Slot, context: &StageContext<'_>, needed: &mut BTreeSet<Slot>) {
    if let Some(step) = context.expression(slot)
        && needed.insert(slot)
    {
        for read in step.expression.slots() {
            collect(*read, context, needed);
        }
    }
}
