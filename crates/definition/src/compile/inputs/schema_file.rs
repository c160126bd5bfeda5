//! The Avro schema file of an input: its text, the types of its fields, and whether declared fields match it.

use super::avro_types::{AvroTypes, Found};
use super::field::{ResolvedField, row_path};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::files::read_text;
use crate::syntax::{Format, Input};
use crate::text::Key;
use riskstream_events::{AvroProjection, Field, InputFields, ReaderSchema, SchemaError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Checks that the format of an input has the schema file or registry that it needs.
pub fn check_format(key: &Key, input: &Input, format: Format, has_registry: bool, diagnostics: &mut Diagnostics) {
    let format_span = input
        .format
        .as_ref()
        .map_or(key.span.clone(), |format| format.span.clone());
    match (format, &input.schema) {
        (Format::Json, Some(schema)) => diagnostics.add(
            Diagnostic::new("JSON has no schema file", schema.span.clone())
                .help("remove `schema:`, or write `format: avro` or `format: avro_plain`"),
        ),
        (Format::AvroPlain, None) => diagnostics.add(
            Diagnostic::new("`avro_plain` needs a schema file", format_span.clone())
                .help("add `schema: transaction.avsc`; if records carry a schema id, write `format: avro` instead"),
        ),
        _ => {}
    }
    if format == Format::Avro && !has_registry {
        diagnostics.add(Diagnostic::new("`avro` needs a schema registry", format_span).help(
            "add `registry: {url: http://localhost:8081}` to the file; if records are plain Avro, write \
                 `format: avro_plain` and `schema:` instead",
        ));
    }
}

/// Reads and parses the schema file of an input, if it has one.
pub fn read_schema(input: &Input, format: Format, directory: &Path, diagnostics: &mut Diagnostics) -> Option<Arc<str>> {
    let schema = input.schema.as_ref().filter(|_| format != Format::Json)?;
    let path = directory.join(&schema.value);
    let text = match read_text(&path) {
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

/// Adds the schema's fields, of the row if there is an envelope, that the pipeline file does not declare.
pub fn add_schema_fields(types: &AvroTypes, input: &Input, fields: &mut BTreeMap<String, ResolvedField>) {
    let taken: BTreeSet<Vec<String>> = fields.values().map(|field| field.path.clone()).collect();
    let row = row_path(input.envelope.as_ref().map(|envelope| envelope.value));
    for name in types.names(&row) {
        let path: Vec<String> = row.iter().chain([&name]).cloned().collect();
        let Found::Type(value_type) = types.find(&path) else {
            continue;
        };
        if taken.contains(&path) || input.fields.names().any(|declared| declared == name) || fields.contains_key(&name)
        {
            continue;
        }
        let span = input.schema.as_ref().map_or(0..0, |schema| schema.span.clone());
        fields.insert(name, ResolvedField::plain(path, value_type, span));
    }
}

/// Checks that the types of the schema can be read as the declared ones.
pub fn check_against_schema(
    input: &Input,
    schema: &str,
    fields: &BTreeMap<String, ResolvedField>,
    diagnostics: &mut Diagnostics,
) {
    for (name, field) in fields.iter().filter(|(_, field)| field.derived.is_none()) {
        let single = Field {
            personal: false,
            ..field.to_field(name, 0)
        };
        let Ok(single) = InputFields::new(vec![single], None) else {
            continue;
        };
        let Err(error) = AvroProjection::compile(schema, None, &single) else {
            continue;
        };
        // Paths that the schema lacks are found before, with the names that it has.
        if !matches!(error, SchemaError::MissingField { .. }) {
            let is_declared = input.fields.names().any(|declared| declared == name);
            let schema_span = || input.schema.as_ref().map_or(0..0, |schema| schema.span.clone());
            let span = if is_declared { field.span.clone() } else { schema_span() };
            diagnostics.add(Diagnostic::new(error.to_string(), span));
        }
    }
}
