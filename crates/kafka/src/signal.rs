//! A flag by which librdkafka's threads wake the owner of a log.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// A flag that one thread waits for and others raise. If it is raised before the wait, the wait ends at once.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    /// Wakes the waiting thread, now or at its next wait.
    pub(crate) fn raise(&self) {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        if !*raised {
            *raised = true;
            self.changed.notify_one();
        }
    }

    /// Waits until the flag is raised, and lowers it. Returns false if `deadline` passes first.
    pub(crate) fn wait_until(&self, deadline: Instant) -> bool {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        while !*raised {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            raised = self
                .changed
                .wait_timeout(raised, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *raised = false;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_signal_raised_before_the_wait_is_seen_once() {
        let signal = Signal::default();
        signal.raise();
        signal.raise();
        assert!(signal.wait_until(Instant::now()));
        assert!(!signal.wait_until(Instant::now()));
    }

    #[test]
    fn another_thread_wakes_the_waiting_one() {
        let signal = Arc::new(Signal::default());
        let other = Arc::clone(&signal);
        let thread = std::thread::spawn(move || other.raise());
        assert!(signal.wait_until(Instant::now() + Duration::from_secs(60)));
        thread.join().unwrap();
    }
}
