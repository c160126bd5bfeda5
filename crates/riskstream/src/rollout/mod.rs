//! Roll-outs: from a watched file or a topic to line-ups that are loaded, checked and warm, and their history.

mod follow;
mod history;
mod loaded;
mod text;

pub use follow::Follower;
pub use history::{Entry, History};
pub use loaded::LoadedRollouts;
pub use riskstream_definition::{DocumentError, prepare, prepare_again};
pub use text::{restoring, with_revision};
