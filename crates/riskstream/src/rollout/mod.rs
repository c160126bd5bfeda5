//! Roll-outs: the file and the topics that they come from, their history, and the decision sets that are compiled and checked.

mod edit;
mod follow;
mod history;
mod loaded;
mod topics;

pub use edit::{because, by, restoring};
pub use follow::Follower;
pub use history::{Added, History, Origin, PublishedRollout, is_same_person};
pub use loaded::LoadedRollouts;
pub use topics::RolloutTopics;
