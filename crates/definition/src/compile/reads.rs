//! The slots that the decision reads.

use super::entities::PlannedEntity;
use super::symbols::{DecisionSlots, Symbols};
use riskstream_engine::plan::{Lookup, OutputPlan};
use riskstream_events::Slot;
use riskstream_expressions::Expression;
use riskstream_policy::Policy;
use riskstream_scoring::Lineup;
use std::collections::BTreeSet;

/// The slots that models, explanations, rules, thresholds and outputs read, those that are looked up in lists, and those of
/// entity keys. What the decision itself fills in is not
/// among them.
pub fn of_decision(
    entities: &[PlannedEntity],
    symbols: &Symbols<'_>,
    lineup: &Lineup,
    policy: Option<&Policy>,
    outputs: Option<&OutputPlan>,
    lookups: &[Lookup],
) -> BTreeSet<Slot> {
    let models = || lineup.models.iter();
    let explanations = models().filter_map(|model| model.explanation.as_ref());
    let mut reads: BTreeSet<Slot> = models().flat_map(|model| model.inputs.iter().copied()).collect();
    reads.extend(explanations.flat_map(|explanation| explanation.slots()));
    reads.extend(policy.iter().flat_map(|policy| policy.slots()));
    let expressions = outputs.iter().flat_map(|outputs| outputs.expressions());
    reads.extend(expressions.flat_map(Expression::slots));
    reads.extend(
        outputs
            .iter()
            .flat_map(|outputs| &outputs.copied)
            .map(|header| header.slot),
    );
    let DecisionSlots { score, late_by, flags } = symbols.decision;
    let facts = outputs.iter().flat_map(|outputs| &outputs.facts).map(|(slot, _)| *slot);
    let looked_up = lookups.iter().flat_map(|lookup| lookup.entry.all());
    for known_then in facts.chain([score, late_by, flags]).chain(looked_up) {
        reads.remove(&known_then);
    }
    reads.extend(lookups.iter().map(|lookup| lookup.key));
    reads.extend(
        entities
            .iter()
            .filter_map(|entity| symbols.fields.get(&entity.key.name)),
    );
    reads
}
