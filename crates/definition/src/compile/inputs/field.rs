//! A field of an input.

use super::avro_types::{AvroTypes, Found};
use crate::compile::names::is_identifier;
use crate::diagnostics::{Diagnostic, Diagnostics, Span, enumerate};
use crate::syntax::read::Spanned;
use crate::syntax::{Envelope, LongField};
use crate::text::Key;
use riskstream_events::zone::{TimeZone, time_zone};
use riskstream_events::{Derivation, Field, Slot, TimestampUnit, ValueType};

/// A field that an input declares.
#[derive(Clone, Debug)]
pub struct ResolvedField {
    /// Its place in the record: names from the outside in.
    pub path: Vec<String>,
    /// Its type.
    pub value_type: ValueType,
    /// Whether it is personal data: only its pseudonym is kept.
    pub personal: bool,
    /// Whether records must have it; `None` if the file does not say.
    pub required: Option<bool>,
    /// The unit of a timestamp that is a number.
    pub unit: Option<TimestampUnit>,
    /// The personal field that it is derived from, and how.
    pub derived: Option<(String, Derivation)>,
    /// The zone of a timestamp that is a local time.
    pub zone: Option<TimeZone>,
    /// The scale of a number in base64.
    pub decimal_scale: Option<u8>,
    /// Where it is declared.
    pub span: Span,
}

/// Checks a declaration. Its type comes from the schema if the declaration has none.
pub fn resolve_field(
    name: &Key,
    field: &LongField,
    types: Option<&AvroTypes>,
    envelope: Option<Envelope>,
    diagnostics: &mut Diagnostics,
) -> Option<ResolvedField> {
    if !is_identifier(&name.name) {
        diagnostics.add(
            Diagnostic::new(format!("`{}` is not a valid name", name.name), name.span.clone()).help(
                "names are letters, digits and `_`; give the field's place in the record with `path:`: `{type: float, path: …}`",
            ),
        );
        return None;
    }
    let path = resolve_path(name, field, envelope, diagnostics)?;
    let value_type = match &field.r#type {
        Some(word) => word.value.0,
        None => {
            let place = field.path.as_ref().map_or(&name.span, |path| &path.span);
            type_from_schema(name, place, &path, types, diagnostics)?
        }
    };
    check_kind(name, field, value_type, diagnostics);
    Some(ResolvedField {
        path,
        value_type,
        personal: resolve_personal(name, field, value_type, diagnostics)?,
        required: field.required.as_ref().map(|required| required.value),
        unit: field.unit.as_ref().map(|unit| unit.value.0),
        derived: None,
        zone: resolve_zone(field, diagnostics),
        decimal_scale: resolve_decimal_scale(field, diagnostics),
        span: name.span.clone(),
    })
}

/// The fields that are derived from a personal one, by name.
pub fn derived_fields(
    name: &Key,
    field: &LongField,
    source: &ResolvedField,
    diagnostics: &mut Diagnostics,
) -> Vec<(String, ResolvedField)> {
    if let Some((first, _)) = field.derive.0.first().filter(|_| !source.personal) {
        let message = format!("`{}` is not personal, so nothing is derived from it", name.name);
        let help =
            "add `personal: true`; other texts can be used as they are, as in `expression: field.startsWith(\"49\")`";
        diagnostics.add(Diagnostic::new(message, first.span.clone()).help(help));
        return Vec::new();
    }
    let derived = field.derive.iter().map(|(key, word)| {
        let derived = ResolvedField {
            derived: Some((name.name.clone(), word.0)),
            ..ResolvedField::plain(source.path.clone(), word.0.value_type(), key.span.clone())
        };
        (key.name.clone(), derived)
    });
    derived.collect()
}

/// The field `op` of an envelope: what the change is. A record without it is no change event: were it not required, the filter
/// would pass over it as over a deletion.
pub fn operation(envelope: &Spanned<Envelope>) -> ResolvedField {
    ResolvedField {
        required: Some(true),
        ..ResolvedField::plain(vec![OPERATION.to_owned()], ValueType::Text, envelope.span.clone())
    }
}

/// The name and the place of that field.
pub const OPERATION: &str = "op";

/// Where the row is in a record.
pub fn row_path(envelope: Option<Envelope>) -> Vec<String> {
    match envelope {
        Some(Envelope::Debezium) => vec!["after".to_owned()],
        None => Vec::new(),
    }
}

