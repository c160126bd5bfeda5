//! Avro to rows: a projection, compiled once from the writer's schema, that reads the plan's fields straight
//! from the bytes and skips the rest. No value is built but those that go into the row.
//!
//! Sources: the Avro 1.12 specification, "Binary encoding" and "Schema resolution".

mod compile;
mod decimal;
mod decode;
mod defaults;
mod program;
mod schema;

use crate::input::InputFields;
use apache_avro::Schema;
use program::Program;
use serde_json::Value as Json;

/// The schema that the pipeline was written for. It supplies what a writer's schema lacks: defaults, aliases,
/// and the unit of timestamps that the writer has as plain numbers.
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

/// Why a writer's records cannot be read as the pipeline wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is no Avro schema.
    #[error("not an Avro schema: {0}")]
    Invalid(String),
    /// What was written are no records.
    #[error("the schema is {0}, not a record")]
    NotARecord(&'static str),
    /// A required field is not there, and the reader's schema has no default for it.
    #[error("field {field}: the schema has no {path}")]
    MissingField {
        /// The field's name in the pipeline file.
        field: String,
        /// Where it should be.
        path: String,
    },
    /// A field's type cannot be read as what the pipeline declares.
    #[error("field {field}: the schema has {found} where {expected} is expected")]
    WrongType {
        /// The field's name in the pipeline file.
        field: String,
        /// The type in the schema.
        found: &'static str,
        /// The type that the pipeline declares.
        expected: &'static str,
    },
    /// The default in the reader's schema is not of the field's type.
    #[error("field {field}: the default in the reader's schema does not fit")]
    Default {
        /// The field's name in the pipeline file.
        field: String,
    },
}

/// A compiled projection of one writer's schema. Reads what [`convert`](crate::convert) lists, and besides:
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
/// | union | what the branch is; null is absent |
///
/// Fields are found by name or alias (of either schema). A field that the writer lacks takes the reader's
/// default, or is null. Records nested deeper than [`MAX_DEPTH`] are refused.
#[derive(Clone, Debug)]
pub struct AvroProjection {
    fields: InputFields,
    program: Program,
}

/// The depth of nesting up to which records are read; only recursive types come near it.
pub const MAX_DEPTH: usize = 256;

impl AvroProjection {
    /// Compiles the projection of records that were written with the schema `writer` (JSON text).
    pub fn compile(writer: &str, reader: Option<&ReaderSchema>, fields: &InputFields) -> Result<Self, SchemaError> {
        let mut json: Json = serde_json::from_str(writer).map_err(|error| SchemaError::Invalid(error.to_string()))?;
        remove_defaults(&mut json);
        let writer = Schema::parse(&json).map_err(|error| SchemaError::Invalid(error.to_string()))?;
        let program = compile::compile(&writer, reader.map(|reader| &reader.schema), fields)?;
        Ok(AvroProjection {
            fields: fields.clone(),
            program,
        })
    }
}

/// A writer's defaults say nothing of its records, and the parser refuses some that other libraries let pass.
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
