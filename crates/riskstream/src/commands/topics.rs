//! `riskstream topics`: what a pipeline needs and what is there; `riskstream topics create` makes what lacks.

use super::CommandError;
use crate::pipeline_file;
use crate::service::kafka_options;
use crate::topics::{self, Creation, Needed, Purpose};
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_kafka::KafkaOptions;
use riskstream_kafka::topics::{Created, Topic};
use std::path::PathBuf;
use std::time::Duration;

/// The arguments of `riskstream topics`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    target: Option<Target>,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Create the topics that are missing; those that exist are left as they are
    Create(Create),
}

#[derive(clap::Args)]
struct Target {
    /// The pipeline file
    pipeline: PathBuf,
    /// Where Kafka is, instead of what the file says: `host:port,host:port`
    #[arg(long, value_name = "BROKERS")]
    brokers: Option<String>,
}

#[derive(clap::Args)]
struct Create {
    #[command(flatten)]
    target: Target,
    /// Partitions of each new topic; unless given, as many as the transactions topic has, or 4
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    partitions: Option<i32>,
    /// Brokers that hold each new topic; unless given, the brokers' default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=100))]
    replication_factor: Option<i32>,
    /// How many days repartition topics keep records; unless given, for ever: lost state is rebuilt from them
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    hop_retention_days: Option<u32>,
    /// Only show what would be created
    #[arg(long)]
    dry_run: bool,
}

/// Shows or creates topics.
///
/// # Errors
/// The pipeline file is wrong, or Kafka cannot be reached or refuses.
pub fn execute(args: Args) -> Result<(), CommandError> {
    match (args.action, args.target) {
        (Some(Action::Create(create)), _) => execute_create(&create),
        (None, Some(target)) => show(&target),
        (None, None) => Err(CommandError::Configuration(anyhow!(
            "which pipeline? riskstream topics PIPELINE"
        ))),
    }
}

fn show(target: &Target) -> Result<(), CommandError> {
    let (compiled, kafka) = open(target)?;
    let needed = topics::needed(&compiled);
    let described = topics::describe(&kafka, &needed).map_err(anyhow::Error::from)?;
    print!("{}", topics::table(&needed, &described));
    if described.iter().any(|topic| topic.partitions.is_none()) {
        println!(
            "\ncreate what is missing: riskstream topics create {}",
            target.pipeline.display()
        );
    }
    Ok(())
}

fn execute_create(create: &Create) -> Result<(), CommandError> {
    let (compiled, kafka) = open(&create.target)?;
    let needed = topics::needed(&compiled);
    let described = topics::describe(&kafka, &needed).map_err(anyhow::Error::from)?;
    let creation = Creation {
        partitions: create
            .partitions
            .unwrap_or_else(|| default_partitions(&needed, &described)),
        replication: create.replication_factor,
        hop_retention: create
            .hop_retention_days
            .map(|days| Duration::from_secs(u64::from(days) * 86_400)),
    };
    let missing = needed
        .iter()
        .zip(&described)
        .filter(|(_, topic)| topic.partitions.is_none());
    let specs: Vec<_> = missing
        .map(|(needed, _)| topics::specification(needed, &creation))
        .collect();
    if specs.is_empty() {
        println!("all {} topics exist", needed.len());
        return Ok(());
    }
    let created = if create.dry_run {
        vec![None; specs.len()]
    } else {
        riskstream_kafka::topics::create(&kafka, &specs)
            .map_err(anyhow::Error::from)?
            .into_iter()
            .map(Some)
            .collect()
    };
    for (spec, created) in specs.iter().zip(created) {
        let what = match created {
            None => "would create",
            Some(Created::New) => "created",
            Some(Created::Existed) => "exists",
        };
        let settings: String = spec
            .settings
            .iter()
            .map(|(name, value)| format!(" {name}={value}"))
            .collect();
        println!("{what} {}: {} partitions{settings}", spec.name, spec.partitions);
    }
    Ok(())
}

fn default_partitions(needed: &[Needed], described: &[Topic]) -> i32 {
    let mut inputs = needed
        .iter()
        .zip(described)
        .filter(|(needed, _)| matches!(needed.purpose, Purpose::Input(_)));
    inputs.find_map(|(_, topic)| topic.partitions).unwrap_or(4)
}

fn open(target: &Target) -> Result<(Compiled, KafkaOptions), CommandError> {
    let compiled = pipeline_file::load(&target.pipeline)?;
    let kafka = kafka_options(&compiled, target.brokers.as_deref()).ok_or_else(super::run::no_brokers)?;
    Ok((compiled, kafka))
}
