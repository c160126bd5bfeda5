//! Durable state of tasks in RocksDB: one database, in one directory, for each task. Knows bytes, not what
//! a feature means.
//!
//! [`RocksStore`] implements the state trait of riskstream-features. Writes of a batch and the position
//! they belong to are one RocksDB write: after any crash both are there or neither. The write-ahead log
//! is not forced to disk with each write: a killed process loses nothing, a machine that loses power
//! loses the last writes together with their positions, and the log in front of the task replays them.
#![forbid(unsafe_code)]

mod error;
mod options;
mod store;

pub use error::OpenError;
pub use options::{SharedMemory, StoreOptions};
pub use store::RocksStore;
