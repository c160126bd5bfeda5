//! Checkpoints of tasks' state in an object store. Each file is stored once, under the checksum of its content. Each
//! checkpoint has a manifest, which names its files and is written last. The crate handles files as bytes and does not
//! interpret them.
//!
//! Several writers may write checkpoints of one task: the new owner of its partition, and a former owner that has not
//! noticed yet. They do not conflict: the content under a name never changes, manifests have unique names, and a file that
//! no manifest names is removed only when it is an hour old.
#![forbid(unsafe_code)]

mod digest;
mod directory;
mod error;
mod files;
mod manifest;
mod object_store;
mod task;

pub use directory::Directory;
pub use error::CheckpointError;
pub use files::{KnownDigests, LocalFile};
pub use manifest::{File, Manifest, ManifestName, StateIdentity, TopicMark};
pub use object_store::{Object, ObjectStore, StoreError};
pub use task::{GRACE, Removed, TaskCheckpoints, WrittenCheckpoint, tasks};
