//! Phase `declare`: names and slots for the fields that are used, and names for lists.

use super::entities::PlannedEntity;
use super::inputs::ResolvedInput;
use super::names::Names;
use super::usage::Usage;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::read::{List, Map, Raw};
use crate::syntax::{ListSection, PipelineFile};
use crate::text::{Key, Node, NodeValue};
use riskstream_engine::plan::InputKind;
use riskstream_events::{PublishedPseudonyms, Slot, Value, ValueType};
use std::collections::BTreeMap;

/// Fields and lists by name.
pub struct Declared<'s> {
    /// Their names, types and slots, with the canonical ones.
    pub names: Names<'s>,
    /// The slots of the fields that are used, and of keys that are computed from them.
    pub fields: BTreeMap<String, Slot>,
}

/// Declares the fields that are used, and the lists. `source` is the text of the file; with `published`, constants in it are
/// published pseudonyms.
pub fn compile<'s>(
    file: &PipelineFile,
    source: &'s str,
    published: Option<&PublishedPseudonyms>,
    inputs: &[ResolvedInput],
    entities: &[PlannedEntity],
    usage: &Usage<'_>,
    diagnostics: &mut Diagnostics,
) -> Declared<'s> {
    let mut names = Names::new(source);
    if has_two_secrets(file) {
        names.write_published(published);
    }
    let mut fields = declare_fields(inputs, usage, &mut names, diagnostics);
    declare_keys(entities, &mut fields, &mut names);
    mark_broken_fields(file, inputs, &mut names);
    declare_lists(&file.lists, &mut names, diagnostics);
    Declared { names, fields }
}

/// Whether what is published has a secret of its own.
fn has_two_secrets(file: &PipelineFile) -> bool {
    let variables = file.personal_data.as_ref().and_then(|data| data.key_env.0.as_ref());
    variables.is_some_and(|variables| variables.value.published.is_some())
}

fn declare_fields(
    inputs: &[ResolvedInput],
    usage: &Usage<'_>,
    names: &mut Names<'_>,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, Slot> {
    let mut slots = BTreeMap::new();
    let (tables, others): (Vec<_>, Vec<_>) = inputs.iter().partition(|input| input.kind == InputKind::Table);
    for input in others.into_iter().chain(tables) {
        for (name, field) in input.fields.iter().filter(|(name, _)| usage.reads(input, name)) {
            if slots.contains_key(name) {
                continue;
            }
            if input.kind == InputKind::Table {
                // Expressions name columns with their table. The table's own conditions see the fields as they are: see `filters`.
                let slot = names.slot(name, field.value_type);
                if field.personal {
                    names.mark_pseudonym(slot);
                }
                slots.insert(name.clone(), slot);
            } else if name == "event_time" {
                // In expressions `event_time` is the canonical slot, so the field's own slot has no name there.
                if input.event_time.as_ref() == Some(name) {
                    slots.insert(name.clone(), names.slot(name, ValueType::Timestamp));
                } else {
                    diagnostics.add(
                        Diagnostic::new(
                            "`event_time` is reserved for the field that `event_time:` names",
                            field.span.clone(),
                        )
                        .help("give this field another name: `other_time: {type: timestamp, path: event_time}`"),
                    );
                }
            } else if names.check_free(name, &field.span, diagnostics) {
                let slot = names.declare(name, field.value_type, ValueType::Float, field.span.clone());
                if field.personal {
                    names.mark_pseudonym(slot);
                }
                slots.insert(name.clone(), slot);
            } else {
                names.declare_broken(name);
            }
        }
    }
    slots
}

/// Keys that are computed have slots without a name in expressions.
fn declare_keys(entities: &[PlannedEntity], slots: &mut BTreeMap<String, Slot>, names: &mut Names<'_>) {
    let keys = entities.iter().map(|entity| &entity.key);
    for key in keys.filter(|key| key.computed.is_some()) {
        if slots.contains_key(&key.name) {
            continue;
        }
        let mut fields = key.fields.iter().filter_map(|field| slots.get(field));
        let holds_pseudonyms = fields.any(|slot| names.is_pseudonym(*slot));
        let slot = names.slot(&key.name, ValueType::Text);
        if holds_pseudonyms {
            names.mark_pseudonym(slot);
        }
        slots.insert(key.name.clone(), slot);
    }
}

/// Uses of a broken field are not reported again.
fn mark_broken_fields(file: &PipelineFile, inputs: &[ResolvedInput], names: &mut Names<'_>) {
    for (_, input) in file.inputs.iter() {
        for (key, declaration) in &input.fields.0 {
            let is_resolved = inputs.iter().any(|input| input.fields.contains_key(&key.name));
            if declaration.is_none() || !is_resolved {
                names.declare_broken(&key.name);
            }
        }
    }
}

fn declare_lists(lists: &Map<ListSection>, names: &mut Names<'_>, diagnostics: &mut Diagnostics) {
    for (name, list) in &lists.0 {
        if !names.check_free(&name.name, &name.span, diagnostics) {
            names.declare_broken(&name.name);
            continue;
        }
        match list {
            Some(ListSection::Constants(list)) => declare_constants(name, list, names, diagnostics),
            Some(ListSection::Entries(_)) => names.declare_entries(&name.name, name.span.clone()),
            None => names.declare_broken(&name.name),
        }
    }
}

fn declare_constants(name: &Key, list: &List<Raw>, names: &mut Names<'_>, diagnostics: &mut Diagnostics) {
    let Some(values) = constants(list, diagnostics) else {
        return names.declare_broken(&name.name);
    };
    if let Err(error) = names.declare_list(&name.name, &values, name.span.clone()) {
        diagnostics.add(Diagnostic::new(error.to_string(), name.span.clone()));
        names.declare_broken(&name.name);
    }
}

/// The values of a list of constants.
pub fn constants(list: &List<Raw>, diagnostics: &mut Diagnostics) -> Option<Vec<Value>> {
    let items = list.0.iter();
    let values: Vec<Option<Value>> = items.map(|item| constant(&item.value.0, diagnostics)).collect();
    values.into_iter().collect()
}

fn constant(node: &Node, diagnostics: &mut Diagnostics) -> Option<Value> {
    Some(match &node.value {
        NodeValue::Bool(value) => Value::Bool(*value),
        NodeValue::Int(value) => Value::Int(*value),
        NodeValue::Float(value) => Value::Float(*value),
        NodeValue::Text(value) => Value::Text(value.as_str().into()),
        _ => {
            let diagnostic = Diagnostic::new(
                format!("the elements of a list are texts or numbers, this is {}", node.kind()),
                node.span.clone(),
            );
            diagnostics.add(diagnostic);
            return None;
        }
    })
}
