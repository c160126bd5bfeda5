//! `riskstream state repeat`: sets positions back so that records are decided again.

use super::reset::line;
use crate::commands::error::CommandError;
use crate::commands::target::Target;
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_kafka::TopicReset;

/// The arguments of `riskstream state repeat`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    /// Only this partition
    #[arg(long, value_name = "NUMBER")]
    partition: Option<i32>,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Sets positions back.
///
/// # Errors
/// The pipeline file is wrong, the topic has no such partition or is another one than before, or Kafka cannot be reached or
/// refuses.
pub(super) fn execute(args: &Args) -> Result<(), CommandError> {
    let (compiled, kafka) = args.target.load()?;
    let topic = deciding_topic(&compiled);
    let mut reset = TopicReset::plan(&kafka, topic).map_err(CommandError::failed)?;
    if reset.is_needed() {
        return Err(CommandError::failed(anyhow!(
            "the group {} has no positions in {topic}, or they belong to another topic: nothing of it was decided",
            kafka.group
        )));
    }
    if let Some(partition) = args.partition {
        reset.positions.retain(|position| position.partition == partition);
        if reset.positions.is_empty() {
            return Err(CommandError::configuration(anyhow!(
                "{topic} has no partition {partition}"
            )));
        }
    }
    if !args.dry_run {
        reset.commit_repeats().map_err(CommandError::failed)?;
    }
    let will = if args.dry_run { "would be" } else { "is" };
    println!("{topic} {will} read from its beginning by the group {}:", kafka.group);
    for position in &reset.positions {
        println!("{}", line(position));
    }
    let entity = &compiled.plan.stages[compiled.plan.stages.len() - 1].entity;
    println!(
        "Now remove the states {entity}-PARTITION of these partitions from all state directories: they are built again. Decisions on \
         records before the former positions have the flag `repeated`, and the `decision_id` of the first time."
    );
    Ok(())
}

/// The topic whose records are decided.
fn deciding_topic(compiled: &Compiled) -> &str {
    let last = compiled.repartition_topics.last().and_then(Option::as_ref);
    last.unwrap_or(&compiled.inputs[0].topic)
}
