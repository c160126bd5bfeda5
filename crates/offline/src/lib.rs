//! Files instead of topics: runs the engine over JSON, CSV, Parquet and Avro files, writes results to Parquet, and computes
//! statistics of scores against labels. Knows nothing of Kafka.
#![forbid(unsafe_code)]

#[cfg(feature = "parquet")]
pub mod audit;
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
