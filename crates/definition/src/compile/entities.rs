//! Phase `entities`: the entities that get a stage.

use super::inputs::ResolvedInput;
use super::names::is_identifier;
use super::precision::precision;
use super::rows::UsedTable;
use super::symbols::Symbols;
use crate::diagnostics::{Diagnostic, Diagnostics, Span, enumerate};
use crate::duration::DAY;
use crate::syntax::read::{Duration, ExpressionText, Spanned};
use crate::syntax::{Entity, EntityKey, PipelineFile};
use riskstream_events::{Slot, ValueType};
use riskstream_features::Precision;
use std::collections::BTreeSet;

/// An entity that gets a stage.
#[derive(Clone, Debug)]
pub struct PlannedEntity {
    /// Its name.
    pub name: String,
    /// What identifies it.
    pub key: PlannedKey,
    /// How late events may be, in microseconds.
    pub lateness: i64,
    /// How long events may be kept at most, in microseconds, and the place of `retention:`.
    pub retention: Option<(i64, Span)>,
    /// How long an event's id is remembered, in microseconds.
    pub dedupe: i64,
    /// The unit of sums, unless a feature gives its own.
    pub precision: Precision,
}

/// What identifies an entity.
#[derive(Clone, Debug)]
pub struct PlannedKey {
    /// The name of its slot: that of the field, or the key as it is written.
    pub name: String,
    /// The place of `key:`.
    pub span: Span,
    /// The fields that it is made of.
    pub fields: Vec<String>,
    /// Its parts, unless it is a field as it is.
    pub computed: Option<Vec<Spanned<ExpressionText>>>,
}

impl PlannedKey {
    /// Whether an input has all its fields.
    pub fn is_in(&self, input: &ResolvedInput) -> bool {
        self.fields.iter().all(|field| input.fields.contains_key(field))
    }
}

/// The entities in the order of their stages: the first of the file, and those that features use or whose rows do.
pub fn compile(
    file: &PipelineFile,
    inputs: &[ResolvedInput],
    tables: &[UsedTable],
    diagnostics: &mut Diagnostics,
) -> Vec<PlannedEntity> {
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
        .chain(tables.iter().map(|table| table.entity.as_str()))
        .collect();
    let transactions = inputs.first().filter(|input| input.name == "transactions");
    let mut planned = Vec::new();
    for (at, (key, entity)) in file.entities.0.iter().enumerate() {
        let Some(entity) = entity else { continue };
        if !is_identifier(&key.name) || key.name.contains('.') {
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
    let key = entity.key.0.as_ref().map(|key| plan_key(key, transactions));
    if let (Some(key), Some(transactions)) = (&key, transactions) {
        check_key(key, transactions, file, diagnostics);
    }
    let precision = match &entity.precision {
        None => Some(Precision::MILLIONTH),
        Some(given) => precision(given, diagnostics),
    };
    let duration = |given: &Option<Spanned<Duration>>| given.as_ref().map_or(DAY, |given| given.value.0);
    Some(PlannedEntity {
        name: name.to_owned(),
        key: key?,
        lateness: duration(&entity.lateness),
        retention: entity
            .retention
            .as_ref()
            .map(|retention| (retention.value.0, retention.span.clone())),
        dedupe: duration(&entity.dedupe),
        precision: precision?,
    })
}

fn plan_key(key: &Spanned<EntityKey>, transactions: Option<&ResolvedInput>) -> PlannedKey {
    let parts = &key.value.0;
    let span = key.span.clone();
    match &parts[..] {
        [field] if is_identifier(&field.value.0) => PlannedKey {
            name: field.value.0.clone(),
            span,
            fields: vec![field.value.0.clone()],
            computed: None,
        },
        _ => {
            let texts: Vec<&str> = parts.iter().map(|part| part.value.0.as_str()).collect();
            PlannedKey {
                name: match texts[..] {
                    [text] => text.to_owned(),
                    _ => format!("[{}]", texts.join(", ")),
                },
                span,
                fields: transactions
                    .map_or_else(Vec::new, |input| input.fields_of_key(&key.value).into_iter().collect()),
                computed: Some(parts.clone()),
            }
        }
    }
}

/// Reports a field that the transactions lack, or of a wrong type. Expressions are checked when they are compiled.
fn check_key(key: &PlannedKey, transactions: &ResolvedInput, file: &PipelineFile, diagnostics: &mut Diagnostics) {
    let parts = key.computed.iter().flatten();
    let parts = parts.filter(|part| is_identifier(&part.value.0));
    let parts = parts.map(|part| (&part.value.0, &part.span));
    let field = Some((&key.name, &key.span)).filter(|_| key.computed.is_none());
    for (name, span) in field.into_iter().chain(parts) {
        check_field(name, span, transactions, file, diagnostics);
    }
}

fn check_field(
    name: &String,
    span: &Span,
    transactions: &ResolvedInput,
    file: &PipelineFile,
    diagnostics: &mut Diagnostics,
) {
    match transactions.fields.get(name) {
        Some(field) if matches!(field.value_type, ValueType::Text | ValueType::Int) => {}
        Some(field) => diagnostics.add(
            Diagnostic::new(
                format!(
                    "the key of an entity must be text or int, `{}` is {}",
                    name,
                    field.value_type.name()
                ),
                span.clone(),
            )
            .also(field.span.clone(), "declared here"),
        ),
        None => {
            let typed = file.inputs.get("transactions").and_then(|(_, input)| input);
            if typed.is_some_and(|input| input.fields.names().any(|field| field == name)) {
                return;
            }
            diagnostics.add(
                Diagnostic::new(format!("the input `transactions` has no field `{name}`"), span.clone())
                    .nearest(name, transactions.fields.keys().map(String::as_str))
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
    let slot = |entity: &PlannedEntity| Some((entity.name.clone(), *symbols.fields.get(&entity.key.name)?));
    entities.iter().filter_map(slot).collect()
}
