//! `riskstream generate`: simulated transactions and labels with planted fraud, to files or to Kafka topics.

use super::error::CommandError;
use crate::shutdown::Shutdown;
use crate::simulated::{SimulationArgs, to_json};
use anyhow::{Context, anyhow};
use indicatif::HumanCount;
use riskstream_kafka::Producer;
use riskstream_simulator::SimulatedEvent;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The arguments of `riskstream generate`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    simulation: SimulationArgs,
    /// The JSON Lines file for transactions
    #[arg(long, value_name = "FILE", required_unless_present = "brokers")]
    output: Option<PathBuf>,
    /// The JSON Lines file for labels
    #[arg(long, value_name = "FILE", requires = "output")]
    labels: Option<PathBuf>,
    /// The Kafka brokers to write to if no file is given: host:port,host:port
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS", hide_env_values = true)]
    brokers: Option<String>,
    /// The topic for transactions
    #[arg(long, default_value = "transactions", value_name = "TOPIC")]
    topic: String,
    /// The topic for labels
    #[arg(long, default_value = "labels", value_name = "TOPIC")]
    labels_topic: String,
    /// Limit of events a second; unlimited by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
}

/// Generates the events.
///
/// # Errors
/// The simulator refuses the arguments, or the output cannot be written.
pub fn execute(args: Args) -> Result<(), CommandError> {
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let simulator = args.simulation.simulator().map_err(CommandError::configuration)?;
    let mut output = Output::open(&args)?;
    let mut limiter = args.rate.map(RateLimiter::new);
    let (mut transactions, mut labels) = (0u64, 0u64);
    for event in simulator {
        if shutdown.requested() {
            break;
        }
        if let Some(limiter) = &mut limiter {
            limiter.wait();
        }
        match &event {
            SimulatedEvent::Transaction(_) => transactions += 1,
            SimulatedEvent::Label(_) => labels += 1,
        }
        output.write(&event)?;
    }
    output.finish()?;
    println!(
        "{} transactions and {} labels",
        HumanCount(transactions),
        HumanCount(labels)
    );
    if shutdown.requested() {
        return Err(anyhow!("interrupted; the events that were generated before are complete").into());
    }
    Ok(())
}

/// Where events are written to.
enum Output {
    Files(Files),
    Topics(Topics),
}

impl Output {
    fn open(args: &Args) -> Result<Output, CommandError> {
        Ok(match &args.output {
            Some(transactions) => Output::Files(Files::create(transactions, args.labels.as_deref())?),
            None => Output::Topics(Topics::open(args)?),
        })
    }

    fn write(&mut self, event: &SimulatedEvent) -> anyhow::Result<()> {
        match self {
            Output::Files(files) => files.write(event),
            Output::Topics(topics) => topics.write(event),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Output::Files(files) => files.finish(),
            Output::Topics(topics) => Ok(topics.producer.finish()?),
        }
    }
}

/// JSON Lines files. Labels are left out if there is no file for them.
struct Files {
    transactions: BufWriter<File>,
    labels: Option<BufWriter<File>>,
    line: Vec<u8>,
}

impl Files {
    fn create(transactions: &Path, labels: Option<&Path>) -> anyhow::Result<Files> {
        Ok(Files {
            transactions: create(transactions)?,
            labels: labels.map(create).transpose()?,
            line: Vec::new(),
        })
    }

    fn write(&mut self, event: &SimulatedEvent) -> anyhow::Result<()> {
        let file = match event {
            SimulatedEvent::Transaction(_) => Some(&mut self.transactions),
            SimulatedEvent::Label(_) => self.labels.as_mut(),
        };
        let Some(file) = file else { return Ok(()) };
        to_json(event, &mut self.line)?;
        self.line.push(b'\n');
        Ok(file.write_all(&self.line)?)
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.transactions.flush()?;
        self.labels.map_or(Ok(()), |mut labels| Ok(labels.flush()?))
    }
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(BufWriter::new(file))
}

/// Kafka topics.
struct Topics {
    producer: Producer,
    transactions: String,
    labels: String,
    value: Vec<u8>,
}

impl Topics {
    fn open(args: &Args) -> Result<Topics, CommandError> {
        let brokers = args.brokers.as_deref().unwrap_or_default();
        Ok(Topics {
            producer: Producer::open(brokers).map_err(CommandError::failed)?,
            transactions: args.topic.clone(),
            labels: args.labels_topic.clone(),
            value: Vec::new(),
        })
    }

    fn write(&mut self, event: &SimulatedEvent) -> anyhow::Result<()> {
        to_json(event, &mut self.value)?;
        let topic = match event {
            SimulatedEvent::Transaction(_) => &self.transactions,
            SimulatedEvent::Label(_) => &self.labels,
        };
        Ok(self.producer.send(topic, event.customer_id().as_bytes(), &self.value)?)
    }
}

/// Spreads events evenly over time.
struct RateLimiter {
    began: Instant,
    interval: Duration,
    events: u32,
}

impl RateLimiter {
    fn new(rate: u32) -> RateLimiter {
        RateLimiter {
            began: Instant::now(),
            interval: Duration::from_secs(1) / rate,
            events: 0,
        }
    }

    /// Waits until the next event is due.
    fn wait(&mut self) {
        let due = self.interval.saturating_mul(self.events);
        std::thread::sleep(due.saturating_sub(self.began.elapsed()));
        self.events = self.events.wrapping_add(1);
    }
}
