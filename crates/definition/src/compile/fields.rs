//! The fields of one input.

use super::names::is_identifier;
use crate::avro_types::{AvroTypes, Found};
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::field::LongField;
use crate::node::{Key, Span};
use crate::syntax::Input;
use riskstream_events::{AvroProjection, Field, InputFields, Slot, TimestampUnit, ValueType};
use std::collections::{BTreeMap, BTreeSet};

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

pub fn resolve_field(
    name: &Key,
    field: &LongField,
    types: Option<&AvroTypes>,
    diagnostics: &mut Diagnostics,
) -> Option<ResolvedField> {
    if !is_identifier(&name.name) {
        diagnostics.add(
            Diagnostic::new(format!("`{}` is not a name", name.name), name.span.clone()).help(
                "names are letters, digits and `_`; say where the field lies with `path:`: `{type: float, path: …}`",
            ),
        );
        return None;
    }
    let path_text = field
        .path
        .as_ref()
        .map_or(name.name.as_str(), |path| path.value.as_str());
    let path: Vec<String> = path_text.split('.').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        let span = field.path.as_ref().map_or(name.span.clone(), |path| path.span.clone());
        diagnostics.add(Diagnostic::new(format!("`{path_text}` is not a path"), span).help("write `payload.time`"));
        return None;
    }
    let value_type = match &field.r#type {
        Some(word) => word.value.0,
        None => {
            let place = field.path.as_ref().map_or(&name.span, |path| &path.span);
            type_from_schema(name, place, &path, types, diagnostics)?
        }
    };
    let personal = field.personal.as_ref().is_some_and(|personal| personal.value);
    if personal && value_type != ValueType::Text {
        let span = field
            .personal
            .as_ref()
            .map_or(name.span.clone(), |personal| personal.span.clone());
        diagnostics.add(
            Diagnostic::new(
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
    if let Some(unit) = field.unit.as_ref().filter(|_| value_type != ValueType::Timestamp) {
        diagnostics.add(
            Diagnostic::new(
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
    place: &Span,
    path: &[String],
    types: Option<&AvroTypes>,
    diagnostics: &mut Diagnostics,
) -> Option<ValueType> {
    let Some(types) = types else {
        diagnostics.add(
            Diagnostic::new(format!("field `{}` has no type", name.name), name.span.clone())
                .help("write `type:` with one of `bool`, `int`, `float`, `text` and `timestamp`"),
        );
        return None;
    };
    match types.find(path) {
        Found::Type(value_type) => Some(value_type),
        Found::Unsupported(what) => {
            diagnostics.add(
                Diagnostic::new(format!("field `{}` is {what}", name.name), place.clone())
                    .help("fields hold one number, text, time or boolean: take another one"),
            );
            None
        }
        Found::Missing { part, names } => {
            diagnostics.add(
                Diagnostic::new(format!("the schema has no field `{part}`"), place.clone())
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
pub fn add_schema_fields(types: &AvroTypes, input: &Input, fields: &mut BTreeMap<String, ResolvedField>) {
    let taken: BTreeSet<Vec<String>> = fields.values().map(|field| field.path.clone()).collect();
    for name in types.names() {
        let path = vec![name.clone()];
        let Found::Type(value_type) = types.find(&path) else {
            continue;
        };
        if taken.contains(&path) || input.fields.names().any(|declared| declared == name) {
            continue;
        }
        let span = input.schema.as_ref().map_or(0..0, |schema| schema.span.clone());
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
pub fn check_against_schema(
    input: &Input,
    schema: &str,
    fields: &BTreeMap<String, ResolvedField>,
    diagnostics: &mut Diagnostics,
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
                input.schema.as_ref().map_or(0..0, |schema| schema.span.clone())
            };
            if !missing {
                diagnostics.add(Diagnostic::new(error.to_string(), span));
            }
        }
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
