//! The clock of the benchmarks.

use std::time::Duration;

/// CPU time of this thread so far, so that what else the machine does counts little. Elsewhere than on
/// Linux, wall time.
pub fn clock() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .map_or_else(|| START.elapsed(), Duration::from_nanos)
}
