//! Whether an input is read at its end, or still catching up. This decides only in which order rows of
//! different sources are merged, never what is computed from an order.

use std::time::Duration;

/// When a source counts as reading at the end of its log.
#[derive(Clone, Copy, Debug)]
pub struct PaceOptions {
    /// Event times this close to the wall clock are live whatever the rate.
    pub real_time: Duration,
    /// A worker that takes in fewer records a second than this is not catching up.
    pub calm_rate: u64,
    /// A partition with more records than this before it is catching up.
    pub calm_lag: i64,
    /// A partition without records for this long holds nobody back.
    pub idle_after: Duration,
}

impl Default for PaceOptions {
    fn default() -> Self {
        PaceOptions {
            real_time: Duration::from_secs(60),
            calm_rate: 2_000,
            calm_lag: 500,
            idle_after: Duration::from_millis(250),
        }
    }
}

/// Records taken in during the last second or so, in two buckets.
#[derive(Debug, Default)]
pub struct RateMeter {
    bucket_start: i64,
    current: u64,
    previous: u64,
}

const BUCKET: i64 = 1_000_000;

impl RateMeter {
    /// Counts `records` at `now` (microseconds).
    pub fn count(&mut self, records: u64, now: i64) {
        let passed = now.saturating_sub(self.bucket_start);
        if passed >= BUCKET {
            self.previous = if passed < 2 * BUCKET { self.current } else { 0 };
            self.current = 0;
            self.bucket_start = now;
        }
        self.current += records;
    }

    /// The larger of this and the last bucket: high at once, low only after a quiet second.
    pub fn rate(&self) -> u64 {
        self.current.max(self.previous)
    }
}

/// What is known of one input partition.
#[derive(Clone, Copy, Debug, Default)]
pub struct PartitionPace {
    /// Since when there was nothing to take, microseconds.
    pub drained_since: Option<i64>,
    /// The largest event time read.
    pub newest: Option<i64>,
    /// Records known to wait.
    pub lag: Option<i64>,
}

impl PartitionPace {
    /// Whether the partition is read at its end as of `now` (microseconds), while the worker as a whole takes
    /// in `rate` records a second.
    pub fn reads_at_end(&self, options: &PaceOptions, rate: u64, now: i64) -> bool {
        let real_time = self
            .newest
            .is_some_and(|newest| newest >= now - micros(options.real_time));
        let idle = self
            .drained_since
            .is_some_and(|since| now - since >= micros(options.idle_after));
        // An unknown lag is that of a partition of which nothing was fetched yet.
        let calm = rate < options.calm_rate && self.lag.is_some_and(|lag| lag <= options.calm_lag);
        real_time || idle || calm
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_live_when_real_time_idle_or_calm() {
        let options = PaceOptions::default();
        let now = 1_000_000_000_000;
        let cases = [
            // (drained since, newest, lag, rate, live)
            (None, Some(now - 1_000_000), Some(9_999), 50_000, true),
            (None, Some(now - 61_000_000), Some(9_999), 50_000, false),
            (Some(now - 249_000), None, Some(0), 50_000, false),
            (Some(now - 250_000), None, Some(0), 50_000, true),
            (None, Some(0), Some(500), 1_999, true),
            (None, Some(0), Some(501), 1_999, false),
            (None, Some(0), None, 0, false),
        ];
        for (drained_since, newest, lag, rate, live) in cases {
            let pace = PartitionPace {
                drained_since,
                newest,
                lag,
            };
            assert_eq!(pace.reads_at_end(&options, rate, now), live, "{pace:?} at {rate}/s");
        }
    }

    #[test]
    fn the_rate_falls_only_after_a_quiet_second() {
        let mut meter = RateMeter::default();
        meter.count(5_000, 10_000_000);
        assert_eq!(meter.rate(), 5_000);
        meter.count(1, 11_000_000);
        assert_eq!(meter.rate(), 5_000);
        meter.count(1, 12_000_000);
        assert_eq!(meter.rate(), 1);
        meter.count(0, 15_000_000);
        assert_eq!(meter.rate(), 0);
    }
}
