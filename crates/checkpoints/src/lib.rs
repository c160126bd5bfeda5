//! Checkpoints of tasks' state in an object store: files of which each is stored once, under the checksum of its content, and a
//! manifest for each checkpoint that names its files and is written last. It sees files of bytes; what they mean is its user's
//! business.
//!
//! Several writers may be at work on one task: the new owner of its partition, and a former one that does not know it yet. None
//! harms another: content under a name never changes, manifests have names of their own, and what no manifest names is removed
//! only when it is an hour old.
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
pub use manifest::{About, File, Manifest, ManifestName, TopicMark};
pub use object_store::{Object, ObjectStore, StoreError};
pub use task::{GRACE, Removed, TaskCheckpoints, Written, tasks};
