//! Inputs and their fields.

use super::names::{Names, is_identifier};
use crate::file::avro_types::{AvroTypes, Found};
use crate::file::field::LongField;
use crate::file::mistakes::{Mistake, Mistakes, enumerate};
use crate::file::node::{Key, Span};
use crate::file::read::{Map, Required, Spanned};
use crate::file::surface::{Format, Input, Registry};
use riskstream_events::{
    AvroProjection, Field, InputFields, ReaderSchema, Slot, TimestampUnit, ValueType,
};
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

/// A field that an input declares.
#[derive(Clone, Debug)]
pub struct ResolvedField {
    /// Where it lies in the record.
    pub path: Vec<String>,
    /// What it holds.
    pub value_type: ValueType,
    /// Whether only its pseudonym may be kept.
    pub personal: bool,
    /// Whether it must be there; `None` if the file does not say.
    pub required: Option<bool>,
    /// Of a timestamp that is a number.
    pub unit: Option<TimestampUnit>,
    /// Where it is declared.
    pub span: Span,
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
    mistakes: &mut Mistakes,
) -> Vec<ResolvedInput> {
    let mut resolved: Vec<ResolvedInput> = inputs
        .iter()
        .map(|(key, input)| resolve_input(key, input, surroundings, mistakes))
        .collect();
    resolved.sort_by_key(|input| input.name != "transactions");
    check_agreement(&resolved, mistakes);
    check_topics(inputs, mistakes);
    resolved
}

fn resolve_input(
    key: &Key,
    input: &Input,
    surroundings: &Surroundings<'_>,
    mistakes: &mut Mistakes,
) -> ResolvedInput {
    let format = input
        .format
        .as_ref()
        .map_or(Format::Json, |format| format.value);
    let schema = read_schema(key, input, format, surroundings, mistakes);
    let types = schema.as_deref().and_then(AvroTypes::new);
    let mut fields = BTreeMap::new();
    for (name, declaration) in input.fields.iter() {
        if let Some(field) = resolve_field(name, &declaration.0, types.as_ref(), mistakes) {
            fields.insert(name.name.clone(), field);
        }
    }
    if let Some(types) = &types {
        add_schema_fields(types, input, &mut fields);
    }
    let mut names = Declared {
        input,
        fields: &fields,
        mistakes,
    };
    let id = names.field(&input.id, "id", &[ValueType::Text, ValueType::Int]);
    let event_time = names.field(&input.event_time, "event_time", &[ValueType::Timestamp]);
    let record_key = input.key.as_ref().and_then(|key| {
        names.field(
            &Required(Some(key.clone())),
            "key",
            &[ValueType::Text, ValueType::Int],
        )
    });
    if let (Some(schema), Format::Avro | Format::AvroPlain) = (&schema, format) {
        check_against_schema(input, schema, &fields, mistakes);
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
    mistakes: &mut Mistakes,
) -> Option<Arc<str>> {
    let format_span = input
        .format
        .as_ref()
        .map_or(key.span.clone(), |format| format.span.clone());
    match (format, &input.schema) {
        (Format::Json, Some(schema)) => mistakes.add(
            Mistake::new("JSON has no schema file", schema.span.clone())
                .help("remove `schema:`, or say `format: avro` or `format: avro_plain`"),
        ),
        (Format::AvroPlain, None) => mistakes.add(
            Mistake::new("`avro_plain` needs a schema file", format_span.clone())
                .help("add `schema: transaction.avsc`; or, if records carry a schema id, say `format: avro`"),
        ),
        _ => {}
    }
    if format == Format::Avro && surroundings.registry.is_none() {
        mistakes.add(
            Mistake::new("`avro` needs a schema registry", format_span).help(
                "add `registry: {url: http://localhost:8081}` to the file; or, if records are bare Avro, say \
                 `format: avro_plain` with `schema:`",
            ),
        );
    }
    let schema = input.schema.as_ref().filter(|_| format != Format::Json)?;
    let path = surroundings.directory.join(&schema.value);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            mistakes.add(
                Mistake::new(
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
            mistakes.add(Mistake::new(
                format!("{}: {error}", path.display()),
                schema.span.clone(),
            ));
            None
        }
    }
}

fn resolve_field(
    name: &Key,
    field: &LongField,
    types: Option<&AvroTypes>,
    mistakes: &mut Mistakes,
) -> Option<ResolvedField> {
    if !is_identifier(&name.name) {
        mistakes.add(Mistake::new(format!("`{}` is not a name", name.name), name.span.clone()).help(
            "names are letters, digits and `_`; say where the field lies with `path:`: `{type: float, path: …}`",
        ));
        return None;
    }
    let path_text = field
        .path
        .as_ref()
        .map_or(name.name.as_str(), |path| path.value.as_str());
    let path: Vec<String> = path_text.split('.').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        let span = field
            .path
            .as_ref()
            .map_or(name.span.clone(), |path| path.span.clone());
        mistakes.add(
            Mistake::new(format!("`{path_text}` is not a path"), span).help("write `payload.time`"),
        );
        return None;
    }
    let value_type = match &field.r#type {
        Some(word) => word.value.0,
        None => type_from_schema(name, &path, types, mistakes)?,
    };
    let personal = field
        .personal
        .as_ref()
        .is_some_and(|personal| personal.value);
    if personal && value_type != ValueType::Text {
        let span = field
            .personal
            .as_ref()
            .map_or(name.span.clone(), |personal| personal.span.clone());
        mistakes.add(
            Mistake::new(
                format!(
                    "a personal field must be text, `{}` is {}",
                    name.name,
                    value_type.name()
                ),
                span,
            )
            .help("declare it as `type: text`; a number is then read as text"),
        );
        return None;
    }
    if let Some(unit) = field
        .unit
        .as_ref()
        .filter(|_| value_type != ValueType::Timestamp)
    {
        mistakes.add(
            Mistake::new(
                format!(
                    "a unit belongs to a timestamp, `{}` is {}",
                    name.name,
                    value_type.name()
                ),
                unit.span.clone(),
            )
            .help("remove `unit:`, or declare it as `type: timestamp`"),
        );
    }
    Some(ResolvedField {
        path,
        value_type,
        personal,
        required: field.required.as_ref().map(|required| required.value),
        unit: field.unit.as_ref().map(|unit| unit.value.0),
        span: name.span.clone(),
    })
}

