//! The topic contract: values and rows, codecs from bytes to rows and from decisions to bytes, pseudonyms for personal data. It
//! knows no Kafka, state, clock or configuration file.
#![forbid(unsafe_code)]

pub mod avro;
pub mod calendar;
pub mod convert;
pub mod dead_letter;
mod decimal;
pub mod decision;
mod derive;
pub mod display;
pub mod field;
pub mod flags;
pub mod frame;
pub mod framing;
pub mod header;
pub mod input;
pub mod ip;
pub mod json;
mod key;
mod key_share;
pub mod outcome;
pub mod pseudonym;
mod published;
pub mod reason;
pub mod record_key;
pub mod time;
mod tree;
mod twos_complement;
pub mod uuid;
pub mod value;
pub mod varint;
pub mod wire;
pub mod zone;

pub use avro::{AvroProjection, ReaderSchema, SchemaError, add_logical_types, is_variable_scale_decimal};
pub use decision::{
    AvroDecisionError, AvroDecisionReader, DECISION_AVRO_SCHEMA, DECISION_JSON_SCHEMA, DecisionId, DecisionReason,
    DecisionRecord, FeatureValue, Latency, ModelRef, OwnedDecisionRecord, OwnedLatency, OwnedModel, OwnedReason,
    decision_avro_schema, decision_json_schema, encode_avro, encode_json,
};
pub use derive::{Derivation, DerivedField, has_check_digit};
pub use field::{Field, TimestampUnit};
pub use flags::Flags;
pub use frame::{FrameError, FrameHeader, FrameReader, FrameWriter, RowHeader};
pub use framing::{SchemaId, SchemaReference};
pub use input::{FieldError, InputFields};
pub use json::JsonDecoder;
pub use key::{key_of_parts, write_key};
pub use key_share::{KeyShare, place_of_key};
pub use outcome::{Outcome, Outcomes, OutcomesError};
pub use pseudonym::{Pseudonymizer, is_pseudonym};
pub use published::PublishedPseudonyms;
pub use reason::{DecodeError, ReasonCode, Rejection};
pub use value::{Row, Slot, Value, ValueType};
pub use wire::{InputDecoder, SchemaSource, SchemaSourceError};
