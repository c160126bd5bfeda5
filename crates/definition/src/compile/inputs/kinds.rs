//! What the records of inputs are, and what inputs of other events need.

use super::input::ResolvedInput;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::syntax::{Input, Kind, PipelineFile};
use crate::text::Key;
use riskstream_engine::plan::InputKind;

/// The kind of an input. Reports keys that have no meaning for it.
pub fn resolve_kind(key: &Key, input: &Input, diagnostics: &mut Diagnostics) -> InputKind {
    if key.name == "transactions" {
        if let Some(kind) = &input.kind {
            diagnostics.add(
                Diagnostic::new(
                    "`transactions` are decided on and have no other `kind`",
                    kind.span.clone(),
                )
                .help("remove `kind:`, or declare another input for records that are not decided on"),
            );
        }
        return InputKind::Transactions;
    }
    let kind = match input.kind.as_ref().map(|kind| kind.value) {
        Some(Kind::Events) => InputKind::Events,
        Some(Kind::Labels) | None => InputKind::Labels,
    };
    if let (InputKind::Events, Some(within)) = (kind, &input.arrives_within) {
        diagnostics.add(
            Diagnostic::new("`arrives_within` has no effect on events", within.span.clone())
                .label("events wait for no transaction")
                .help("remove it; how late events may be is the `lateness` of entities"),
        );
    }
    kind
}

/// Checks that events have a key of some entity. Warns of those that no feature uses: their topic is not read.
pub fn check_events(file: &PipelineFile, inputs: &[ResolvedInput], diagnostics: &mut Diagnostics) {
    for input in inputs.iter().filter(|input| input.kind == InputKind::Events) {
        let keys = file.entities.iter().map(|(_, entity)| entity.key.0.as_ref());
        let Some(keys) = keys.collect::<Option<Vec<_>>>() else {
            // An entity without a key was reported.
            return;
        };
        let declared = file.inputs.get(&input.name).and_then(|(_, input)| input);
        let is_declared = |key: &str| {
            let mut names = declared.iter().flat_map(|input| input.fields.names());
            input.fields.contains_key(key) || names.any(|name| name == key)
        };
        if !keys.is_empty() && !keys.iter().any(|key| is_declared(&key.value)) {
            diagnostics.add(
                Diagnostic::new(
                    format!("the events of `{}` have the key of no entity", input.name),
                    input.span.clone(),
                )
                .label("no feature can use them")
                .help(format!(
                    "add a key to its fields: the keys of entities are {}",
                    enumerate(keys.iter().map(|key| key.value.as_str()))
                )),
            );
            continue;
        }
        let mut features = file.features.iter();
        if !features.any(|(_, feature)| feature.inputs().any(|name| name == input.name)) {
            diagnostics.warn(
                Diagnostic::new(format!("no feature uses `{}`", input.name), input.span.clone())
                    .label("its topic is not read")
                    .help(format!(
                        "aggregate its events with `of: {0}`, as in `count: {0}`, or remove the input",
                        input.name
                    )),
            );
        }
    }
}
