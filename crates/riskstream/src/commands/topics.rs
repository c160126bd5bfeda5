//! `riskstream topics`: lists the topics that a pipeline needs; `riskstream topics create` creates those that are
//! missing.

use super::error::CommandError;
use super::target::Target;
use crate::required_topics::{RequiredTopic, TopicOptions, TopicRole, describe, required_topics, specification};
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_kafka::KafkaOptions;
use riskstream_kafka::topics::{Created, TopicLookup, TopicSpec};
use riskstream_pipeline::identity::{self, Keying};
use riskstream_pipeline::log::LogTopic;
use riskstream_pipeline::topology::chain;
use std::time::Duration;

/// Partitions of new topics if the transactions topic does not exist either.
const DEFAULT_PARTITIONS: i32 = 4;

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
    /// Create the topics that are missing; leave existing ones as they are
    Create(CreateArgs),
}

#[derive(clap::Args)]
struct CreateArgs {
    #[command(flatten)]
    target: Target,
    /// Partitions of each new topic; by default as many as the transactions topic has, or 4
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    partitions: Option<i32>,
    /// Brokers that hold each new topic; by default what the brokers are configured for
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=100))]
    replication_factor: Option<i32>,
    /// Days that repartition topics keep records; unlimited by default, since lost state is rebuilt from them
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    hop_retention_days: Option<u32>,
    /// Only show what would be created
    #[arg(long)]
    dry_run: bool,
}

/// Lists or creates topics.
///
/// # Errors
/// The pipeline file is wrong, or Kafka cannot be reached or refuses.
pub fn execute(args: Args) -> Result<(), CommandError> {
    match (args.action, args.target) {
        (Some(Action::Create(create)), _) => execute_create(&create),
        (None, Some(target)) => list(&target),
        (None, None) => Err(CommandError::configuration(anyhow!(
            "which pipeline? riskstream topics PIPELINE"
        ))),
    }
}

fn list(target: &Target) -> Result<(), CommandError> {
    let (compiled, kafka) = target.load()?;
    let required = required_topics(&compiled);
    let described = describe(&kafka, &required).map_err(CommandError::failed)?;
    print!("{}", table(&required, &described));
    for refusal in refusals(&compiled, &kafka, &required) {
        println!("\n{refusal}");
    }
    if described.iter().any(|topic| topic.partitions.is_none()) {
        println!(
            "\ncreate what is missing: riskstream topics create {}",
            target.pipeline.display()
        );
    }
    Ok(())
}

/// Which topics that exist would not be read, and why.
fn refusals(compiled: &Compiled, kafka: &KafkaOptions, required: &[RequiredTopic]) -> Vec<String> {
    let read: Vec<(&str, Keying)> = required
        .iter()
        .filter_map(|topic| Some((topic.name.as_str(), keying(compiled, &topic.role)?)))
        .collect();
    let names: Vec<&str> = read.iter().map(|(name, _)| *name).collect();
    let topics = match riskstream_kafka::look_up(kafka, &names) {
        Ok(topics) => topics,
        Err(error) => {
            return vec![format!(
                "whether the group's positions fit the topics is not known: {error}"
            )];
        }
    };
    let chain = chain(&compiled.plan, &compiled.repartition_topics);
    let refusal = |((name, keying), topic): ((&str, Keying), Option<LogTopic>)| {
        let reason = identity::identify(name, &topic?, keying, &chain).err()?;
        Some(format!("not read: {reason}"))
    };
    read.into_iter().zip(topics).filter_map(refusal).collect()
}

/// What a topic is to the task that reads it; none if none does.
fn keying(compiled: &Compiled, role: &TopicRole) -> Option<Keying> {
    match role {
        TopicRole::Input(_) | TopicRole::Rows(_) if compiled.repartition_topics[0].is_some() => Some(Keying::Free),
        TopicRole::Input(_) | TopicRole::Rows(_) | TopicRole::Repartition(_) => Some(Keying::ByState),
        TopicRole::Decisions
        | TopicRole::Output(_)
        | TopicRole::DeadLetters
        | TopicRole::Rollouts
        | TopicRole::Approvals
        | TopicRole::List(_)
        | TopicRole::Table(_) => None,
    }
}

