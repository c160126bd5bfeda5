//! From the section `inputs:` to inputs with their fields.

use super::agreement::check_agreement;
use super::avro_types::AvroTypes;
use super::field::{OPERATION, ResolvedField, derived_fields, operation, resolve_field};
use super::input::ResolvedInput;
use super::kinds::resolve_kind;
use super::schema_file::{add_schema_fields, check_against_schema, check_format, read_schema};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::duration::DAY;
use crate::syntax::read::{ExpressionText, Spanned};
use crate::syntax::{EventTime, Format, Input, KeyMismatch, PipelineFile, Tombstones};
use crate::text::Key;
use riskstream_engine::plan::InputKind;
use riskstream_events::ValueType;
use std::collections::BTreeMap;
use std::path::Path;

/// The inputs that are not broken as a whole, transactions first. Reads schema files in `directory`.
pub fn compile(file: &PipelineFile, directory: &Path, diagnostics: &mut Diagnostics) -> Vec<ResolvedInput> {
    check_transactions(file, diagnostics);
    let has_registry = file.registry.is_some();
    let inputs = file.inputs.iter().map(|(key, input)| {
        let format = input.format.as_ref().map_or(Format::Json, |format| format.value);
        check_format(key, input, format, has_registry, diagnostics);
        resolve_input(key, input, format, directory, diagnostics)
    });
    let mut inputs: Vec<ResolvedInput> = inputs.collect();
    inputs.sort_by_key(|input| input.name != "transactions");
    check_agreement(&inputs, diagnostics);
    inputs
}

fn check_transactions(file: &PipelineFile, diagnostics: &mut Diagnostics) {
    if file.inputs.get("transactions").is_some() {
        return;
    }
    let span = file.inputs.0.first().map_or(0..0, |(key, _)| key.span.clone());
    diagnostics.add(
        Diagnostic::new("the input `transactions` is missing", span)
            .nearest("transactions", file.inputs.names())
            .help("add `transactions:` to `inputs:`; each of its records gets a decision"),
    );
}

fn resolve_input(
    key: &Key,
    input: &Input,
    format: Format,
    directory: &Path,
    diagnostics: &mut Diagnostics,
) -> ResolvedInput {
    let schema = read_schema(input, format, directory, diagnostics);
    let fields = resolve_fields(input, schema.as_deref(), diagnostics);
    if let Some(schema) = &schema {
        check_against_schema(input, schema, &fields, diagnostics);
    }
    check_key_mismatch(input, diagnostics);
    let kind = resolve_kind(key, input, diagnostics);
    let mut roles = Roles {
        input,
        fields: &fields,
        diagnostics,
    };
    let resolved = ResolvedInput {
        name: key.name.clone(),
        span: key.span.clone(),
        kind,
        topic: input
            .topic
            .0
            .as_ref()
            .map_or_else(String::new, |topic| topic.value.clone()),
        format,
        id: roles.field("id", input.id.as_ref(), &[ValueType::Text, ValueType::Int]),
        event_time: roles.field("event_time", event_time_field(input).as_ref(), &[ValueType::Timestamp]),
        time_is_of_record: matches!(&input.event_time.0, Some(time) if time.value == EventTime::Record),
        min_time: input.min_time.as_ref().map(|time| time.value.0),
        filter: input.r#where.clone().or_else(|| default_filter(input)),
        deletion: input.delete_when.clone().or_else(|| default_deletion(input, kind)),
        envelope: input.envelope.as_ref().map(|envelope| envelope.value),
        ignores_tombstones: ignores_tombstones(input),
        deletes_by_tombstones: kind == InputKind::Table && input.tombstones.is_none(),
        key: roles.field("key", input.key.as_ref(), &[ValueType::Text, ValueType::Int]),
        on_key_mismatch: on_key_mismatch(input),
        arrives_within: input.arrives_within.as_ref().map_or(30 * DAY, |within| within.value.0),
        schema,
        fields,
    };
    ResolvedInput {
        // A row is known by its key.
        id: match kind {
            InputKind::Table => resolved.key.clone(),
            _ => resolved.id,
        },
        ..resolved
    }
}

/// The name of the field with the event time, if it is in a field.
fn event_time_field(input: &Input) -> Option<Spanned<String>> {
    let time = input.event_time.0.as_ref()?;
    match &time.value {
        EventTime::Field(name) => Some(Spanned {
            value: name.clone(),
            span: time.span.clone(),
        }),
        EventTime::Record => None,
    }
}

