//! The entity keys of all inputs at all stages.

use super::context::StageContext;
use crate::compile::entities::PlannedKey;
use crate::compile::inputs::ResolvedInput;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use riskstream_engine::plan::{InputKind, TRANSACTIONS};
use riskstream_events::Slot;

/// The keys of all inputs at all stages.
pub struct Keys {
    /// For each stage, for each input, the slot of its key. `None` if the stage does not apply the input's events.
    pub slots: Vec<Vec<Option<Slot>>>,
    /// The keys of later stages that labels lack. The first stage keeps them from transactions and completes labels.
    pub carried: Vec<Slot>,
    /// How long it keeps them, in microseconds.
    pub keep: i64,
}

/// An input's key at a stage.
enum Key {
    /// The field of this slot.
    Field(Slot),
    /// The same slot, which the first stage fills from the label's transaction.
    Completed(Slot),
    /// The stage does not apply the input's events.
    Absent,
    /// The input has no key for the stage, which was reported.
    Missing,
}

/// Finds all keys. `None` if one is missing, which was reported.
pub fn find_keys(context: &StageContext<'_>, diagnostics: &mut Diagnostics) -> Option<Keys> {
    let mut keys = Keys {
        slots: Vec::new(),
        carried: Vec::new(),
        keep: 0,
    };
    let mut is_complete = true;
    for (at, entity) in context.entities.iter().enumerate() {
        let Some(slot) = context.symbols.fields.get(&entity.key.name).copied() else {
            is_complete = false;
            continue;
        };
        let mut slots = Vec::new();
        for (index, input) in context.usage.inputs.iter().enumerate() {
            slots.push(match key_of(context, at, index as u8, slot, diagnostics) {
                Key::Field(slot) => Some(slot),
                Key::Completed(slot) => {
                    if !keys.carried.contains(&slot) {
                        keys.carried.push(slot);
                    }
                    keys.keep = keys.keep.max(input.arrives_within);
                    Some(slot)
                }
                Key::Absent => None,
                Key::Missing => {
                    is_complete = false;
                    None
                }
            });
        }
        keys.slots.push(slots);
    }
    is_complete.then_some(keys)
}

/// The key of an input's events at a stage. Labels go to a stage if its features, or those of a later one, use them. Other events
/// are applied where features use them, and pass the stages before.
fn key_of(context: &StageContext<'_>, at: usize, index: u8, slot: Slot, diagnostics: &mut Diagnostics) -> Key {
    if index == TRANSACTIONS {
        return Key::Field(slot);
    }
    let input = context.usage.inputs[usize::from(index)];
    let uses = |stage: usize| {
        context.features.stages[stage]
            .iter()
            .any(|feature| feature.input == index)
    };
    if !(at..context.entities.len()).any(uses)
        || (matches!(input.kind, InputKind::Events | InputKind::Table) && !uses(at))
    {
        return Key::Absent;
    }
    if context.entities[at].key.is_in(input) {
        return Key::Field(slot);
    }
    if input.kind == InputKind::Labels && at > 0 && context.entities[0].key.is_in(input) {
        return Key::Completed(slot);
    }
    if at == 0 && !uses(0) {
        return Key::Absent;
    }
    diagnostics.add(missing_key(context, at, input));
    Key::Missing
}

fn missing_key(context: &StageContext<'_>, at: usize, input: &ResolvedInput) -> Diagnostic {
    let entity = &context.entities[at];
    let lacking = |key: &PlannedKey| {
        let lacking = key.fields.iter().filter(|field| !input.fields.contains_key(*field));
        enumerate(lacking.map(String::as_str))
    };
    let (name, fields) = (&input.name, lacking(&entity.key));
    let help = match (input.kind, at) {
        (InputKind::Events | InputKind::Table, _) | (_, 0) => format!("add {fields} to the fields of `{name}`"),
        _ => format!(
            "add {fields} to the fields of `{name}`; or add {}, and the key is taken from the label's transaction",
            lacking(&context.entities[0].key)
        ),
    };
    let message = format!(
        "features of `{}` use `{name}`, which lacks the entity's key",
        entity.name
    );
    Diagnostic::new(message, input.span.clone())
        .label(format!("lacks {fields}"))
        .help(help)
}
