//! The topic contract: values and rows, codecs from bytes to rows and from decisions to bytes,
//! masking of personal data. Knows nothing of Kafka, state, clocks or configuration files.
#![forbid(unsafe_code)]

pub mod value;

pub use value::{Row, Slot, Value, ValueType};
