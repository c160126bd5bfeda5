//! Detects that the process as a whole did not run: it was stopped (SIGSTOP, a debugger, a frozen container), or its machine
//! was paused or had no time for it. Calls that seem to hang after that did not run either.

use std::time::{Duration, Instant};

/// A check that comes this much later than it should counts as a pause of the process.
const NOTICED: Duration = Duration::from_secs(5);
/// How long after a pause nothing counts as hanging.
const GRACE: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Pauses {
    interval: Duration,
    looked: Instant,
    resumed: Option<Instant>,
}

impl Pauses {
    /// To be checked every `interval`, or more often.
    pub(super) fn new(interval: Duration, now: Instant) -> Pauses {
        Pauses {
            interval,
            looked: now,
            resumed: None,
        }
    }

    /// How long the process did not run before `now`, if it was that long.
    pub(super) fn look(&mut self, now: Instant) -> Option<Duration> {
        let late = now.duration_since(self.looked).saturating_sub(self.interval);
        self.looked = now;
        if late < NOTICED {
            return None;
        }
        self.resumed = Some(now);
        Some(late)
    }

    /// Whether the process has gone on so recently that its calls to the broker may not have returned yet.
    pub(super) fn are_recent(&self, now: Instant) -> bool {
        self.resumed.is_some_and(|resumed| now.duration_since(resumed) < GRACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_stopped_for_40_s_is_given_time() {
        let second = Duration::from_secs(1);
        let mut now = Instant::now();
        let mut pauses = Pauses::new(second, now);
        for _ in 0..3 {
            now += second;
            assert_eq!(pauses.look(now), None);
        }
        assert!(!pauses.are_recent(now));
        now += 41 * second;
        assert_eq!(pauses.look(now), Some(40 * second));
        assert!(pauses.are_recent(now + 29 * second));
        assert!(!pauses.are_recent(now + 30 * second));
    }
}
