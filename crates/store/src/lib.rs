//! The state of tasks in RocksDB: one database in one directory for each task. It stores bytes and does not interpret
//! them.
//!
//! [`RocksStore`] implements the state trait of riskstream-features. The writes of a batch and its position are one
//! RocksDB write: after a crash both are present or neither. The write-ahead log is not synced with each write. A
//! killed process loses nothing. A machine that loses power may lose the last writes together with their positions;
//! they are replayed from the log that the task reads.
#![forbid(unsafe_code)]

mod checkpoint;
mod error;
mod options;
mod private;
mod store;

pub use checkpoint::CheckpointSource;
pub use error::OpenError;
pub use options::{SharedMemory, StoreOptions};
pub use store::RocksStore;
