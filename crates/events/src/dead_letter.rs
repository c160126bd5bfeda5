//! The headers of a dead letter. Its key and value are those of the record that could not be processed.

pub use crate::reason::ReasonCode;

/// The [`ReasonCode`]'s word.
pub const REASON: &str = "riskstream.reason";
/// Which field, and where; never a value.
pub const DETAIL: &str = "riskstream.detail";
/// The topic that the record came from.
pub const TOPIC: &str = "riskstream.topic";
/// The partition that the record came from, in decimal.
pub const PARTITION: &str = "riskstream.partition";
/// The record's offset, in decimal.
pub const OFFSET: &str = "riskstream.offset";
/// The record's timestamp in milliseconds since the epoch, in decimal; absent if it had none.
pub const TIMESTAMP: &str = "riskstream.timestamp";
/// The name of the pipeline that rejected the record.
pub const PIPELINE: &str = "riskstream.pipeline";
