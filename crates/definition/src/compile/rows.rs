//! Phase `rows`: which tables of rows the file uses (inputs of `kind: table`), whose rows they are, and which of their columns are
//! used.

use super::identifiers::identifiers;
use super::inputs::ResolvedInput;
use super::usage::mentioned;
use crate::cards::Cards;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::syntax::PipelineFile;
use riskstream_engine::plan::InputKind;
use std::collections::BTreeSet;

/// A table whose columns are used.
#[derive(Clone, Debug)]
pub struct UsedTable {
    /// The input.
    pub input: String,
    /// The entity that the rows belong to.
    pub entity: String,
    /// The columns that expressions mention, in the order of their names.
    pub columns: Vec<String>,
    /// The fields that are read from records: the columns, and those that say what the record is.
    pub fields: BTreeSet<String>,
}

/// The tables of a file.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Those whose columns are used.
    pub used: Vec<UsedTable>,
    /// Those whose rows belong to no entity, and inputs of which it is not known what they are: both were reported.
    pub broken: Vec<String>,
}

impl UsedTable {
    /// The name of a column in expressions.
    pub fn name_of(&self, column: &str) -> String {
        format!("{}.{column}", self.input)
    }
}

/// The columns of a table: all fields of its records but the key.
pub fn columns(input: &ResolvedInput) -> impl Iterator<Item = &String> {
    let is_column = |name: &&String| Some(*name) != input.key.as_ref() && !input.is_added_operation(name);
    input.fields.keys().filter(is_column)
}

/// Finds the tables that are used. Warns of others; reports those whose rows belong to no entity.
pub fn find(
    file: &PipelineFile,
    also_read: &[String],
    inputs: &[ResolvedInput],
    cards: &Cards<'_>,
    diagnostics: &mut Diagnostics,
) -> Rows {
    let tables = || inputs.iter().filter(|input| input.kind == InputKind::Table);
    let unknown = file
        .inputs
        .iter()
        .filter(|(_, input)| input.is_flawed && input.kind.is_none());
    let mut broken: Vec<String> = unknown.map(|(name, _)| name.name.clone()).collect();
    if tables().next().is_none() {
        return Rows {
            broken,
            ..Rows::default()
        };
    }
    let mut names = mentioned(file, cards);
    names.extend(also_read.iter().cloned());
    let mut used = Vec::new();
    for input in tables() {
        let Some(entity) = entity_of(file, input, diagnostics) else {
            broken.push(input.name.clone());
            continue;
        };
        let is_mentioned = |column: &&String| names.contains(&format!("{}.{column}", input.name));
        let columns: Vec<String> = columns(input).filter(is_mentioned).cloned().collect();
        if columns.is_empty() {
            warn_of_unused(file, input, &names, diagnostics);
            continue;
        }
        let fields = columns.iter().cloned().chain(fields_of_records(input)).collect();
        used.push(UsedTable {
            input: input.name.clone(),
            entity,
            columns,
            fields,
        });
    }
    Rows { used, broken }
}

/// The fields that say whose row a record has, from when on it holds, and whether it is one.
fn fields_of_records(input: &ResolvedInput) -> impl Iterator<Item = String> {
    let conditions = input.filter.iter().chain(&input.deletion);
    let in_conditions = conditions.flat_map(|condition| identifiers(&condition.value.0));
    let in_conditions = in_conditions.filter(|name| input.fields.contains_key(*name));
    let named = input.key.iter().chain(&input.event_time).cloned();
    named
        .chain(in_conditions.map(str::to_owned))
        .collect::<Vec<_>>()
        .into_iter()
}

/// The first entity whose key is made of the table's.
fn entity_of(file: &PipelineFile, input: &ResolvedInput, diagnostics: &mut Diagnostics) -> Option<String> {
    let key = input.key.as_ref()?;
    let mut keys = file.entities.iter().filter_map(|(name, entity)| {
        let fields: BTreeSet<String> = match entity.key.0.as_ref() {
            Some(key) => input.fields_of_key(&key.value),
            None => BTreeSet::new(),
        };
        Some((name, entity.key.0.as_ref()?, fields))
    });
    // Of several parts the table has the fields only if its own key is all of them.
    let found = keys.find(|(_, parts, fields)| parts.value.0.len() == 1 && fields.len() == 1 && fields.contains(key));
    if let Some((name, ..)) = found {
        return Some(name.name.clone());
    }
    let declared = file.inputs.get(&input.name).and_then(|(_, input)| input);
    let span = declared
        .and_then(|input| input.key.as_ref())
        .map_or(input.span.clone(), |key| key.span.clone());
    let keys = file.entities.iter().filter_map(|(_, entity)| entity.key.0.as_ref());
    let keys: Vec<&str> = keys
        .filter(|key| key.value.0.len() == 1)
        .flat_map(|key| key.value.0.iter().map(|part| part.value.0.as_str()))
        .collect();
    diagnostics.add(
        Diagnostic::new(
            format!(
                "`{key}` is the key of no entity, so the rows of `{}` belong to none",
                input.name
            ),
            span,
        )
        .nearest(key, keys.iter().copied())
        .help(match keys.as_slice() {
            [] => "the key of a table is that of an entity with a key of one part".to_owned(),
            keys => format!("the keys of entities are {}", enumerate(keys.iter().copied())),
        }),
    );
    None
}

fn warn_of_unused(file: &PipelineFile, input: &ResolvedInput, names: &BTreeSet<String>, diagnostics: &mut Diagnostics) {
    let is_named = file
        .features
        .iter()
        .any(|(_, feature)| feature.inputs().any(|name| name == input.name));
    // What is wrong with these is reported where they are compiled.
    if is_named || names.contains(&input.name) {
        return;
    }
    let help = match columns(input).next() {
        Some(column) => format!(
            "use a column in an expression, as in `{}.{column}`, or remove the input",
            input.name
        ),
        None => "declare its columns under `fields:`, or remove the input".to_owned(),
    };
    diagnostics.warn(
        Diagnostic::new(format!("no expression uses `{}`", input.name), input.span.clone())
            .label("its topic is not read")
            .help(help),
    );
}
