//! The decoder of an input in any format, with the schemas of its writers.

use crate::avro::{AvroProjection, ReaderSchema, SchemaError};
use crate::framing::{self, PREFIX_BYTES, SchemaReference, schema_in_header};
use crate::input::InputFields;
use crate::json::JsonDecoder;
use crate::reason::{DecodeError, ReasonCode, Rejection};
use crate::record_key::text_of;
use crate::value::Row;
use std::collections::HashMap;
use std::sync::Arc;

/// The largest record that is decoded unless the pipeline says otherwise: 1 MiB, Kafka's own default.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Why there is no schema for a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaSourceError {
    /// The registry answered that there is no such schema.
    #[error("no such schema")]
    Unknown,
    /// The registry did not answer, or not with a schema.
    #[error("{0}")]
    Unavailable(String),
}

/// The source of writer schemas: in the service, the schema registry.
pub trait SchemaSource: Send {
    /// The JSON text of the schema with this id or GUID.
    fn writer_schema(&mut self, reference: SchemaReference) -> Result<Arc<str>, SchemaSourceError>;
}

/// Decodes one input's records into rows.
pub struct InputDecoder {
    format: Format,
    max_bytes: usize,
    /// For records without a value: the one field that their keys are.
    key: Option<Box<InputFields>>,
}

enum Format {
    Json(JsonDecoder),
    AvroFile(AvroProjection),
    AvroRegistry(Box<Registry>),
}

impl InputDecoder {
    /// JSON.
    pub fn json(fields: &InputFields) -> Self {
        Self::new(Format::Json(JsonDecoder::new(fields)))
    }

    /// Avro without a prefix, written with the one schema in `writer`. `reader` supplies aliases and defaults.
    pub fn avro(writer: &str, reader: Option<&ReaderSchema>, fields: &InputFields) -> Result<Self, SchemaError> {
        let projection = AvroProjection::compile(writer, reader, fields)?;
        Ok(Self::new(Format::AvroFile(projection)))
    }

    /// Avro whose records name their schema in a prefix or a header. `reader` supplies aliases and defaults.
    pub fn registry(source: Box<dyn SchemaSource>, reader: Option<ReaderSchema>, fields: &InputFields) -> Self {
        Self::new(Format::AvroRegistry(Box::new(Registry {
            source,
            reader,
            fields: fields.clone(),
            schemas: HashMap::new(),
            unknown: HashMap::new(),
            last: None,
        })))
    }

    /// Rejects records above `max_bytes` instead of above [`MAX_RECORD_BYTES`].
    pub fn with_max_bytes(self, max_bytes: usize) -> Self {
        InputDecoder { max_bytes, ..self }
    }

    fn new(format: Format) -> Self {
        InputDecoder {
            format,
            max_bytes: MAX_RECORD_BYTES,
            key: None,
        }
    }

    /// Decodes keys of records as well: `field` is the first of these fields, others are derived from it.
    pub fn with_key(self, field: &InputFields) -> Self {
        InputDecoder {
            key: Some(Box::new(field.clone())),
            ..self
        }
    }

    /// Resets `row` and stores the key of a record in its field: see [`InputDecoder::with_key`].
    ///
    /// # Errors
    /// The bytes are no key, or no value of the field.
    pub fn decode_key(&self, key: Option<&[u8]>, row: &mut Row) -> Result<(), Rejection> {
        let missing = |detail: &str| Rejection::new(ReasonCode::MissingKey, detail);
        let Some(field) = &self.key else {
            return Err(missing("keys are not read"));
        };
        let key = key.ok_or_else(|| missing("the record has no value and no key: it deletes no row"))?;
        let is_framed = matches!(self.format, Format::AvroRegistry(_));
        let text = text_of(key, is_framed).ok_or_else(|| missing("the record's key cannot be read as one value"))?;
        field.reset(row);
        field.set_text(0, &text, row)?;
        field.finish(row)
    }

    /// Resets `row` and stores the fields of the record in `bytes`.
    pub fn decode(&mut self, bytes: &[u8], row: &mut Row) -> Result<(), DecodeError> {
        self.decode_with_header(None, bytes, row)
    }

