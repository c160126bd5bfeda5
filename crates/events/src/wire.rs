//! Confluent's wire format (a zero byte and the schema's id in front of the Avro bytes), and the decoder of an input in any
//! format.

use crate::avro::{AvroProjection, ReaderSchema, SchemaError};
use crate::input::InputFields;
use crate::json::JsonDecoder;
use crate::reason::{DecodeError, ReasonCode, Rejection};
use crate::value::Row;
use std::collections::HashMap;
use std::sync::Arc;

/// A schema's id in the registry.
pub type SchemaId = u32;

/// Length of what precedes the Avro record.
pub const PREFIX_BYTES: usize = 5;

/// The largest record that is decoded unless the pipeline says otherwise: 1 MiB, Kafka's own default.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Splits a record into its schema's id and the Avro bytes.
pub fn split(bytes: &[u8]) -> Result<(SchemaId, &[u8]), DecodeError> {
    match bytes {
        [0, a, b, c, d, rest @ ..] => Ok((SchemaId::from_be_bytes([*a, *b, *c, *d]), rest)),
        [0, ..] => Err(DecodeError::rejected(
            ReasonCode::AvroTruncated,
            format!("the schema id needs {PREFIX_BYTES} bytes, there are {}", bytes.len()),
        )),
        [] => Err(DecodeError::rejected(ReasonCode::EmptyPayload, "no bytes")),
        _ => Err(DecodeError::rejected(
            ReasonCode::BadMagicByte,
            "byte 0 is not 0: not written by a serializer with a schema registry",
        )),
    }
}

/// Appends the bytes that precede an Avro record written with schema `id`.
pub fn prefix(id: SchemaId, out: &mut Vec<u8>) {
    out.push(0);
    out.extend_from_slice(&id.to_be_bytes());
}

/// Why there is no schema for an id.
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
    /// The JSON text of the schema with this id.
    fn writer_schema(&mut self, id: SchemaId) -> Result<Arc<str>, SchemaSourceError>;
}

/// Decodes one input's records into rows.
pub struct InputDecoder {
    format: Format,
    max_bytes: usize,
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

    /// Avro in Confluent's wire format. `reader` supplies aliases and defaults.
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
        }
    }

    /// Resets `row` and stores the fields of the record in `bytes`.
    pub fn decode(&mut self, bytes: &[u8], row: &mut Row) -> Result<(), DecodeError> {
        if bytes.is_empty() {
            return Err(DecodeError::rejected(ReasonCode::EmptyPayload, "no bytes"));
        }
        if bytes.len() > self.max_bytes {
            let detail = format!("{} bytes, more than {}", bytes.len(), self.max_bytes);
            return Err(DecodeError::rejected(ReasonCode::TooLarge, detail));
        }
        match &mut self.format {
            Format::Json(decoder) => decoder.decode(bytes, row),
            Format::AvroFile(projection) => projection.decode(bytes, row),
            Format::AvroRegistry(registry) => {
                let (id, bytes) = split(bytes)?;
                registry.projection(id)?.decode(bytes, row)
            }
        }
    }
}

/// Compiled projections by schema id.
struct Registry {
    source: Box<dyn SchemaSource>,
    reader: Option<ReaderSchema>,
    fields: InputFields,
    /// The projection of each schema, or why there is none. Schemas never change.
    schemas: HashMap<SchemaId, Result<Arc<AvroProjection>, Rejection>>,
    /// For each unknown id how many more of its records are rejected before the registry is asked again.
    unknown: HashMap<SchemaId, u32>,
    last: Option<(SchemaId, Arc<AvroProjection>)>,
}

/// An unknown schema may be registered later, so the registry is asked again after this many records.
const ASK_AGAIN_AFTER: u32 = 1_000;
/// Ids come from records. This bounds the memory for unknown ones.
const MAX_UNKNOWN: usize = 1_000;

impl Registry {
    fn projection(&mut self, id: SchemaId) -> Result<Arc<AvroProjection>, DecodeError> {
        if let Some((last, projection)) = &self.last
            && *last == id
        {
            return Ok(projection.clone());
        }
        if !self.schemas.contains_key(&id) {
            let compiled = self.compile(id)?;
            self.schemas.insert(id, compiled);
        }
        let projection = self.schemas[&id].clone()?;
        self.last = Some((id, projection.clone()));
        Ok(projection)
    }

    fn compile(&mut self, id: SchemaId) -> Result<Result<Arc<AvroProjection>, Rejection>, DecodeError> {
        let unknown = || DecodeError::rejected(ReasonCode::UnknownSchemaId, format!("schema id {id}"));
        if let Some(left @ 1..) = self.unknown.get_mut(&id) {
            *left -= 1;
            return Err(unknown());
        }
        match self.source.writer_schema(id) {
            Ok(schema) => {
                self.unknown.remove(&id);
                let compiled = AvroProjection::compile(&schema, self.reader.as_ref(), &self.fields);
                Ok(compiled
                    .map(Arc::new)
                    .map_err(|error| Rejection::new(ReasonCode::SchemaMismatch, format!("schema id {id}: {error}"))))
            }
            Err(SchemaSourceError::Unknown) => {
                if self.unknown.len() >= MAX_UNKNOWN {
                    self.unknown.clear();
                }
                self.unknown.insert(id, ASK_AGAIN_AFTER);
                Err(unknown())
            }
            Err(SchemaSourceError::Unavailable(why)) => Err(DecodeError::Unavailable(why)),
        }
    }
}
