//! Lists whose entries change: following their topics.

mod follow;
mod read;
mod topic;

pub use follow::follow;
pub use read::ReadLists;
pub use topic::ListTopic;
