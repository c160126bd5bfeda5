//! The chain of entities.

use super::DAY;
use super::features::StageEntity;
use super::inputs::ResolvedInput;
use super::names;
use super::stages::PlannedEntity;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::read::{Duration, Spanned};
use crate::syntax::{Entity, PipelineFile};
use riskstream_events::ValueType;
use std::collections::BTreeSet;

/// The chain of entities: those that features use, and the first.
pub fn resolve_entities(
    file: &PipelineFile,
    inputs: &[ResolvedInput],
    diagnostics: &mut Diagnostics,
) -> Vec<PlannedEntity> {
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
                Diagnostic::new(format!("`{}` is not a name", key.name), key.span.clone())
                    .help("names are letters, digits and `_`, and do not begin with a digit"),
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
    let resolution = match &entity.precision {
        None => Some(1_000_000),
        Some(precision) => resolution(precision, diagnostics),
    };
    let duration = |given: &Option<Spanned<Duration>>| given.as_ref().map_or(DAY, |given| given.value.0);
    Some(PlannedEntity {
        stage: StageEntity {
            name: name.to_owned(),
            lateness: duration(&entity.lateness),
            retention: entity
                .retention
                .as_ref()
                .map(|retention| (retention.value.0, retention.span.clone())),
        },
        key: (key?.value.clone(), key?.span.clone()),
        dedupe: duration(&entity.dedupe),
        resolution: resolution?,
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
                    "the key of an entity is text or int, `{}` is {}",
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
                Diagnostic::new(format!("transactions have no field `{}`", key.value), key.span.clone())
                    .nearest(&key.value, transactions.fields.keys().map(String::as_str))
                    .help(format!(
                        "their fields are {}",
                        enumerate(transactions.fields.keys().map(String::as_str))
                    )),
            );
        }
    }
}

/// Units per 1.0.
fn resolution(precision: &Spanned<f64>, diagnostics: &mut Diagnostics) -> Option<i64> {
    let units = (1.0 / precision.value).round();
    let exact = precision.value > 0.0 && (1.0..=1e12).contains(&units) && (units * precision.value - 1.0).abs() < 1e-9;
    if !exact {
        diagnostics.add(
            Diagnostic::new(
                format!("{} cannot be a precision", precision.value),
                precision.span.clone(),
            )
            .help("write what the smallest unit is: `0.01` for cents, `0.000001`, at most 1"),
        );
    }
    exact.then_some(units as i64)
}
