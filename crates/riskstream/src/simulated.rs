//! Simulated payments and labels as records, for `riskstream generate` and `riskstream demo`.

use riskstream_simulator::{ConfigError, SimulatedEvent, Simulator, SimulatorConfig};

/// The size of the simulation.
#[derive(Clone, Debug, clap::Args)]
pub struct SimulationArgs {
    /// Seed of the random numbers: the same seed gives the same events
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

impl SimulationArgs {
    /// The simulator of this size.
    ///
    /// # Errors
    /// A size that the simulator refuses.
    pub fn simulator(&self) -> Result<Simulator, ConfigError> {
        Simulator::new(SimulatorConfig {
            seed: self.seed,
            days: self.days,
            customers: self.customers,
            terminals: self.terminals,
            ..SimulatorConfig::default()
        })
    }
}

/// Writes the event's JSON to `line`, in place of what is there: the value of a record, or a line of a file.
///
/// # Errors
/// See [`serde_json::to_writer`].
pub fn to_json(event: &SimulatedEvent, line: &mut Vec<u8>) -> serde_json::Result<()> {
    line.clear();
    serde_json::to_writer(line, event)
}
