//! A projection of one writer's schema: its compilation, and the reader's schema that helps with it.

use super::compile::compile;
use super::error::SchemaError;
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
        let schema = Schema::parse_str(text).map_err(|error| SchemaError::Invalid(error.to_string()))?;
        Ok(ReaderSchema { schema })
    }
}

/// A compiled projection of one writer's schema. Reads what [`convert`](crate::convert) lists, and in addition:
///
/// | in the schema | read as |
/// | --- | --- |
/// | timestamp-millis, -micros, -nanos, local ones (as UTC), date | timestamp; its number as int or float |
/// | int, long, float, double, string | timestamp in the reader schema's or else the field's unit |
/// | decimal (bytes or fixed, up to 128 bits) | the nearest float; int if integral |
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
        let mut json: Json = serde_json::from_str(writer).map_err(|error| SchemaError::Invalid(error.to_string()))?;
        remove_defaults(&mut json);
        let writer = Schema::parse(&json).map_err(|error| SchemaError::Invalid(error.to_string()))?;
        let program = compile(&writer, reader.map(|reader| &reader.schema), fields)?;
        Ok(AvroProjection {
            fields: fields.clone(),
            program,
        })
    }
}

/// A writer's defaults have no meaning for its records, and the parser refuses some that other libraries accept.
fn remove_defaults(schema: &mut Json) {
    match schema {
        Json::Object(members) => {
            members.remove("default");
            members.values_mut().for_each(remove_defaults);
        }
        Json::Array(items) => items.iter_mut().for_each(remove_defaults),
        _ => {}
    }
}
