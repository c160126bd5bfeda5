//! Makes hanging calls visible to other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Shows how long a log's current call to the broker has been running. librdkafka ignores the timeouts of some calls
/// while a coordinator is down. The holder of a clone can then end the process. This is safe, because state is never
/// ahead of what Kafka has committed.
#[derive(Clone, Debug)]
pub struct TransactionWatch {
    /// The start of the running call, in microseconds after `epoch`, plus 1; 0 if there is none.
    begun: Arc<AtomicU64>,
    epoch: Instant,
    limit: Duration,
}

impl TransactionWatch {
    /// A watch that regards calls longer than `limit` as hanging.
    pub fn new(limit: Duration) -> Self {
        Self {
            begun: Arc::default(),
            epoch: Instant::now(),
            limit,
        }
    }

    /// How long the current call has been running, if that is longer than the limit.
    pub fn hanging_for(&self) -> Option<Duration> {
        self.running_for().filter(|time| *time > self.limit)
    }

    /// How long the current call has been running; `None` between calls.
    pub fn running_for(&self) -> Option<Duration> {
        let begun = self.begun.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.epoch.elapsed().saturating_sub(Duration::from_micros(begun)))
    }

    /// Marks a call as running until the guard is dropped.
    pub fn enter(&self) -> RunningCall<'_> {
        let now = self.epoch.elapsed().as_micros() as u64;
        self.begun.store(now + 1, Ordering::Relaxed);
        RunningCall { watch: self }
    }
}

/// Marks a call as running until it is dropped.
pub struct RunningCall<'a> {
    watch: &'a TransactionWatch,
}

impl Drop for RunningCall<'_> {
    fn drop(&mut self) {
        self.watch.begun.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_seen_from_another_thread_while_it_runs() {
        let watch = TransactionWatch::new(Duration::MAX);
        let outside = watch.clone();
        let seen = |watch: TransactionWatch| std::thread::spawn(move || watch.running_for()).join().unwrap();
        assert_eq!(seen(outside.clone()), None);
        let running = watch.enter();
        assert!(seen(outside.clone()).is_some());
        drop(running);
        assert_eq!(seen(outside), None);
    }

    #[test]
    fn only_a_call_over_the_limit_hangs() {
        for (limit, hangs) in [(Duration::MAX, false), (Duration::ZERO, true)] {
            let watch = TransactionWatch::new(limit);
            assert_eq!(watch.hanging_for(), None);
            let _running = watch.enter();
            while watch.running_for() == Some(Duration::ZERO) {}
            assert_eq!(watch.hanging_for().is_some(), hangs);
        }
    }
}