    /// The same for a record with this value of the header [`SCHEMA_ID_HEADER`](crate::framing::SCHEMA_ID_HEADER). The header
    /// precedes a prefix: the value then has none, even if its first byte is 0.
    pub fn decode_with_header(
        &mut self,
        header: Option<&[u8]>,
        bytes: &[u8],
        row: &mut Row,
    ) -> Result<(), DecodeError> {
        if bytes.is_empty() {
            return Err(DecodeError::rejected(ReasonCode::EmptyPayload, "no bytes"));
        }
        if bytes.len() > self.max_bytes {
            let detail = format!("{} bytes, more than {}", bytes.len(), self.max_bytes);
            return Err(DecodeError::rejected(ReasonCode::TooLarge, detail));
        }
        match &mut self.format {
            Format::Json(decoder) => {
                // JSON never begins with a zero byte: this is the prefix of Confluent's serializer for JSON Schema.
                let json = match bytes {
                    [0, ..] => bytes.get(PREFIX_BYTES..).unwrap_or_default(),
                    _ => bytes,
                };
                match decoder.decode(json, row) {
                    Err(error) if !json.starts_with(b"{") => Err(framing::explain(error, json)),
                    decoded => decoded,
                }
            }
            Format::AvroFile(projection) => {
                let decoded = projection.decode(bytes, row);
                decoded.map_err(|error| framing::explain(error, bytes))
            }
            Format::AvroRegistry(registry) => {
                let (reference, bytes) = match header {
                    Some(header) => (schema_in_header(header)?, bytes),
                    None => {
                        let (id, bytes) = framing::split(bytes)?;
                        (SchemaReference::Id(id), bytes)
                    }
                };
                registry.projection(reference)?.decode(bytes, row)
            }
        }
    }
}

/// Compiled projections by what records call their schema.
struct Registry {
    source: Box<dyn SchemaSource>,
    reader: Option<ReaderSchema>,
    fields: InputFields,
    /// The projection of each schema, or why there is none. Schemas never change.
    schemas: HashMap<SchemaReference, Result<Arc<AvroProjection>, Rejection>>,
    /// For each unknown schema how many more of its records are rejected before the registry is asked again.
    unknown: HashMap<SchemaReference, u32>,
    last: Option<(SchemaReference, Arc<AvroProjection>)>,
}

/// An unknown schema may be registered later, so the registry is asked again after this many records.
const ASK_AGAIN_AFTER: u32 = 1_000;
/// Ids come from records. This bounds the memory for unknown ones.
const MAX_UNKNOWN: usize = 1_000;

impl Registry {
    fn projection(&mut self, reference: SchemaReference) -> Result<Arc<AvroProjection>, DecodeError> {
        if let Some((last, projection)) = &self.last
            && *last == reference
        {
            return Ok(projection.clone());
        }
        if !self.schemas.contains_key(&reference) {
            let compiled = self.compile(reference)?;
            self.schemas.insert(reference, compiled);
        }
        let projection = self.schemas[&reference].clone()?;
        self.last = Some((reference, projection.clone()));
        Ok(projection)
    }

    fn compile(&mut self, reference: SchemaReference) -> Result<Result<Arc<AvroProjection>, Rejection>, DecodeError> {
        let unknown = || DecodeError::rejected(ReasonCode::UnknownSchemaId, unknown_detail(reference));
        if let Some(left @ 1..) = self.unknown.get_mut(&reference) {
            *left -= 1;
            return Err(unknown());
        }
        match self.source.writer_schema(reference) {
            Ok(schema) => {
                self.unknown.remove(&reference);
                let compiled = AvroProjection::compile(&schema, self.reader.as_ref(), &self.fields);
                Ok(compiled
                    .map(Arc::new)
                    .map_err(|error| Rejection::new(ReasonCode::SchemaMismatch, format!("{reference}: {error}"))))
            }
            Err(SchemaSourceError::Unknown) => {
                if self.unknown.len() >= MAX_UNKNOWN {
                    self.unknown.clear();
                }
                self.unknown.insert(reference, ASK_AGAIN_AFTER);
                Err(unknown())
            }
            Err(SchemaSourceError::Unavailable(why)) => Err(DecodeError::Unavailable(why)),
        }
    }
}

/// Apicurio's own framing has an id of 8 bytes, whose first half is 0.
fn unknown_detail(reference: SchemaReference) -> String {
    match reference {
        SchemaReference::Id(0) => {
            "schema id 0; Apicurio's serializers write ids of 8 bytes unless they are set to Confluent's of 4"
                .to_owned()
        }
        reference => reference.to_string(),
    }
}
