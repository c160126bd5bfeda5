//! Workers that read topics which were filled before: history.

use riskstream_events::OwnedDecisionRecord;
use riskstream_pipeline::liveness::LivenessOptions;
use riskstream_pipeline::{TestDriver, Topology, WorkerOptions};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How far the clock stands behind the simulated payments.
const LATER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Small batches, so that there are many commits, and sources that are always merged by their watermarks.
fn options() -> WorkerOptions {
    let liveness = LivenessOptions {
        live_rate: 0,
        real_time: Duration::ZERO,
        ..LivenessOptions::default()
    };
    WorkerOptions {
        batch_events: 50,
        liveness,
        ..WorkerOptions::default()
    }
}

/// A driver without a worker, whose clock stands long after what its topics hold.
pub fn driver(topology: Arc<Topology>, partitions: i32) -> TestDriver {
    let mut driver = TestDriver::new(topology, partitions);
    driver.kill_worker(0);
    driver.clock.advance(LATER);
    driver.set_options(options());
    driver
}

/// Every decision by its event, without the latency stamps. Panics if an event was decided twice.
pub fn decisions(driver: &TestDriver) -> BTreeMap<String, OwnedDecisionRecord> {
    let mut decisions = BTreeMap::new();
    for record in driver.decisions() {
        let mut decision =
            OwnedDecisionRecord::from_json(&record.value.expect("a decision has a value")).expect("valid");
        decision.latency = None;
        let twice = decisions.insert(decision.event_id.clone(), decision);
        assert!(twice.is_none(), "decided twice: {twice:?}");
    }
    decisions
}
