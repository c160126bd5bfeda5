//! A simulated history, and workers that read it as history.

use riskstream_events::OwnedDecisionRecord;
use riskstream_pipeline::liveness::LivenessOptions;
use riskstream_pipeline::{TestDriver, WorkerOptions};
use riskstream_simulator::{SimulatedEvent, Simulator, SimulatorConfig};
use std::collections::BTreeMap;
use std::time::Duration;

/// How far the clock stands behind the simulated payments.
pub const LATER: Duration = Duration::from_secs(100 * 365 * 86_400);

pub fn events() -> Vec<SimulatedEvent> {
    let config = SimulatorConfig {
        customers: 60,
        terminals: 40,
        days: 25,
        seed: 3,
        ..SimulatorConfig::default()
    };
    Simulator::new(config).expect("the configuration is valid").collect()
}

/// Small batches, so that there are many commits, and sources that are always merged by their watermarks.
pub fn options() -> WorkerOptions {
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

/// Writes events to the topics of their inputs.
pub fn fill<'e>(driver: &TestDriver, events: impl IntoIterator<Item = &'e SimulatedEvent>) {
    for event in events {
        let json = serde_json::to_vec(event).expect("simulated events have JSON");
        let input = usize::from(matches!(event, SimulatedEvent::Label(_)));
        driver.send(input, event.customer_id(), &json, None);
    }
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