fn execute_create(args: &CreateArgs) -> Result<(), CommandError> {
    let (compiled, kafka) = args.target.load()?;
    let required = required_topics(&compiled);
    let described = describe(&kafka, &required).map_err(CommandError::failed)?;
    let missing = missing(args, &required, &described);
    if missing.is_empty() {
        println!("all {} topics exist", required.len());
        return Ok(());
    }
    if args.dry_run {
        missing.iter().for_each(|topic| print_topic("would create", topic));
        return Ok(());
    }
    let created = riskstream_kafka::topics::create(&kafka, &missing).map_err(CommandError::failed)?;
    for (topic, created) in missing.iter().zip(created) {
        match created {
            Created::New => print_topic("created", topic),
            Created::Existed => print_topic("exists", topic),
        }
    }
    Ok(())
}

/// The topics that do not exist, with the settings to create them with.
fn missing(args: &CreateArgs, required: &[RequiredTopic], described: &[TopicLookup]) -> Vec<TopicSpec> {
    let options = TopicOptions {
        partitions: args
            .partitions
            .or(transaction_partitions(required, described))
            .unwrap_or(DEFAULT_PARTITIONS),
        replication: args.replication_factor,
        repartition_retention: args
            .hop_retention_days
            .map(|days| Duration::from_secs(u64::from(days) * 86_400)),
    };
    let topics = required.iter().zip(described);
    topics
        .filter(|(_, topic)| topic.partitions.is_none())
        .map(|(required, _)| specification(required, &options))
        .collect()
}

/// The partitions of the first input that exists.
fn transaction_partitions(required: &[RequiredTopic], described: &[TopicLookup]) -> Option<i32> {
    let mut inputs = required
        .iter()
        .zip(described)
        .filter(|(required, _)| matches!(required.role, TopicRole::Input(_)));
    inputs.find_map(|(_, topic)| topic.partitions)
}

fn print_topic(status: &str, topic: &TopicSpec) {
    let settings: String = topic
        .settings
        .iter()
        .map(|(name, value)| format!(" {name}={value}"))
        .collect();
    println!("{status} {}: {} partitions{settings}", topic.name, topic.partitions);
}

/// A table of the required topics and whether they exist.
fn table(required: &[RequiredTopic], described: &[TopicLookup]) -> String {
    let topics = required.iter().zip(described);
    let rows: Vec<[String; 4]> = topics
        .map(|(required, topic)| {
            let (partitions, status) = match topic.partitions {
                Some(count) => (count.to_string(), "exists"),
                None => ("-".to_owned(), "missing"),
            };
            let (name, role) = (required.name.clone(), required.role.to_string());
            [name, partitions, role, status.to_owned()]
        })
        .collect();
    let head = ["TOPIC", "PARTITIONS", "PURPOSE", "STATUS"].map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).map(|row| row[column].len());
        cells.max().unwrap_or_default()
    };
    let (names, counts, roles) = (width(0), width(1), width(2));
    let mut text = String::new();
    for [name, partitions, role, status] in [&head].into_iter().chain(&rows) {
        text.push_str(&format!(
            "{name:names$}  {partitions:>counts$}  {role:roles$}  {status}\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_which_topics_exist() {
        let required = |name: &str, role| RequiredTopic {
            name: name.to_owned(),
            role,
        };
        let described = |name: &str, partitions| TopicLookup {
            name: name.to_owned(),
            partitions,
        };
        let expected = "\
TOPIC                PARTITIONS  PURPOSE                STATUS
transactions                 12  input: transactions    exists
card-fraud.terminal           -  repartition: terminal  missing
dead-letters                  1  dead letters           exists
";
        let table = table(
            &[
                required("transactions", TopicRole::Input("transactions".into())),
                required("card-fraud.terminal", TopicRole::Repartition("terminal".into())),
                required("dead-letters", TopicRole::DeadLetters),
            ],
            &[
                described("transactions", Some(12)),
                described("card-fraud.terminal", None),
                described("dead-letters", Some(1)),
            ],
        );
        assert_eq!(table, expected);
    }
}
