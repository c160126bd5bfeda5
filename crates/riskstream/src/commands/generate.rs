//! `riskstream generate`: simulated transactions and labels with planted fraud, to files or to Kafka topics.

use super::CommandError;
use crate::interrupt::Interrupt;
use crate::simulated::{World, key, to_json};
use anyhow::{Context, anyhow};
use indicatif::HumanCount;
use riskstream_kafka::Producer;
use riskstream_simulator::SimulatedEvent;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The arguments of `riskstream generate`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    world: World,
    /// The JSON Lines file for transactions
    #[arg(long, value_name = "FILE", required_unless_present = "brokers")]
    output: Option<PathBuf>,
    /// The JSON Lines file for labels
    #[arg(long, value_name = "FILE", requires = "output")]
    labels: Option<PathBuf>,
    /// The Kafka brokers to write to if no file is given: host:port,host:port
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS")]
    brokers: Option<String>,
    /// The topic for transactions
    #[arg(long, default_value = "transactions", value_name = "TOPIC")]
    topic: String,
    /// The topic for labels
    #[arg(long, default_value = "labels", value_name = "TOPIC")]
    labels_topic: String,
    /// Events a second at most; as fast as possible without it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
}

/// Generates.
pub fn execute(args: Args) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen().context("cannot listen for Ctrl-C")?;
    let simulator = args.world.simulator()?;
    let mut target = Target::open(&args)?;
    let mut liveness = args.rate.map(Pace::new);
    let (mut transactions, mut labels) = (0u64, 0u64);
    for event in simulator {
        if interrupt.requested() {
            break;
        }
        if let Some(liveness) = &mut pace {
            liveness.wait();
        }
        match &event {
            SimulatedEvent::Transaction(_) => transactions += 1,
            SimulatedEvent::Label(_) => labels += 1,
        }
        target.write(&event)?;
    }
    target.finish()?;
    println!(
        "{} transactions and {} labels",
        HumanCount(transactions),
        HumanCount(labels)
    );
    if interrupt.requested() {
        return Err(anyhow!("interrupted; what was generated until then is complete").into());
    }
    Ok(())
}

enum Target {
    Files {
        transactions: BufWriter<File>,
        labels: Option<BufWriter<File>>,
        line: Vec<u8>,
    },
    Topics {
        producer: Producer,
        transactions: String,
        labels: String,
        line: Vec<u8>,
    },
}

impl Target {
    fn open(args: &Args) -> Result<Target, CommandError> {
        if let Some(output) = &args.output {
            let create = |path: &PathBuf| -> anyhow::Result<BufWriter<File>> {
                Ok(BufWriter::new(
                    File::create(path).with_context(|| format!("cannot write {}", path.display()))?,
                ))
            };
            let labels = args.labels.as_ref().map(create).transpose()?;
            return Ok(Target::Files {
                transactions: create(output)?,
                labels,
                line: Vec::new(),
            });
        }
        let brokers = args.brokers.as_deref().unwrap_or_default();
        Ok(Target::Topics {
            producer: Producer::open(brokers).map_err(anyhow::Error::from)?,
            transactions: args.topic.clone(),
            labels: args.labels_topic.clone(),
            line: Vec::new(),
        })
    }

    fn write(&mut self, event: &SimulatedEvent) -> anyhow::Result<()> {
        match self {
            Target::Files {
                transactions,
                labels,
                line,
            } => {
                let file = match event {
                    SimulatedEvent::Transaction(_) => Some(transactions),
                    SimulatedEvent::Label(_) => labels.as_mut(),
                };
                let Some(file) = file else { return Ok(()) };
                to_json(event, line)?;
                line.push(b'\n');
                Ok(file.write_all(line)?)
            }
            Target::Topics {
                producer,
                transactions,
                labels,
                line,
            } => {
                to_json(event, line)?;
                let topic = match event {
                    SimulatedEvent::Transaction(_) => transactions,
                    SimulatedEvent::Label(_) => labels,
                };
                Ok(producer.send(topic, key(event).as_bytes(), line)?)
            }
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Target::Files {
                mut transactions,
                labels,
                ..
            } => {
                transactions.flush()?;
                labels.map_or(Ok(()), |mut labels| Ok(labels.flush()?))
            }
            Target::Topics { producer, .. } => Ok(producer.finish()?),
        }
    }
}

/// Spreads events evenly over time.
struct Pace {
    began: Instant,
    interval: Duration,
    sent: u32,
}

impl Pace {
    fn new(rate: u32) -> Pace {
        Pace {
            began: Instant::now(),
            interval: Duration::from_secs(1) / rate,
            sent: 0,
        }
    }

    fn wait(&mut self) {
        let due = self.interval.saturating_mul(self.sent);
        std::thread::sleep(due.saturating_sub(self.began.elapsed()));
        self.sent = self.sent.wrapping_add(1);
    }
}
