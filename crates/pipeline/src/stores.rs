//! Where the durable state of tasks comes from.

use riskstream_features::state::{StateError, StateStore};

/// Opens the durable state of tasks.
pub trait Stores {
    /// The state of `stage` on `partition`. `fingerprint` names the layout: state of another layout is refused.
    ///
    /// # Errors
    /// The state cannot be opened; the caller may try again later.
    fn open(&mut self, stage: &str, partition: i32, fingerprint: &str) -> Result<Box<dyn StateStore>, StateError>;
}
