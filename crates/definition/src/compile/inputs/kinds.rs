//! What the records of inputs are, and what inputs of other events need.

use super::input::ResolvedInput;
use crate::compile::identifiers::identifiers;
use crate::diagnostics::{Diagnostic, Diagnostics, Span, enumerate};
use crate::syntax::read::{ExpressionText, Spanned};
use crate::syntax::{Input, Kind, PipelineFile};
use crate::text::Key;
use riskstream_engine::plan::InputKind;
use std::collections::BTreeSet;

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
        check_keys_of_kind(key, input, InputKind::Transactions, diagnostics);
        return InputKind::Transactions;
    }
    let kind = match input.kind.as_ref().map(|kind| kind.value) {
        Some(Kind::Events) => InputKind::Events,
        Some(Kind::Table) => InputKind::Table,
        Some(Kind::Labels) | None => InputKind::Labels,
    };
    check_keys_of_kind(key, input, kind, diagnostics);
    kind
}

/// Reports keys that have no meaning for an input of this kind, and those that it lacks.
fn check_keys_of_kind(name: &Key, input: &Input, kind: InputKind, diagnostics: &mut Diagnostics) {
    if let (InputKind::Events, Some(within)) = (kind, &input.arrives_within) {
        diagnostics.add(
            Diagnostic::new("`arrives_within` has no effect on events", within.span.clone())
                .label("events wait for no transaction")
                .help("remove it; how late events may be is the `lateness` of entities"),
        );
    }
    if kind == InputKind::Table {
        return check_keys_of_table(name, input, diagnostics);
    }
    if input.id.is_none() && !input.is_flawed {
        diagnostics.add(Diagnostic::new("`id` is missing", name.span.clone()).label("this needs `id:`"));
    }
    let may_be_table = input.is_flawed && input.kind.is_none();
    if let Some(deletion) = input.delete_when.as_ref().filter(|_| !may_be_table) {
        diagnostics.add(
            Diagnostic::new("`delete_when` has a meaning for tables only", deletion.span.clone())
                .help("remove it, or add `kind: table`; `where:` says which records are events"),
        );
    }
}

fn check_keys_of_table(name: &Key, input: &Input, diagnostics: &mut Diagnostics) {
    if let Some(id) = &input.id {
        diagnostics.add(
            Diagnostic::new("the rows of a table have no `id`", id.span.clone())
                .label("`key:` says which row a record is")
                .help("remove it"),
        );
    }
    if let Some(within) = &input.arrives_within {
        diagnostics.add(
            Diagnostic::new("`arrives_within` has no effect on tables", within.span.clone())
                .label("rows wait for no transaction")
                .help("remove it; a row counts however late it comes"),
        );
    }
    if input.key.is_none() && !input.is_flawed {
        diagnostics.add(
            Diagnostic::new(format!("the table `{}` has no `key`", name.name), name.span.clone())
                .help("add `key: FIELD`, the field that is the key of an entity and of the records"),
        );
    }
}

/// Checks what is said of events, and what decisions read of them.
pub fn check_kinds(file: &PipelineFile, inputs: &[ResolvedInput], diagnostics: &mut Diagnostics) {
    check_events(file, inputs, diagnostics);
    // A field of a table is no name, so its use is reported as that of an unknown one.
    let others = inputs.iter().filter(|input| input.kind != InputKind::Table);
    check_decisions(file, &others.cloned().collect::<Vec<_>>(), diagnostics);
}

/// Looks at events that no feature uses: they have to have a key of some entity, and their topic is not read, which is a warning.
/// Of those that features use, a later phase says which key they lack.
fn check_events(file: &PipelineFile, inputs: &[ResolvedInput], diagnostics: &mut Diagnostics) {
    let is_used = |input: &ResolvedInput| {
        let mut features = file.features.iter();
        features.any(|(_, feature)| feature.inputs().any(|name| name == input.name))
    };
    for input in inputs
        .iter()
        .filter(|input| input.kind == InputKind::Events && !is_used(input))
    {
        let keys = file.entities.iter().map(|(_, entity)| entity.key.0.as_ref());
        let Some(keys) = keys.collect::<Option<Vec<_>>>() else {
            // An entity without a key was reported.
            return;
        };
        let declared = file.inputs.get(&input.name).and_then(|(_, input)| input);
        let is_declared = |field: &String| {
            let mut names = declared.iter().flat_map(|input| input.fields.names());
            input.fields.contains_key(field) || names.any(|name| name == field)
        };
        let transactions = inputs.iter().find(|input| input.name == "transactions");
        let fields = keys
            .iter()
            .filter_map(|key| Some(transactions?.fields_of_key(&key.value)));
        let fields: Vec<BTreeSet<String>> = fields.filter(|fields| !fields.is_empty()).collect();
        if !fields.is_empty() && !fields.iter().any(|fields| fields.iter().all(is_declared)) {
            diagnostics.add(
                Diagnostic::new(
                    format!("the events of `{}` have the key of no entity", input.name),
                    input.span.clone(),
                )
                .label("no feature can use them")
                .help(format!(
                    "add a key to its fields: the keys of entities are {}",
                    enumerate(
                        keys.iter()
                            .flat_map(|key| &key.value.0)
                            .map(|part| part.value.0.as_str())
                    )
                )),
            );
            continue;
        }
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

/// Checks that what is evaluated for each decision does not read fields that only events have: a transaction has no value for them.
fn check_decisions(file: &PipelineFile, inputs: &[ResolvedInput], diagnostics: &mut Diagnostics) {
    for source in file.sources_at_decision() {
        check_decision(source, inputs, diagnostics);
    }
    let model = file.model.iter().filter_map(|model| model.value.inputs.as_ref());
    for name in model.flat_map(|inputs| &inputs.value.0) {
        check_name(&name.value, &name.span, inputs, diagnostics);
    }
}

fn check_decision(source: &Spanned<ExpressionText>, inputs: &[ResolvedInput], diagnostics: &mut Diagnostics) {
    for name in identifiers(&source.value.0) {
        if is_function(&source.value.0, name) {
            continue;
        }
        check_name(name, &source.span, inputs, diagnostics);
    }
}

/// Checks that a name is none of a field that only events have.
fn check_name(name: &str, span: &Span, inputs: &[ResolvedInput], diagnostics: &mut Diagnostics) {
    let owners = inputs.iter().filter(|input| input.fields.contains_key(name));
    let owners: Vec<&ResolvedInput> = owners.collect();
    let Some(owner) = owners
        .first()
        .filter(|_| owners.iter().all(|owner| owner.kind == InputKind::Events))
    else {
        return;
    };
    diagnostics.add(
        Diagnostic::new(
            format!(
                "`{name}` is a field of `{}`, and a transaction does not have it",
                owner.name
            ),
            span.clone(),
        )
        .help(format!(
            "use a feature over `{0}`, such as `{{last: {name}, of: {0}}}`",
            owner.name
        )),
    );
}

/// Whether a name is only called: a function may be called as a field is.
fn is_function(source: &str, name: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut uses = source.match_indices(name).filter(|(at, _)| {
        let (before, after) = (&source[..*at], &source[at + name.len()..]);
        !before.ends_with(is_of_name) && !after.starts_with(is_of_name)
    });
    uses.all(|(at, _)| source[at + name.len()..].trim_start().starts_with('('))
}