fn type_from_schema(
    name: &Key,
    path: &[String],
    types: Option<&AvroTypes>,
    mistakes: &mut Mistakes,
) -> Option<ValueType> {
    let Some(types) = types else {
        mistakes.add(
            Mistake::new(
                format!("field `{}` has no type", name.name),
                name.span.clone(),
            )
            .help("write `type:` with one of `bool`, `int`, `float`, `text` and `timestamp`"),
        );
        return None;
    };
    match types.find(path) {
        Found::Type(value_type) => Some(value_type),
        Found::Unsupported(what) => {
            mistakes.add(Mistake::new(
                format!("field `{}` is {what}", name.name),
                name.span.clone(),
            ));
            None
        }
        Found::Missing { part, names } => {
            mistakes.add(
                Mistake::new(
                    format!("the schema has no field `{part}`"),
                    name.span.clone(),
                )
                .nearest(&part, names.iter().map(String::as_str))
                .help(format!(
                    "its fields are {}",
                    enumerate(names.iter().map(String::as_str))
                )),
            );
            None
        }
    }
}

/// The schema's own fields need not be declared.
fn add_schema_fields(
    types: &AvroTypes,
    input: &Input,
    fields: &mut BTreeMap<String, ResolvedField>,
) {
    let taken: BTreeSet<Vec<String>> = fields.values().map(|field| field.path.clone()).collect();
    for name in types.names() {
        let path = vec![name.clone()];
        let Found::Type(value_type) = types.find(&path) else {
            continue;
        };
        if taken.contains(&path) || input.fields.names().any(|declared| declared == name) {
            continue;
        }
        let span = input
            .schema
            .as_ref()
            .map_or(0..0, |schema| schema.span.clone());
        fields.insert(
            name,
            ResolvedField {
                path,
                value_type,
                personal: false,
                required: None,
                unit: None,
                span,
            },
        );
    }
}

/// Whether records of the schema can be read as declared.
fn check_against_schema(
    input: &Input,
    schema: &str,
    fields: &BTreeMap<String, ResolvedField>,
    mistakes: &mut Mistakes,
) {
    for (name, field) in fields {
        let single = Field {
            personal: false,
            ..field.to_field(name, 0, false)
        };
        let Ok(single) = InputFields::new(vec![single], None) else {
            continue;
        };
        if let Err(error) = AvroProjection::compile(schema, None, &single) {
            let missing = matches!(error, riskstream_events::SchemaError::MissingField { .. });
            let span = if input.fields.names().any(|declared| declared == name) {
                field.span.clone()
            } else {
                input
                    .schema
                    .as_ref()
                    .map_or(0..0, |schema| schema.span.clone())
            };
            if !missing {
                mistakes.add(Mistake::new(error.to_string(), span));
            }
        }
    }
}