/// Changes of a table that leave a row: creations, snapshots and updates.
fn default_filter(input: &Input) -> Option<Spanned<ExpressionText>> {
    let envelope = input.envelope.as_ref()?;
    Some(Spanned {
        value: ExpressionText(format!(r#"{OPERATION} in ["c", "r", "u"]"#)),
        span: envelope.span.clone(),
    })
}

/// Debezium's deletions, where records are rows.
fn default_deletion(input: &Input, kind: InputKind) -> Option<Spanned<ExpressionText>> {
    let envelope = input.envelope.as_ref().filter(|_| kind == InputKind::Table)?;
    Some(Spanned {
        value: ExpressionText(format!(r#"{OPERATION} == "d""#)),
        span: envelope.span.clone(),
    })
}

fn on_key_mismatch(input: &Input) -> KeyMismatch {
    let word = input.on_key_mismatch.as_ref();
    word.map_or(KeyMismatch::Warn, |word| word.value)
}

fn check_key_mismatch(input: &Input, diagnostics: &mut Diagnostics) {
    if let (Some(word), None) = (&input.on_key_mismatch, &input.key) {
        diagnostics.add(
            Diagnostic::new("`on_key_mismatch` needs `key`", word.span.clone())
                .help("add `key: FIELD`, the field that is the records' Kafka key, or remove `on_key_mismatch`"),
        );
    }
}

/// Debezium writes a tombstone after each deletion, which says nothing more.
fn ignores_tombstones(input: &Input) -> bool {
    let default = match input.envelope {
        Some(_) => Tombstones::Ignore,
        None => Tombstones::DeadLetter,
    };
    input.tombstones.as_ref().map_or(default, |word| word.value) == Tombstones::Ignore
}

/// The declared fields, and those that only the schema declares.
fn resolve_fields(
    input: &Input,
    schema: Option<&str>,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, ResolvedField> {
    let types = schema.and_then(AvroTypes::new);
    let envelope = input.envelope.as_ref();
    let mut fields = BTreeMap::new();
    for (name, declaration) in input.fields.iter() {
        let declaration = &declaration.0;
        let kind = envelope.map(|envelope| envelope.value);
        if let Some(field) = resolve_field(name, declaration, types.as_ref(), kind, diagnostics) {
            for (derived, field) in derived_fields(name, declaration, &field, diagnostics) {
                add_derived(derived, field, input, &mut fields, diagnostics);
            }
            fields.insert(name.name.clone(), field);
        }
    }
    if let Some(envelope) = envelope {
        fields
            .entry(OPERATION.to_owned())
            .or_insert_with(|| operation(envelope));
    }
    if let Some(types) = &types {
        add_schema_fields(types, input, &mut fields);
    }
    fields
}

/// Adds a derived field, unless another field has its name.
fn add_derived(
    name: String,
    field: ResolvedField,
    input: &Input,
    fields: &mut BTreeMap<String, ResolvedField>,
    diagnostics: &mut Diagnostics,
) {
    let is_declared = input.fields.names().any(|declared| declared == name);
    if is_declared || fields.contains_key(&name) {
        let message = format!("another field has the name `{name}`");
        diagnostics.add(Diagnostic::new(message, field.span.clone()).help("use another name"));
    } else {
        fields.insert(name, field);
    }
}

/// Looks up the fields that `id`, `event_time` and `key` of an input name.
struct Roles<'a> {
    input: &'a Input,
    fields: &'a BTreeMap<String, ResolvedField>,
    diagnostics: &'a mut Diagnostics,
}

impl Roles<'_> {
    fn field(&mut self, role: &str, name: Option<&Spanned<String>>, types: &[ValueType]) -> Option<String> {
        let name = name?;
        if let Some(field) = self.fields.get(&name.value) {
            if types.contains(&field.value_type) {
                return Some(name.value.clone());
            }
            let wanted = types
                .iter()
                .map(|wanted| wanted.name())
                .collect::<Vec<_>>()
                .join(" or ");
            self.diagnostics.add(
                Diagnostic::new(
                    format!(
                        "`{role}` must be {wanted}, `{}` is {}",
                        name.value,
                        field.value_type.name()
                    ),
                    name.span.clone(),
                )
                .also(field.span.clone(), "declared here"),
            );
            return None;
        }
        let declared_but_broken = self.input.fields.names().any(|declared| declared == name.value);
        if !declared_but_broken {
            let wanted = types[0].name();
            self.diagnostics.add(
                Diagnostic::new(
                    format!("`{role}` names the field `{}`, which is not declared", name.value),
                    name.span.clone(),
                )
                .nearest(&name.value, self.fields.keys().map(String::as_str))
                .help(format!("add `{}: {wanted}` to `fields:`", name.value)),
            );
        }
        None
    }
}
