//! Files instead of topics: the same engine over JSON, CSV, Parquet and Avro, results to Parquet, and how good
//! the decisions were. Knows nothing of Kafka.
#![forbid(unsafe_code)]

pub mod backfill;
pub mod evaluation;
pub mod read;
#[cfg(feature = "parquet")]
pub mod write;