fn resolve_path(
    name: &Key,
    field: &LongField,
    envelope: Option<Envelope>,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<String>> {
    let (text, span) = match &field.path {
        Some(path) => (&path.value, &path.span),
        None => (&name.name, &name.span),
    };
    let (mut path, within) = match text.strip_prefix("$.") {
        Some(within) => (Vec::new(), within),
        None => (row_path(envelope), text.as_str()),
    };
    path.extend(within.split('.').map(str::to_owned));
    if path.iter().any(String::is_empty) {
        diagnostics.add(Diagnostic::new(format!("`{text}` is not a path"), span.clone()).help("write `payload.time`"));
        return None;
    }
    Some(path)
}

fn resolve_personal(
    name: &Key,
    field: &LongField,
    value_type: ValueType,
    diagnostics: &mut Diagnostics,
) -> Option<bool> {
    let Some(personal) = field.personal.as_ref().filter(|personal| personal.value) else {
        return Some(false);
    };
    if value_type == ValueType::Text {
        return Some(true);
    }
    let message = format!(
        "a personal field must be text, `{}` is {}",
        name.name,
        value_type.name()
    );
    diagnostics
        .add(Diagnostic::new(message, personal.span.clone()).help("write `type: text`; numbers are then read as text"));
    None
}

fn resolve_zone(field: &LongField, diagnostics: &mut Diagnostics) -> Option<TimeZone> {
    let name = field.zone.as_ref()?;
    let zone = time_zone(&name.value);
    if zone.is_none() {
        diagnostics.add(
            Diagnostic::new(format!("there is no time zone `{}`", name.value), name.span.clone())
                .help("write a name of the IANA database such as `Europe/Berlin`, or an offset such as `+02:00`"),
        );
    }
    zone
}

fn resolve_decimal_scale(field: &LongField, diagnostics: &mut Diagnostics) -> Option<u8> {
    let scale = field.decimal_scale.as_ref()?;
    let fits = u8::try_from(scale.value).ok();
    if fits.is_none() {
        diagnostics.add(Diagnostic::new("a scale is at most 255", scale.span.clone()));
    }
    fits
}

/// Checks that the keys for one type of value are those of the field's type.
fn check_kind(name: &Key, field: &LongField, value_type: ValueType, diagnostics: &mut Diagnostics) {
    if let Some(unit) = field.unit.as_ref().filter(|_| value_type != ValueType::Timestamp) {
        let message = format!("only a timestamp has a unit, `{}` is {}", name.name, value_type.name());
        diagnostics.add(
            Diagnostic::new(message, unit.span.clone()).help("remove `unit:`, or declare it as `type: timestamp`"),
        );
    }
    if let Some(zone) = field.zone.as_ref().filter(|_| value_type != ValueType::Timestamp) {
        let message = format!("only a timestamp has a zone, `{}` is {}", name.name, value_type.name());
        diagnostics.add(
            Diagnostic::new(message, zone.span.clone()).help("remove `zone:`, or declare it as `type: timestamp`"),
        );
    }
    let is_number = matches!(value_type, ValueType::Int | ValueType::Float);
    if let Some(scale) = field.decimal_scale.as_ref().filter(|_| !is_number) {
        let message = format!("only a number has a scale, `{}` is {}", name.name, value_type.name());
        diagnostics.add(
            Diagnostic::new(message, scale.span.clone())
                .help("remove `decimal_scale:`, or declare it as `type: float` or `type: int`"),
        );
    }
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
                .help("add `type:` with one of `bool`, `int`, `float`, `text` and `timestamp`"),
        );
        return None;
    };
    match types.find(path) {
        Found::Type(value_type) => Some(value_type),
        Found::Unsupported(what) => {
            diagnostics.add(
                Diagnostic::new(format!("field `{}` is {what}", name.name), place.clone())
                    .help("a field holds one number, text, timestamp or boolean: use another field"),
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

impl ResolvedField {
    /// A field of which the file says no more than its place and type.
    pub fn plain(path: Vec<String>, value_type: ValueType, span: Span) -> ResolvedField {
        ResolvedField {
            path,
            value_type,
            personal: false,
            required: None,
            unit: None,
            derived: None,
            zone: None,
            decimal_scale: None,
            span,
        }
    }

    /// The field for decoders. It is not required.
    pub fn to_field(&self, name: &str, slot: Slot) -> Field {
        Field {
            name: name.to_owned(),
            path: self.path.clone(),
            value_type: self.value_type,
            slot,
            required: false,
            personal: self.personal,
            timestamp_unit: self.unit,
            zone: self.zone.clone(),
            decimal_scale: self.decimal_scale,
        }
    }
}
