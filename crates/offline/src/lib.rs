//! Files instead of topics: the same engine over JSON, CSV, Parquet and Avro, results to Parquet, and how good
//! the decisions were. Knows nothing of Kafka.
#![forbid(unsafe_code)]

pub mod backfill;
pub mod evaluation;
mod partial_file;
pub mod read;
#[cfg(feature = "parquet")]
pub mod recording;
#[cfg(feature = "parquet")]
pub mod replay;
#[cfg(feature = "parquet")]
pub mod write;

pub use partial_file::PartialFile;
