//! A wall clock that can be set, and one that never goes back.

use riskstream_pipeline::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The clocks of all machines.
#[derive(Clone, Default)]
pub struct SimulatedClock {
    pub wall: Arc<AtomicI64>,
    monotonic: Arc<AtomicI64>,
}

impl SimulatedClock {
    pub fn advance(&self, micros: i64) {
        self.wall.fetch_add(micros, Ordering::Relaxed);
        self.monotonic.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> i64 {
        self.wall.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.monotonic.load(Ordering::Relaxed).unsigned_abs())
    }
}
