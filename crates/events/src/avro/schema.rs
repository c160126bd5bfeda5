//! Lookups in a schema: names, aliases, units, types in words.

use super::error::SchemaError;
use crate::field::TimestampUnit;
use apache_avro::Schema;
use apache_avro::schema::{NamesRef, RecordField, ResolvedSchema};

/// All named types of a schema.
pub(super) fn names_of(schema: &Schema) -> Result<NamesRef<'_>, SchemaError> {
    let resolved = ResolvedSchema::new(schema).map_err(|error| SchemaError::Invalid(error.to_string()))?;
    Ok(resolved.get_names().clone())
}

/// Follows a reference to the type that it names.
pub(super) fn resolve<'s>(schema: &'s Schema, names: &NamesRef<'s>) -> Result<&'s Schema, SchemaError> {
    match schema {
        Schema::Ref { name } => {
            let named = names.get(name).copied();
            named.ok_or_else(|| SchemaError::Invalid(format!("no type {}", name.fullname(None))))
        }
        schema => Ok(schema),
    }
}

/// The field with this name or alias.
pub(super) fn field_called<'s>(fields: &'s [RecordField], name: &str) -> Option<&'s RecordField> {
    let by_name = fields.iter().find(|field| field.name == name);
    by_name.or_else(|| {
        fields
            .iter()
            .find(|field| field.aliases.iter().any(|alias| alias == name))
    })
}

/// The index of the writer's field that the pipeline calls `name` and the reader's schema has as `reader`.
pub(super) fn position(fields: &[RecordField], name: &str, reader: Option<&RecordField>) -> Option<usize> {
    let by_name = |name: &str| fields.iter().position(|field| field.name == name);
    let by_alias = |name: &str| {
        fields
            .iter()
            .position(|field| field.aliases.iter().any(|alias| alias == name))
    };
    let by_reader =
        |reader: &RecordField| by_name(&reader.name).or_else(|| reader.aliases.iter().find_map(|alias| by_name(alias)));
    by_name(name)
        .or_else(|| reader.and_then(by_reader))
        .or_else(|| by_alias(name))
}

/// The unit of a point in time that is a number of 64 bits.
pub(super) fn unit_of(schema: &Schema) -> Option<TimestampUnit> {
    match schema {
        Schema::TimestampMillis | Schema::LocalTimestampMillis => Some(TimestampUnit::Millis),
        Schema::TimestampMicros | Schema::LocalTimestampMicros => Some(TimestampUnit::Micros),
        Schema::TimestampNanos | Schema::LocalTimestampNanos => Some(TimestampUnit::Nanos),
        _ => None,
    }
}

/// Whether a timestamp is a local time.
pub(super) fn is_local(schema: &Schema) -> bool {
    matches!(
        schema,
        Schema::LocalTimestampMillis | Schema::LocalTimestampMicros | Schema::LocalTimestampNanos
    )
}

/// A schema's type in words.
pub(super) fn kind(schema: &Schema) -> &'static str {
    match schema {
        Schema::Null => "null",
        Schema::Boolean => "a boolean",
        Schema::Int => "an int",
        Schema::Long => "a long",
        Schema::Float => "a float",
        Schema::Double => "a double",
        Schema::Bytes => "bytes",
        Schema::String => "a string",
        Schema::Array(_) => "an array",
        Schema::Map(_) => "a map",
        Schema::Union(_) => "a union",
        Schema::Record(_) => "a record",
        Schema::Enum(_) => "an enum",
        Schema::Fixed(_) => "a fixed",
        Schema::Decimal(_) => "a decimal",
        Schema::BigDecimal => "a big-decimal",
        Schema::Uuid(_) => "a uuid",
        Schema::Date => "a date",
        Schema::TimeMillis | Schema::TimeMicros => "a time of day",
        Schema::TimestampMillis | Schema::TimestampMicros | Schema::TimestampNanos => "a timestamp",
        Schema::LocalTimestampMillis | Schema::LocalTimestampMicros | Schema::LocalTimestampNanos => {
            "a local timestamp"
        }
        Schema::Duration(_) => "a duration",
        Schema::Ref { .. } => "a named type",
    }
}
