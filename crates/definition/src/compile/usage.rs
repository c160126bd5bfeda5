//! Phase `usage`: which inputs and fields the file uses. Others are neither read nor decoded.

use super::entities::PlannedEntity;
use super::identifiers::identifiers;
use super::inputs::ResolvedInput;
use super::lists;
use super::rows::{Rows, UsedTable};
use crate::cards::{Card, Cards, Part};
use crate::syntax::{ModelSection, PipelineFile};
use riskstream_engine::plan::InputKind;
use std::collections::BTreeSet;

/// The inputs and fields that are used.
pub struct Usage<'i> {
    /// Transactions, and the other inputs that features use, in the plan's order.
    pub inputs: Vec<&'i ResolvedInput>,
    /// The names that the file mentions, those of fields among them.
    pub fields: BTreeSet<String>,
    /// The tables whose columns are used.
    pub tables: Vec<UsedTable>,
    /// Those that were reported as broken, and inputs that may be tables.
    pub broken_tables: Vec<String>,
}

impl Usage<'_> {
    /// Whether a field of an input is used. Columns of tables have names of their own, so a field of the transactions is not
    /// read because one of a table has the same name.
    pub fn reads(&self, input: &ResolvedInput, field: &str) -> bool {
        match input.kind {
            InputKind::Table => self
                .table(&input.name)
                .is_some_and(|table| table.fields.contains(field)),
            _ => self.fields.contains(field),
        }
    }

    /// The table of this name, if its columns are used.
    pub fn table(&self, input: &str) -> Option<&UsedTable> {
        self.tables.iter().find(|table| table.input == input)
    }
}

/// Finds what is used, before anything is compiled. `also_read` names further fields.
pub fn find<'i>(
    file: &PipelineFile,
    also_read: &[String],
    inputs: &'i [ResolvedInput],
    entities: &[PlannedEntity],
    Rows { used: tables, broken }: Rows,
    cards: &Cards<'_>,
) -> Usage<'i> {
    let inputs = used_inputs(file, inputs, &tables);
    let mut fields = used_names(file, &inputs, entities, cards);
    fields.extend(also_read.iter().cloned());
    fields.extend(sources_of_derived(&inputs, &fields));
    let tables = tables.into_iter().map(|table| with_sources_of_derived(table, &inputs));
    Usage {
        tables: tables.collect(),
        broken_tables: broken,
        inputs,
        fields,
    }
}

fn used_inputs<'i>(file: &PipelineFile, inputs: &'i [ResolvedInput], tables: &[UsedTable]) -> Vec<&'i ResolvedInput> {
    let mut mentioned: BTreeSet<&str> = BTreeSet::from(["transactions"]);
    mentioned.extend(file.features.iter().flat_map(|(_, feature)| feature.inputs()));
    let is_used = |input: &&ResolvedInput| match input.kind {
        InputKind::Table => tables.iter().any(|table| table.input == input.name),
        _ => mentioned.contains(input.name.as_str()),
    };
    inputs.iter().filter(is_used).collect()
}

fn with_sources_of_derived(table: UsedTable, inputs: &[&ResolvedInput]) -> UsedTable {
    let own: Vec<&ResolvedInput> = inputs
        .iter()
        .filter(|input| input.name == table.input)
        .copied()
        .collect();
    let sources = sources_of_derived(&own, &table.fields);
    UsedTable {
        fields: table.fields.iter().cloned().chain(sources).collect(),
        ..table
    }
}

/// The personal fields from which used fields are derived.
fn sources_of_derived(inputs: &[&ResolvedInput], used: &BTreeSet<String>) -> Vec<String> {
    let fields = inputs.iter().flat_map(|input| &input.fields);
    let derived = fields
        .filter(|(name, _)| used.contains(*name))
        .filter_map(|(_, field)| field.derived.as_ref());
    derived.map(|(source, _)| source.clone()).collect()
}

fn used_names(
    file: &PipelineFile,
    inputs: &[&ResolvedInput],
    entities: &[PlannedEntity],
    cards: &Cards<'_>,
) -> BTreeSet<String> {
    let mut used = mentioned(file, cards);
    used.extend(entities.iter().flat_map(|entity| entity.key.fields.clone()));
    // Tables have a list of their own.
    for input in inputs.iter().filter(|input| input.kind != InputKind::Table) {
        used.extend(input.id.clone());
        used.extend(input.event_time.clone());
        let filter = input.filter.iter();
        used.extend(
            filter
                .flat_map(|source| identifiers(&source.value.0))
                .map(str::to_owned),
        );
    }
    used
}

/// The names that the file mentions outside `inputs:` and `entities:`.
pub fn mentioned(file: &PipelineFile, cards: &Cards<'_>) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (_, list) in lists::sections(file) {
        let keys = list.value.key.0.iter().chain(&list.value.also.0);
        used.extend(keys.map(|key| key.value.clone()));
    }
    for (_, table) in file.tables.iter() {
        let keys = table.key.0.iter().chain(&table.also.0);
        used.extend(keys.map(|key| key.value.clone()));
    }
    let expressions = file
        .features
        .iter()
        .flat_map(|(_, feature)| feature.sources())
        .chain(file.sources_at_decision());
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

/// The names in the reasons of a model's card.
fn names_in_texts(model: &ModelSection, cards: &Cards<'_>) -> Vec<String> {
    let file = model.file.0.as_ref();
    match file.map(|file| cards.of(&file.value)).as_deref() {
        Some(Ok(Some(card))) => names_of_reasons(card).collect(),
        _ => Vec::new(),
    }
}

/// The inputs of a model, from its section or else its card.
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

fn names_of_reasons(card: &Card) -> impl Iterator<Item = String> {
    let parts = card.reasons.values().filter_map(|reason| reason.parts().ok()).flatten();
    parts.filter_map(|part| match part {
        Part::Name(name) => Some(name.to_owned()),
        _ => None,
    })
}
