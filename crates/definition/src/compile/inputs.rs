//! Inputs and their fields.

use super::fields::{ResolvedField, add_schema_fields, check_against_schema, resolve_field};
use super::names::Names;
use super::topics::{check_agreement, check_topics};
use crate::avro_types::AvroTypes;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::node::{Key, Span};
use crate::read::{Map, Required, Spanned};
use crate::syntax::{Format, Input, Registry};
use riskstream_events::{ReaderSchema, Slot, ValueType};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// An input whose fields are resolved.
#[derive(Clone, Debug)]
pub struct ResolvedInput {
    /// `transactions`, `labels`, …
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// The Kafka topic.
    pub topic: String,
    /// The encoding.
    pub format: Format,
    /// The text of the schema file.
    pub schema: Option<Arc<str>>,
    /// The field that is the records' Kafka key.
    pub key: Option<String>,
    /// The field with the event's id.
    pub id: Option<String>,
    /// The field with the event time.
    pub event_time: Option<String>,
    /// The fields by name, those that nothing uses included.
    pub fields: BTreeMap<String, ResolvedField>,
}

/// Where files are looked for and what may be assumed about the registry.
pub struct Surroundings<'a> {
    /// The pipeline file's directory.
    pub directory: &'a Path,
    /// The registry section, if there is one.
    pub registry: Option<&'a Spanned<Registry>>,
}

/// Resolves all inputs, transactions first. Inputs that are broken as a whole are left out.
pub fn resolve(
    inputs: &Map<Input>,
    surroundings: &Surroundings<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<ResolvedInput> {
    let mut resolved: Vec<ResolvedInput> = inputs
        .iter()
        .map(|(key, input)| resolve_input(key, input, surroundings, diagnostics))
        .collect();
    resolved.sort_by_key(|input| input.name != "transactions");
    check_agreement(&resolved, diagnostics);
    check_topics(inputs, diagnostics);
    resolved
}

fn resolve_input(
    key: &Key,
    input: &Input,
    surroundings: &Surroundings<'_>,
    diagnostics: &mut Diagnostics,
) -> ResolvedInput {
    let format = input.format.as_ref().map_or(Format::Json, |format| format.value);
    let schema = read_schema(key, input, format, surroundings, diagnostics);
    let types = schema.as_deref().and_then(AvroTypes::new);
    let mut fields = BTreeMap::new();
    for (name, declaration) in input.fields.iter() {
        if let Some(field) = resolve_field(name, &declaration.0, types.as_ref(), diagnostics) {
            fields.insert(name.name.clone(), field);
        }
    }
    if let Some(types) = &types {
        add_schema_fields(types, input, &mut fields);
    }
    let mut names = Declared {
        input,
        fields: &fields,
        diagnostics,
    };
    let id = names.field(&input.id, "id", &[ValueType::Text, ValueType::Int]);
    let event_time = names.field(&input.event_time, "event_time", &[ValueType::Timestamp]);
    let record_key = input
        .key
        .as_ref()
        .and_then(|key| names.field(&Required(Some(key.clone())), "key", &[ValueType::Text, ValueType::Int]));
    if let (Some(schema), Format::Avro | Format::AvroPlain) = (&schema, format) {
        check_against_schema(input, schema, &fields, diagnostics);
    }
    ResolvedInput {
        name: key.name.clone(),
        span: key.span.clone(),
        topic: input
            .topic
            .0
            .as_ref()
            .map(|topic| topic.value.clone())
            .unwrap_or_default(),
        format,
        schema,
        key: record_key,
        id,
        event_time,
        fields,
    }
}

fn read_schema(
    key: &Key,
    input: &Input,
    format: Format,
    surroundings: &Surroundings<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Arc<str>> {
    let format_span = input
        .format
        .as_ref()
        .map_or(key.span.clone(), |format| format.span.clone());
    match (format, &input.schema) {
        (Format::Json, Some(schema)) => diagnostics.add(
            Diagnostic::new("JSON has no schema file", schema.span.clone())
                .help("remove `schema:`, or say `format: avro` or `format: avro_plain`"),
        ),
        (Format::AvroPlain, None) => diagnostics.add(
            Diagnostic::new("`avro_plain` needs a schema file", format_span.clone())
                .help("add `schema: transaction.avsc`; or, if records carry a schema id, say `format: avro`"),
        ),
        _ => {}
    }
    if format == Format::Avro && surroundings.registry.is_none() {
        diagnostics.add(Diagnostic::new("`avro` needs a schema registry", format_span).help(
            "add `registry: {url: http://localhost:8081}` to the file; or, if records are bare Avro, say \
                 `format: avro_plain` with `schema:`",
        ));
    }
    let schema = input.schema.as_ref().filter(|_| format != Format::Json)?;
    let path = surroundings.directory.join(&schema.value);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            diagnostics.add(
                Diagnostic::new(
                    format!("cannot read the schema file {}: {error}", path.display()),
                    schema.span.clone(),
                )
                .help("the path is relative to the pipeline file"),
            );
            return None;
        }
    };
    match ReaderSchema::parse(&text) {
        Ok(_) => Some(text.into()),
        Err(error) => {
            diagnostics.add(Diagnostic::new(
                format!("{}: {error}", path.display()),
                schema.span.clone(),
            ));
            None
        }
    }
}

/// Looks up the fields that an input's own keys name.
struct Declared<'a> {
    input: &'a Input,
    fields: &'a BTreeMap<String, ResolvedField>,
    diagnostics: &'a mut Diagnostics,
}

impl Declared<'_> {
    fn field(&mut self, name: &Required<String>, role: &str, types: &[ValueType]) -> Option<String> {
        let name = name.0.as_ref()?;
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
                    format!("`{role}` names a field that is not declared: `{}`", name.value),
                    name.span.clone(),
                )
                .nearest(&name.value, self.fields.keys().map(String::as_str))
                .help(format!("add `{}: {wanted}` to `fields:`", name.value)),
            );
        }
        None
    }
}

/// Gives each field that is used a slot. A field named `event_time` keeps the canonical slot in expressions.
pub fn declare_fields(
    inputs: &[ResolvedInput],
    file_inputs: &Map<Input>,
    used: &BTreeSet<String>,
    names: &mut Names<'_>,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, Slot> {
    let mut slots = BTreeMap::new();
    for input in inputs {
        for (name, field) in input.fields.iter().filter(|(name, _)| used.contains(*name)) {
            if slots.contains_key(name) {
                continue;
            }
            if name == "event_time" {
                if input.event_time.as_ref() == Some(name) {
                    slots.insert(name.clone(), names.slot(name, ValueType::Timestamp));
                    continue;
                }
                diagnostics.add(
                    Diagnostic::new(
                        "`event_time` always means the field that `event_time:` names",
                        field.span.clone(),
                    )
                    .help("give this field another name: `other_time: {type: timestamp, path: event_time}`"),
                );
                continue;
            }
            if names.check_free(name, &field.span, diagnostics) {
                slots.insert(
                    name.clone(),
                    names.declare(name, field.value_type, ValueType::Float, field.span.clone()),
                );
            } else {
                names.declare_broken(name);
            }
        }
    }
    for (_, input) in file_inputs.iter() {
        for (key, declaration) in &input.fields.0 {
            let resolved = inputs.iter().any(|input| input.fields.contains_key(&key.name));
            if declaration.is_none() || !resolved {
                names.declare_broken(&key.name);
            }
        }
    }
    slots
}
