//! The topic contract: values and rows, codecs from bytes to rows and from decisions to bytes,
//! masking of personal data. Knows nothing of Kafka, state, clocks or configuration files.
#![forbid(unsafe_code)]

pub mod avro;
mod avro_decision;
pub mod convert;
pub mod dead_letter;
pub mod decision;
pub mod display;
pub mod flags;
pub mod frame;
pub mod input;
pub mod json;
pub mod outcome;
mod owned_decision;
pub mod pseudonym;
pub mod reason;
pub mod time;
mod tree;
pub mod value;
pub mod varint;
pub mod wire;

pub use avro::{AvroProjection, ReaderSchema, SchemaError};
pub use avro_decision::{AvroDecisionError, AvroDecisionReader};
pub use decision::{
    DECISION_AVRO_SCHEMA, DECISION_JSON_SCHEMA, DecisionId, DecisionRecord, Latency, ModelRef, Reason, encode_avro,
    encode_json,
};
pub use flags::Flags;
pub use frame::{FrameError, FrameHeader, FrameReader, FrameWriter, RowHeader};
pub use input::{Field, FieldError, InputFields, TimestampUnit};
pub use json::JsonDecoder;
pub use outcome::{Outcome, UnknownOutcome};
pub use owned_decision::{FeatureValue, OwnedDecisionRecord, OwnedLatency, OwnedModel, OwnedReason};
pub use pseudonym::Pseudonymizer;
pub use reason::{DecodeError, ReasonCode, Rejection};
pub use value::{Row, Slot, Value, ValueType};
pub use wire::{InputDecoder, SchemaId, SchemaSource, SchemaSourceError};
