//! The trait that opens the durable state of tasks.

use crate::continuation::Continuation;
use crate::stop_reason::StopReason;
use riskstream_features::state::StateStore;

/// The result of opening the state of a task that continues.
pub enum Opening {
    /// It is open.
    Opened(Box<dyn StateStore>),
    /// It is being restored, from what this text says. [`Stores::has_restored`] tells when to open it again.
    Restoring(String),
}

/// Opens the durable state of tasks.
pub trait Stores {
    /// The state of `stage` on `partition`. `fingerprint` names the layout: state of another layout is refused.
    ///
    /// # Errors
    /// The state cannot be opened; the caller may try again later.
    fn open(&mut self, stage: &str, partition: i32, fingerprint: &str) -> Result<Box<dyn StateStore>, StopReason>;

    /// The same for a task that continues as `continuation` allows: where there is no state that can, one may be restored
    /// meanwhile.
    ///
    /// # Errors
    /// As for [`Stores::open`].
    fn open_to_continue(
        &mut self,
        stage: &str,
        partition: i32,
        fingerprint: &str,
        _continuation: &Continuation,
    ) -> Result<Opening, StopReason> {
        self.open(stage, partition, fingerprint).map(Opening::Opened)
    }

    /// Whether a restoration has ended since the last call.
    fn has_restored(&mut self) -> bool {
        false
    }
}
