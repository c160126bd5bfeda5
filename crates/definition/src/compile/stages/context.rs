//! The inputs of the phase `stages`.

use crate::compile::entities::PlannedEntity;
use crate::compile::features::{CompiledFeatures, PlannedExpression};
use crate::compile::symbols::Symbols;
use crate::compile::usage::Usage;
use riskstream_engine::plan::Lookup;
use riskstream_events::Slot;
use riskstream_features::FeatureSpec;
use std::collections::BTreeSet;

/// The results of earlier phases from which stages are planned.
pub struct StageContext<'a> {
    /// The inputs that are used.
    pub usage: &'a Usage<'a>,
    /// The entities in the order of their stages.
    pub entities: &'a [PlannedEntity],
    /// Names, types and slots.
    pub symbols: &'a Symbols<'a>,
    /// The features.
    pub features: &'a CompiledFeatures,
    /// The slots that the decision reads, apart from features.
    pub decision_reads: &'a BTreeSet<Slot>,
    /// What is looked up at the decision.
    pub lookups: &'a [Lookup],
    /// Memory for decoded entities of a task, in bytes.
    pub cache_bytes: usize,
}

impl<'a> StageContext<'a> {
    /// The expression that fills a slot, if one does.
    pub fn expression(&self, slot: Slot) -> Option<&'a PlannedExpression> {
        self.features.steps.iter().find(|step| step.slot == slot)
    }
}

/// The slots that a feature's stage reads to aggregate an event.
pub fn reads_of_feature(feature: &FeatureSpec) -> impl Iterator<Item = Slot> {
    let condition = feature
        .condition
        .iter()
        .flat_map(|condition| condition.slots().iter().copied());
    feature.value.into_iter().chain(condition)
}
