//! A simulated history.

use riskstream_pipeline::TestDriver;
use riskstream_simulator::{SimulatedEvent, Simulator, SimulatorConfig};

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

/// Writes events to the topics of their inputs.
pub fn fill<'e>(driver: &TestDriver, events: impl IntoIterator<Item = &'e SimulatedEvent>) {
    for event in events {
        let json = serde_json::to_vec(event).expect("simulated events have JSON");
        let input = usize::from(matches!(event, SimulatedEvent::Label(_)));
        driver.send(input, event.customer_id(), &json, None);
    }
}
