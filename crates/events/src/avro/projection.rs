//! A projection of one writer's schema: its compilation, and the reader's schema that helps with it.

use super::compile::compile;
use super::connect::add_logical_types;
use super::error::SchemaError;
use super::names::parse_schema;
use super::program::Program;
use crate::input::InputFields;
use apache_avro::Schema;
use serde_json::Value as Json;

/// The schema that the pipeline was written for. It supplies what a writer's schema may lack: defaults, aliases, and the unit
/// of timestamps that the writer has as plain numbers.
#[derive(Clone, Debug)]
pub struct ReaderSchema {
    schema: Schema,
}

impl ReaderSchema {
    /// Parses a schema's JSON text.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        Ok(ReaderSchema {
            schema: parse(&json(text)?)?,
        })
    }
}

fn json(text: &str) -> Result<Json, SchemaError> {
    serde_json::from_str(text).map_err(|error| SchemaError::Invalid(error.to_string()))
}

fn parse(schema: &Json) -> Result<Schema, SchemaError> {
    parse_schema(schema).map_err(|error| SchemaError::Invalid(error.to_string()))
}

/// A compiled projection of one writer's schema. Reads what [`convert`](crate::convert) lists, and in addition:
///
/// | in the schema | read as |
/// | --- | --- |
/// | timestamp-millis, -micros, -nanos | timestamp; its number as int or float |
/// | local-timestamp-millis, -micros, -nanos, date | timestamp in the field's zone, or else UTC; its number as int or float |
/// | int, long, float, double, string | timestamp in the reader schema's or else the field's unit |
/// | Debezium's Timestamp, MicroTimestamp, NanoTimestamp, Date (`connect.name`) | as local-timestamp-millis, …, date |
/// | decimal (bytes or fixed, up to 128 bits) | the nearest float; int if integral |
/// | Debezium's VariableScaleDecimal | the same |
/// | bytes, if the field has a `decimal_scale` | the same |
/// | enum | text, its symbol |
/// | uuid (string, bytes or fixed) | text |
/// | bytes | text if UTF-8 |
/// | map | its values by path, like a record's fields |
/// | union | as its branch; null is absent |
///
/// Fields are found by name or alias (of either schema). A field that the writer lacks takes the reader's
/// default, or is null. Records nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH) are refused.
#[derive(Clone, Debug)]
pub struct AvroProjection {
    pub(super) fields: InputFields,
    pub(super) program: Program,
}

impl AvroProjection {
    /// Compiles the projection of records that were written with the schema `writer` (JSON text).
    pub fn compile(writer: &str, reader: Option<&ReaderSchema>, fields: &InputFields) -> Result<Self, SchemaError> {
        let mut writer = json(writer)?;
        simplify(&mut writer);
        add_logical_types(&mut writer);
        let writer = parse(&writer)?;
        let program = compile(&writer, reader.map(|reader| &reader.schema), fields)?;
        Ok(AvroProjection {
            fields: fields.clone(),
            program,
        })
    }
}

/// Removes from a writer's schema what has no meaning for its records but may make the parser refuse it: defaults, which other
/// libraries do not check, and the type `error`, which is written like a record.
fn simplify(schema: &mut Json) {
    match schema {
        Json::Object(members) => {
            members.remove("default");
            if members.get("type").is_some_and(|kind| kind == "error") && members.contains_key("fields") {
                members.insert("type".to_owned(), "record".into());
            }
            members.values_mut().for_each(simplify);
        }
        Json::Array(items) => items.iter_mut().for_each(simplify),
        _ => {}
    }
}
