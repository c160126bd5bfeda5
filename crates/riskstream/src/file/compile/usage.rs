//! What of the file is used at all.

use super::features::sources;
use super::identifiers::identifiers;
use super::inputs::ResolvedInput;
use super::stages::PlannedEntity;
use crate::file::surface::PipelineFile;
use std::collections::BTreeSet;

/// Transactions, and the label inputs that features use, in the order of the file.
pub fn used_inputs<'i>(file: &PipelineFile, inputs: &'i [ResolvedInput]) -> Vec<&'i ResolvedInput> {
    let mut mentioned: BTreeSet<&str> = BTreeSet::from(["transactions"]);
    for (_, feature) in file.features.iter() {
        mentioned.extend(feature.of.as_ref().map(|of| of.value.as_str()));
        let counted = [&feature.count, &feature.time_since_last, &feature.decayed_count];
        mentioned.extend(counted.into_iter().flatten().map(|source| source.value.0.as_str()));
    }
    inputs
        .iter()
        .filter(|input| mentioned.contains(input.name.as_str()))
        .collect()
}

/// Every name that something in the file mentions, so that only those fields get a slot and are decoded.
pub fn used_fields(file: &PipelineFile, inputs: &[&ResolvedInput], entities: &[PlannedEntity]) -> BTreeSet<String> {
    let mut used: BTreeSet<String> = entities.iter().map(|entity| entity.key.0.clone()).collect();
    for input in inputs {
        used.extend(input.id.clone());
        used.extend(input.event_time.clone());
    }
    let rules = file.rules.0.iter().filter_map(|rule| rule.value.when.0.as_ref());
    let thresholds = file
        .decision
        .iter()
        .flat_map(|decision| [&decision.value.decline, &decision.value.review]);
    let expressions = file
        .features
        .iter()
        .flat_map(|(_, feature)| sources(feature))
        .chain(rules)
        .chain(thresholds.flatten());
    for source in expressions {
        used.extend(identifiers(&source.value.0).into_iter().map(str::to_owned));
    }
    let model_inputs = file.model.iter().filter_map(|model| model.value.inputs.0.as_ref());
    used.extend(model_inputs.flat_map(|inputs| inputs.value.0.iter().map(|input| input.value.clone())));
    used
}
