//! Whether a source is live, that is read at its end, or catching up. This decides only in which order rows of different
//! sources are merged, never what is computed from that order.
//!
//! Rows of a live source are applied as they come. If a source were called live too early, its rows would be applied before
//! rows that another source has yet to read. So a source is live only if its event times are those of the wall clock, or
//! pass so slowly that rows which overtake others within milliseconds are close in event time. A source that reads
//! history at full speed is not.

use crate::progress::Phase;
use std::time::Duration;

/// When a source counts as reading at the end of its log.
#[derive(Clone, Copy, Debug)]
pub struct LivenessOptions {
    /// Event times this close to the wall clock are live at whatever rate.
    pub real_time: Duration,
    /// A partition is live only if its event-time rate is below this, unless another input of the worker is of real time.
    pub live_rate: u64,
    /// A partition with more records than this before it is catching up, unless they are of real time.
    pub live_lag: i64,
    /// A source that has had nothing to send for this long is declared idle: no row waits for it.
    pub idle_after: Duration,
}

impl Default for LivenessOptions {
    fn default() -> Self {
        LivenessOptions {
            real_time: Duration::from_secs(60),
            live_rate: 3_600,
            live_lag: 500,
            idle_after: Duration::from_secs(2),
        }
    }
}

/// How fast a partition's event time has passed: that of the current second and of the one before.
#[derive(Debug, Default)]
pub struct EventTimeRate {
    newest: Option<i64>,
    bucket_start: i64,
    current: i64,
    previous: i64,
}

const BUCKET: i64 = 1_000_000;

impl EventTimeRate {
    /// `newest` is the largest event time read as of `now` (both in microseconds; `i64::MIN` if there is none). The first one
    /// counts as infinitely fast, as it may be the first of many.
    pub fn observe(&mut self, newest: i64, now: i64) {
        let passed = now.saturating_sub(self.bucket_start);
        if passed >= BUCKET {
            self.previous = if passed < 2 * BUCKET { self.current } else { 0 };
            self.current = 0;
            self.bucket_start = now;
        }
        if newest == i64::MIN {
            return;
        }
        let advance = self.newest.map_or(i64::MAX, |before| newest.saturating_sub(before));
        self.current = self.current.saturating_add(advance);
        self.newest = Some(newest);
    }

    /// Microseconds of event time a second, the larger of this and the last bucket: high at once, low only after a
    /// slow second.
    pub fn micros_per_second(&self) -> i64 {
        self.current.max(self.previous)
    }
}

/// The progress of one input partition.
#[derive(Clone, Copy, Debug, Default)]
pub struct PartitionLiveness {
    /// The largest event time read.
    pub newest: Option<i64>,
    /// Records known to wait; 0 only if the log has said that there is none.
    pub lag: Option<i64>,
    /// The largest event time that a stage has handed out, if records wait that lay in its partition when it was opened, or had been
    /// read before an abort.
    pub backlog_from: Option<i64>,
    /// Microseconds of event time that pass in a second.
    pub event_time_rate: i64,
    /// Whether some input of this worker is in real time: then what lags in event time only came late.
    pub among_real_time: bool,
    /// Since when (wall clock, microseconds) all records have been read and nothing has come.
    pub idle_since: Option<i64>,
    /// Whether the log says how far it was written: then the source has the writer's watermark and needs no liveness.
    pub has_writer_watermark: bool,
}

impl PartitionLiveness {
    /// Whether event time is the wall clock's as of `now` (microseconds), about.
    pub fn is_real_time(&self, options: &LivenessOptions, now: i64) -> bool {
        self.newest
            .is_some_and(|newest| newest >= now - micros(options.real_time))
    }

    /// How the partition is read as of `now` (microseconds). `idle_from`: a source without records is idle from then on; before,
    /// history waits for what may come.
    pub fn phase(&self, options: &LivenessOptions, idle_from: i64, now: i64) -> Phase {
        if self.has_writer_watermark {
            Phase::CatchingUp
        } else if self.is_at_rest(options, now) && now >= idle_from {
            Phase::Idle
        } else if self.is_at_rest(options, now) || self.reads_at_end(options, now) {
            Phase::Live
        } else {
            Phase::CatchingUp
        }
    }

    /// How the partition of a stage is read as of `now` (microseconds): its sources say in its log whether they catch up, so it is
    /// live once it has read what they have said so far, or in real time. A new owner knows only what they had said where the
    /// state ends.
    pub fn phase_of_stage(&self, options: &LivenessOptions, idle_from: i64, now: i64) -> Phase {
        if self
            .backlog_from
            .is_some_and(|newest| newest < now - micros(options.real_time))
        {
            Phase::CatchingUp
        } else if self.is_at_rest(options, now) && now >= idle_from {
            Phase::Idle
        } else {
            Phase::Live
        }
    }

