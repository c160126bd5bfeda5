//! Decision records: a view that copies nothing, its encodings in JSON and Avro, and readers for both.

mod encode_avro;
mod encode_json;
mod owned;
mod read_avro;
mod record;
mod schemas;

pub use encode_avro::encode_avro;
pub use encode_json::encode_json;
pub use owned::{FeatureValue, OwnedDecisionRecord, OwnedLatency, OwnedModel, OwnedReason};
pub use read_avro::{AvroDecisionError, AvroDecisionReader};
pub use record::{DecisionId, DecisionReason, DecisionRecord, Latency, ModelRef};
pub use schemas::{DECISION_AVRO_SCHEMA, DECISION_JSON_SCHEMA, decision_avro_schema, decision_json_schema};
