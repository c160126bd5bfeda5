//! Writes the default simulation as JSON lines to two files: `json_lines TRANSACTIONS LABELS [SEED] [DAYS]`.

use riskstream_simulator::{SimulatedEvent, Simulator, SimulatorConfig};
use std::fs::File;
use std::io::{BufWriter, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [transactions, labels, numbers @ ..] = arguments.as_slice() else {
        return Err("usage: json_lines TRANSACTIONS LABELS [SEED] [DAYS]".into());
    };
    let mut config = SimulatorConfig::default();
    if let Some(seed) = numbers.first() {
        config.seed = seed.parse()?;
    }
    if let Some(days) = numbers.get(1) {
        config.days = days.parse()?;
    }
    let mut transactions = BufWriter::new(File::create(transactions)?);
    let mut labels = BufWriter::new(File::create(labels)?);
    for event in Simulator::new(config)? {
        let file = match event {
            SimulatedEvent::Transaction(_) => &mut transactions,
            SimulatedEvent::Label(_) => &mut labels,
        };
        serde_json::to_writer(&mut *file, &event)?;
        file.write_all(b"\n")?;
    }
    Ok(())
}
