//! Roll-outs: the file and the topic that they come from, their history, and the line-ups that are loaded and checked.

mod edit;
mod follow;
mod history;
mod loaded;

pub use edit::{restoring, with_revision};
pub use follow::Follower;
pub use history::{History, PublishedRollout};
pub use loaded::LoadedRollouts;
