//! The pauses after failed requests.

use std::time::{Duration, Instant};

/// The first pause.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Pauses double up to this limit.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A pause: no requests are sent until it is over.
pub(super) struct Backoff {
    pub(super) until: Instant,
    pub(super) pause: Duration,
    /// The reason of the last failure.
    pub(super) why: String,
}

impl Backoff {
    /// The pause after a failure. `previous` is the pause before it, if the request before failed too.
    pub(super) fn after(previous: Option<&Backoff>, why: &str) -> Backoff {
        let pause = previous.map_or(FIRST_PAUSE, |previous| (previous.pause * 2).min(LONGEST_PAUSE));
        Backoff {
            until: Instant::now() + pause,
            pause,
            why: why.to_owned(),
        }
    }

    /// Whether the pause is over.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}