/// Fields of one name are one thing, whichever input they come from.
fn check_agreement(inputs: &[ResolvedInput], mistakes: &mut Mistakes) {
    for (index, input) in inputs.iter().enumerate() {
        for (name, field) in &input.fields {
            let Some((other_input, other)) = inputs[..index]
                .iter()
                .find_map(|other| Some((other, other.fields.get(name)?)))
            else {
                continue;
            };
            let (what, first, second) = if field.value_type != other.value_type {
                (
                    "have one type",
                    other.value_type.name(),
                    field.value_type.name(),
                )
            } else if field.personal != other.personal {
                let word = |personal| if personal { "personal" } else { "not personal" };
                (
                    "both be personal or neither",
                    word(other.personal),
                    word(field.personal),
                )
            } else {
                continue;
            };
            mistakes.add(
                Mistake::new(
                    format!("fields of one name must {what}"),
                    field.span.clone(),
                )
                .label(format!("`{name}` of `{}` is {second}", input.name))
                .also(
                    other.span.clone(),
                    format!("`{name}` of `{}` is {first}", other_input.name),
                )
                .help("make them agree, or give one another name with `path:`"),
            );
        }
    }
}

fn check_topics(inputs: &Map<Input>, mistakes: &mut Mistakes) {
    let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
    for (_, input) in inputs.iter() {
        let Some(topic) = &input.topic.0 else {
            continue;
        };
        check_topic_name(topic, mistakes);
        if let Some(first) = seen.insert(&topic.value, &topic.span) {
            mistakes.add(
                Mistake::new(
                    format!("the topic `{}` is read twice", topic.value),
                    topic.span.clone(),
                )
                .label("the second time")
                .also(first.clone(), "the first time"),
            );
        }
    }
}

/// Kafka's rules for the name of a topic.
pub fn check_topic_name(topic: &Spanned<String>, mistakes: &mut Mistakes) {
    let name = topic.value.as_str();
    let legal = !name.is_empty()
        && name.len() <= 249
        && name != "."
        && name != ".."
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !legal {
        mistakes.add(
            Mistake::new(
                format!("`{name}` cannot be the name of a topic"),
                topic.span.clone(),
            )
            .help("a topic's name is 1 to 249 of the characters a-z, A-Z, 0-9, `.`, `_` and `-`"),
        );
    }
}

/// Looks up the fields that an input's own keys name.
struct Declared<'a> {
    input: &'a Input,
    fields: &'a BTreeMap<String, ResolvedField>,
    mistakes: &'a mut Mistakes,
}

impl Declared<'_> {
    fn field(
        &mut self,
        name: &Required<String>,
        role: &str,
        types: &[ValueType],
    ) -> Option<String> {
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
            self.mistakes.add(
                Mistake::new(
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
        let declared_but_broken = self
            .input
            .fields
            .names()
            .any(|declared| declared == name.value);
        if !declared_but_broken {
            let wanted = types[0].name();
            self.mistakes.add(
                Mistake::new(
                    format!(
                        "`{role}` names a field that is not declared: `{}`",
                        name.value
                    ),
                    name.span.clone(),
                )
                .nearest(&name.value, self.fields.keys().map(String::as_str))
                .help(format!("add `{}: {wanted}` to `fields:`", name.value)),
            );
        }
        None
    }
}

impl ResolvedField {
    /// The field as decoders want it.
    pub fn to_field(&self, name: &str, slot: Slot, required: bool) -> Field {
        Field {
            name: name.to_owned(),
            path: self.path.clone(),
            value_type: self.value_type,
            slot,
            required: self.required.unwrap_or(required),
            personal: self.personal,
            timestamp_unit: self.unit,
        }
    }
}

/// Gives each field that is used a slot. A field named `event_time` keeps the canonical slot in expressions.
pub fn declare_fields(
    inputs: &[ResolvedInput],
    file_inputs: &Map<Input>,
    used: &BTreeSet<String>,
    names: &mut Names<'_>,
    mistakes: &mut Mistakes,
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
                mistakes.add(
                    Mistake::new("`event_time` always means the field that `event_time:` names", field.span.clone())
                        .help("give this field another name: `other_time: {type: timestamp, path: event_time}`"),
                );
                continue;
            }
            if names.check_free(name, &field.span, mistakes) {
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
            let resolved = inputs
                .iter()
                .any(|input| input.fields.contains_key(&key.name));
            if declaration.is_none() || !resolved {
                names.declare_broken(&key.name);
            }
        }
    }
    slots
}
