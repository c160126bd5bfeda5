//! Why a schema cannot be used.

/// Why the fields of a pipeline cannot be read from a writer's records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is no Avro schema.
    #[error("not an Avro schema: {0}")]
    Invalid(String),
    /// It is a schema of something else than records.
    #[error("the schema is {0}, not a record")]
    NotARecord(&'static str),
    /// It lacks a required field, and the reader's schema has no default for it.
    #[error("field {field}: the schema has no {path}")]
    MissingField {
        /// The field's name in the pipeline file.
        field: String,
        /// Its path in the record.
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
