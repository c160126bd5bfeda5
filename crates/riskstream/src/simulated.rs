//! The simulated world as records: what `riskstream generate` writes to topics and the demo feeds itself.

use crate::commands::CommandError;
use riskstream_simulator::{SimulatedEvent, Simulator, SimulatorConfig};

/// The size of the simulated world.
#[derive(clap::Args, Clone)]
pub struct World {
    /// Which of the possible worlds
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Days of payments
    #[arg(long, default_value_t = 30)]
    pub days: u32,
    /// Customers, about 1.8 payments a day each
    #[arg(long, default_value_t = 5_000)]
    pub customers: u32,
    /// Terminals
    #[arg(long, default_value_t = 10_000)]
    pub terminals: u32,
}

impl World {
    /// The simulator of this world.
    pub fn simulator(&self) -> Result<Simulator, CommandError> {
        let config = SimulatorConfig {
            seed: self.seed,
            days: self.days,
            customers: self.customers,
            terminals: self.terminals,
            ..SimulatorConfig::default()
        };
        Simulator::new(config).map_err(|error| CommandError::Configuration(error.into()))
    }
}

/// An event as its JSON text: what a topic or a line of a file holds.
pub fn to_json(event: &SimulatedEvent, line: &mut Vec<u8>) -> serde_json::Result<()> {
    line.clear();
    match event {
        SimulatedEvent::Transaction(transaction) => serde_json::to_writer(line, transaction),
        SimulatedEvent::Label(label) => serde_json::to_writer(line, label),
    }
}

/// The customer of an event: the key of its record.
pub fn key(event: &SimulatedEvent) -> &str {
    match event {
        SimulatedEvent::Transaction(transaction) => &transaction.customer_id,
        SimulatedEvent::Label(label) => &label.customer_id,
    }
}
