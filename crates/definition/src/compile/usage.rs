//! What of the file is used at all.

use super::cards::Cards;
use super::features::sources;
use super::identifiers::identifiers;
use super::inputs::ResolvedInput;
use super::reasons::mentioned_in_texts;
use super::stages::PlannedEntity;
use crate::syntax::{ModelSection, PipelineFile};
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
pub fn used_fields(
    file: &PipelineFile,
    inputs: &[&ResolvedInput],
    entities: &[PlannedEntity],
    cards: &Cards<'_>,
) -> BTreeSet<String> {
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
    let model = file.model.as_ref().map(|model| &model.value);
    let fallback = model
        .and_then(|model| model.fallback.as_ref())
        .map(|fallback| &fallback.value);
    for model in model.into_iter().chain(fallback) {
        used.extend(model_inputs(model, cards));
        if file.explain.is_some() {
            used.extend(names_in_texts(model, cards));
        }
    }
    used
}

fn names_in_texts(model: &ModelSection, cards: &Cards<'_>) -> Vec<String> {
    let file = model.file.0.as_ref();
    match file.map(|file| cards.of(&file.value)).as_deref() {
        Some(Ok(Some(card))) => mentioned_in_texts(card).collect(),
        _ => Vec::new(),
    }
}

/// The names that a model takes, as they are listed or as its card has them.
fn model_inputs(model: &ModelSection, cards: &Cards<'_>) -> Vec<String> {
    if let Some(inputs) = &model.inputs {
        return inputs.value.0.iter().map(|input| input.value.clone()).collect();
    }
    let file = model.file.0.as_ref();
    match file.map(|file| cards.of(&file.value)).as_deref() {
        Some(Ok(Some(card))) => card.inputs.clone(),
        _ => Vec::new(),
    }
}
