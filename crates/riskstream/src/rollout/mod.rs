//! Roll-outs: from a watched file or a topic to line-ups that are loaded, checked and warm, and their history.

mod desk;
mod document;
mod follow;
mod history;
mod text;

pub use desk::RolloutDesk;
pub use document::{DocumentError, prepare, prepare_again};
pub use follow::Follower;
pub use history::{Entry, History};
pub use text::{restoring, with_revision};
