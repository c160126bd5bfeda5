//! Phase `entities`: the entities that get a stage.

use super::inputs::ResolvedInput;
use super::names;
use super::precision::precision;
use super::symbols::Symbols;
use crate::diagnostics::{Diagnostic, Diagnostics, Span, enumerate};
use crate::duration::DAY;
use crate::syntax::read::{Duration, Spanned};
use crate::syntax::{Entity, PipelineFile};
use riskstream_events::{Slot, ValueType};
use riskstream_features::Precision;
use std::collections::BTreeSet;

/// An entity that gets a stage.
#[derive(Clone, Debug)]
pub struct PlannedEntity {
    /// Its name.
    pub name: String,
    /// The field that holds its key, and the place of `key:`.
    pub key: (String, Span),
    /// How late events may be, in microseconds.
    pub lateness: i64,
    /// How long events may be kept at most, in microseconds, and the place of `retention:`.
    pub retention: Option<(i64, Span)>,
    /// How long an event's id is remembered, in microseconds.
    pub dedupe: i64,
    /// The unit of sums, unless a feature gives its own.
    pub precision: Precision,
}

/// The entities in the order of their stages: the first of the file, and those that features use.
pub fn compile(file: &PipelineFile, inputs: &[ResolvedInput], diagnostics: &mut Diagnostics) -> Vec<PlannedEntity> {
    if file.entities.0.is_empty() {
        diagnostics.add(
            Diagnostic::new("there are no entities", 0..0)
                .help("add an entity, for which features are computed: `entities: {customer: {key: customer_id}}`"),
        );
    }
    let used: BTreeSet<&str> = file
        .features
        .iter()
        .filter_map(|(_, feature)| Some(feature.entity.as_ref()?.value.as_str()))
        .collect();
    let transactions = inputs.first().filter(|input| input.name == "transactions");
    let mut planned = Vec::new();
    for (at, (key, entity)) in file.entities.0.iter().enumerate() {
        let Some(entity) = entity else { continue };
        if !names::is_identifier(&key.name) || key.name.contains('.') {
            diagnostics.add(
                Diagnostic::new(format!("`{}` is not a valid name", key.name), key.span.clone())
                    .help("a name has letters, digits and `_`, and does not begin with a digit"),
            );
            continue;
        }
        let entity = resolve_entity(&key.name, entity, transactions, file, diagnostics);
        planned.extend(entity.filter(|_| at == 0 || used.contains(key.name.as_str())));
    }
    planned
}

fn resolve_entity(
    name: &str,
    entity: &Entity,
    transactions: Option<&ResolvedInput>,
    file: &PipelineFile,
    diagnostics: &mut Diagnostics,
) -> Option<PlannedEntity> {
    let key = entity.key.0.as_ref();
    if let (Some(key), Some(transactions)) = (key, transactions) {
        check_entity_key(key, transactions, file, diagnostics);
    }
    let precision = match &entity.precision {
        None => Some(Precision::MILLIONTH),
        Some(given) => precision(given, diagnostics),
    };
    let duration = |given: &Option<Spanned<Duration>>| given.as_ref().map_or(DAY, |given| given.value.0);
    Some(PlannedEntity {
        name: name.to_owned(),
        key: (key?.value.clone(), key?.span.clone()),
        lateness: duration(&entity.lateness),
        retention: entity
            .retention
            .as_ref()
            .map(|retention| (retention.value.0, retention.span.clone())),
        dedupe: duration(&entity.dedupe),
        precision: precision?,
    })
}

fn check_entity_key(
    key: &Spanned<String>,
    transactions: &ResolvedInput,
    file: &PipelineFile,
    diagnostics: &mut Diagnostics,
) {
    match transactions.fields.get(&key.value) {
        Some(field) if matches!(field.value_type, ValueType::Text | ValueType::Int) => {}
        Some(field) => diagnostics.add(
            Diagnostic::new(
                format!(
                    "the key of an entity must be text or int, `{}` is {}",
                    key.value,
                    field.value_type.name()
                ),
                key.span.clone(),
            )
            .also(field.span.clone(), "declared here"),
        ),
        None => {
            let typed = file.inputs.get("transactions").and_then(|(_, input)| input);
            if typed.is_some_and(|input| input.fields.names().any(|name| name == key.value)) {
                return;
            }
            diagnostics.add(
                Diagnostic::new(
                    format!("the input `transactions` has no field `{}`", key.value),
                    key.span.clone(),
                )
                .nearest(&key.value, transactions.fields.keys().map(String::as_str))
                .help(format!(
                    "its fields are {}",
                    enumerate(transactions.fields.keys().map(String::as_str))
                )),
            );
        }
    }
}

/// The names of entities and the slots of their keys.
pub fn slots(entities: &[PlannedEntity], symbols: &Symbols<'_>) -> Vec<(String, Slot)> {
    let slot = |entity: &PlannedEntity| Some((entity.name.clone(), *symbols.fields.get(&entity.key.0)?));
    entities.iter().filter_map(slot).collect()
}