    /// Whether all records have been read, and nothing has come for a while.
    pub fn is_at_rest(&self, options: &LivenessOptions, now: i64) -> bool {
        let has_rested = |since: i64| now.saturating_sub(since) >= micros(options.idle_after);
        self.lag == Some(0) && self.idle_since.is_some_and(has_rested)
    }

    /// Whether the partition has history to read, for which rows of other sources wait.
    pub fn has_history(&self, options: &LivenessOptions, now: i64) -> bool {
        self.newest.is_some_and(|newest| newest != i64::MIN)
            && !self.reads_at_end(options, now)
            && !self.is_at_rest(options, now)
    }

    /// Whether the partition is read at its end as of `now` (microseconds).
    pub fn reads_at_end(&self, options: &LivenessOptions, now: i64) -> bool {
        if self.is_real_time(options, now) {
            return true;
        }
        // An unknown lag is that of a partition of which nothing was fetched yet.
        let lag = self.lag.unwrap_or(i64::MAX);
        let slow = self.event_time_rate / 1_000_000 < i64::try_from(options.live_rate).unwrap_or(i64::MAX);
        lag <= options.live_lag && (slow || self.among_real_time)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const HOUR: i64 = 3_600 * SECOND;

    #[test]
    fn a_source_is_live_in_real_time_or_at_a_low_rate() {
        let options = LivenessOptions::default();
        let now = 1_000_000_000_000;
        let cases = [
            // (newest, lag, event_time_rate, among real time, live)
            (Some(now - SECOND), Some(9_999), 9 * HOUR, false, true),
            (Some(now - 61 * SECOND), Some(9_999), SECOND, false, false),
            (None, Some(0), HOUR, false, false),
            (None, Some(0), 0, false, true),
            (None, None, 0, false, false),
            (Some(0), Some(500), HOUR - 1, false, true),
            (Some(0), Some(501), HOUR - 1, false, false),
            (Some(0), Some(500), HOUR, false, false),
            (Some(0), Some(500), HOUR, true, true),
            (Some(0), Some(501), HOUR, true, false),
            (Some(0), None, 0, true, false),
        ];
        for (newest, lag, event_time_rate, among_real_time, live) in cases {
            let liveness = PartitionLiveness {
                newest,
                lag,
                backlog_from: None,
                event_time_rate,
                among_real_time,
                idle_since: None,
                has_writer_watermark: false,
            };
            assert_eq!(liveness.reads_at_end(&options, now), live, "{liveness:?}");
        }
    }

    #[test]
    fn a_stage_is_live_once_it_has_read_what_lay_in_its_partition() {
        let options = LivenessOptions::default();
        let now = 1_000_000_000_000;
        let cases = [
            // (lag, backlog from, rests since, idle from, phase)
            (Some(3), Some(i64::MIN), None, i64::MIN, Phase::CatchingUp),
            (None, Some(now - HOUR), None, i64::MIN, Phase::CatchingUp),
            (Some(3), Some(now - SECOND), None, i64::MIN, Phase::Live),
            (Some(3), None, None, i64::MIN, Phase::Live),
            (Some(0), None, Some(now - SECOND), i64::MIN, Phase::Live),
            (Some(0), None, Some(now - 2 * SECOND), now + 1, Phase::Live),
            (Some(0), None, Some(now - 2 * SECOND), now, Phase::Idle),
        ];
        for (lag, backlog_from, idle_since, idle_from, phase) in cases {
            let liveness = PartitionLiveness {
                lag,
                backlog_from,
                idle_since,
                ..PartitionLiveness::default()
            };
            assert_eq!(liveness.phase_of_stage(&options, idle_from, now), phase, "{liveness:?}");
        }
    }

    #[test]
    fn nothing_is_live_below_a_rate_of_0() {
        let options = LivenessOptions {
            live_rate: 0,
            ..LivenessOptions::default()
        };
        let liveness = PartitionLiveness {
            lag: Some(0),
            ..PartitionLiveness::default()
        };
        assert!(!liveness.reads_at_end(&options, 0));
    }

    #[test]
    fn the_rate_falls_only_after_a_slow_second() {
        let mut rate = EventTimeRate::default();
        let mut read = |newest: i64, now: i64| {
            rate.observe(newest, now);
            rate.micros_per_second()
        };
        assert_eq!(read(i64::MIN, 10 * SECOND), 0);
        assert_eq!(read(HOUR, 10 * SECOND), i64::MAX);
        assert_eq!(read(2 * HOUR, 11 * SECOND), i64::MAX);
        assert_eq!(read(2 * HOUR + 5, 12 * SECOND), HOUR);
        assert_eq!(read(2 * HOUR + 5, 12 * SECOND + 999_999), HOUR);
        assert_eq!(read(2 * HOUR + 5, 13 * SECOND), 5);
        assert_eq!(read(2 * HOUR + 5, 14 * SECOND), 0);
        assert_eq!(read(3 * HOUR + 5, 20 * SECOND), HOUR);
    }
}
