//! How records name their writer's schema: in Confluent's prefix (a zero byte and the schema's id) or in a header of the
//! record. And what the framings of others look like, for messages.

use crate::reason::{DecodeError, ReasonCode};
use crate::uuid::uuid_text;
use std::fmt;

/// A schema's id in the registry.
pub type SchemaId = u32;

/// Length of what precedes the record.
pub const PREFIX_BYTES: usize = 5;

/// The header with the schema of a record's value. It precedes any prefix of the value.
pub const SCHEMA_ID_HEADER: &str = "__value_schema_id";

/// A record's reference to its writer's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaReference {
    /// By its id in the registry.
    Id(SchemaId),
    /// By its GUID, which is the same in all registries.
    Guid([u8; 16]),
}

impl fmt::Display for SchemaReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaReference::Id(id) => write!(f, "schema id {id}"),
            SchemaReference::Guid(guid) => write!(f, "schema GUID {}", uuid_text(guid, &mut [0; 36])),
        }
    }
}

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
            match likeness(bytes) {
                Some(likeness) => format!("no schema id: the value begins like {likeness}"),
                None => format!(
                    "no schema id: byte 0 is not 0 and there is no header `{SCHEMA_ID_HEADER}`; Avro without either is \
                     `format: avro_plain`"
                ),
            },
        )),
    }
}

/// The schema in the value of [`SCHEMA_ID_HEADER`]: a zero byte and an id, or the byte 1 and a GUID. What follows them is of
/// no meaning for Avro.
pub fn schema_in_header(value: &[u8]) -> Result<SchemaReference, DecodeError> {
    match value {
        [0, a, b, c, d, ..] => Ok(SchemaReference::Id(SchemaId::from_be_bytes([*a, *b, *c, *d]))),
        [1, rest @ ..] if rest.len() >= 16 => {
            let mut guid = [0; 16];
            guid.copy_from_slice(&rest[..16]);
            Ok(SchemaReference::Guid(guid))
        }
        _ => Err(DecodeError::rejected(
            ReasonCode::BadMagicByte,
            format!(
                "the header `{SCHEMA_ID_HEADER}` is neither 00 and an id of 4 bytes nor 01 and a GUID of 16 bytes, it has \
                 {} bytes",
                value.len()
            ),
        )),
    }
}

/// Appends the bytes that precede an Avro record written with schema `id`.
pub fn prefix(id: SchemaId, out: &mut Vec<u8>) {
    out.push(0);
    out.extend_from_slice(&id.to_be_bytes());
}

/// What a value without Confluent's prefix begins like, with the remedy if there is one.
fn likeness(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xc3, 0x01, ..] if bytes.len() >= 10 => Some("Avro's single-object encoding (C3 01 and a fingerprint)"),
        [3, 0 | 5, rest @ ..] if rest.len() >= 16 => Some("the AWS Glue Schema Registry's framing (03 and a UUID)"),
        [b'O', b'b', b'j', 1, ..] => Some("an Avro object container file, not a record"),
        [b'{', ..] => Some("JSON: write `format: json`"),
        _ => None,
    }
}

/// Adds to the error of a value that was read without a schema id what the value begins like, if that is another framing.
pub(crate) fn explain(error: DecodeError, bytes: &[u8]) -> DecodeError {
    use ReasonCode::{AvroMalformed, AvroTrailingBytes, AvroTruncated, InvalidUtf8, NotJson};
    let likeness = match bytes {
        [0, _, _, _, _, _, ..] => Some("Confluent's wire format (00 and a schema id): write `format: avro`"),
        _ => likeness(bytes),
    };
    match (error, likeness) {
        (DecodeError::Rejected(mut rejection), Some(likeness))
            if matches!(
                rejection.code,
                AvroMalformed | AvroTrailingBytes | AvroTruncated | InvalidUtf8 | NotJson
            ) =>
        {
            rejection.detail += &format!("; the value begins like {likeness}");
            DecodeError::Rejected(rejection)
        }
        (error, _) => error,
    }
}
