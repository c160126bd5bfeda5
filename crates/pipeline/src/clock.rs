//! Time as a worker sees it. Results never depend on it: only latencies, liveness and metrics do.

use std::time::Duration;

/// The wall clock and a clock for measuring durations.
pub trait Clock {
    /// The wall clock, in microseconds since the epoch.
    fn now(&self) -> i64;

    /// Time since some fixed moment. It never goes back, whatever is done to the wall clock.
    fn monotonic(&self) -> Duration;
}
