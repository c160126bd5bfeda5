//! The slots that rows carry from stage to stage.

use super::context::{StageContext, reads_of_feature};
use super::expressions::ExpressionPlacement;
use super::keys::Keys;
use riskstream_engine::plan::{CANONICAL, InputKind};
use riskstream_events::{Slot, ValueType};
use std::collections::BTreeSet;

/// The slots that rows carry to each stage: those that are read there or later and not computed in between.
pub fn find_carries(
    context: &StageContext<'_>,
    keys: &Keys,
    placed: &ExpressionPlacement<'_>,
) -> Vec<Vec<(Slot, ValueType)>> {
    let mut needed = context.decision_reads.clone();
    needed.extend(context.features.listed.iter().map(|(_, slot)| *slot));
    needed.extend(placed.decision.iter().flat_map(|step| step.expression.slots()).copied());
    let looked_up = context.lookups.iter().flat_map(|lookup| lookup.entry.all());
    for slot in looked_up.chain(placed.decision.iter().map(|step| step.slot)) {
        needed.remove(&slot);
    }
    let mut carries = vec![Vec::new(); context.entities.len()];
    for at in (0..context.entities.len()).rev() {
        let features = &context.features.stages[at];
        for feature in features {
            needed.remove(&feature.output);
        }
        needed.extend(features.iter().flat_map(reads_of_feature));
        if at == 0 {
            // Transactions bring the keys that labels lack. The first stage keeps them in its state.
            needed.extend(&keys.carried);
        }
        let steps = &placed.stages[at];
        for step in steps {
            needed.remove(&step.slot);
        }
        needed.extend(steps.iter().flat_map(|step| step.expression.slots()).copied());
        needed.extend(keys.slots[at].iter().flatten());
        carries[at] = layout(context, &needed);
    }
    carries
}

/// The slots that have values at the decision: those that rows carry to the last stage, and those that it and the decision
/// compute. Fields that only other events have are null there.
pub fn find_at_decision(
    context: &StageContext<'_>,
    carries: &[Vec<(Slot, ValueType)>],
    placed: &ExpressionPlacement<'_>,
) -> BTreeSet<Slot> {
    let carried = carries.last().into_iter().flatten().map(|(slot, _)| *slot);
    let features = context.features.stages.last().into_iter().flatten();
    let features = features.map(|feature| feature.output);
    let steps = placed.stages.last().into_iter().flatten().chain(&placed.decision);
    let steps = steps.map(|step| step.slot);
    let of_events = only_of_events(context);
    let all = carried.chain(features).chain(steps);
    all.filter(|slot| !of_events.contains(slot)).collect()
}

/// The slots of fields that other events have, and neither transactions nor labels.
fn only_of_events(context: &StageContext<'_>) -> BTreeSet<Slot> {
    let fields = context.symbols.fields.iter();
    let is_of = |name: &String, is_events: bool| {
        let mut inputs = context.usage.inputs.iter();
        inputs.any(|input| {
            matches!(input.kind, InputKind::Events | InputKind::Table) == is_events && input.fields.contains_key(name)
        })
    };
    let of_events = fields.filter(|(name, _)| is_of(name, true) && !is_of(name, false));
    of_events.map(|(_, slot)| *slot).collect()
}

/// The canonical slots, then the others in order.
fn layout(context: &StageContext<'_>, needed: &BTreeSet<Slot>) -> Vec<(Slot, ValueType)> {
    let canonical = CANONICAL.iter().map(|(slot, _, value_type)| (*slot, *value_type));
    let others = needed
        .iter()
        .filter(|slot| CANONICAL.iter().all(|(canonical, ..)| canonical != *slot))
        .map(|slot| (*slot, context.symbols.names.slots()[*slot].value_type));
    canonical.chain(others).collect()
}
