//! `riskstream state reset`: sets the positions of an input back when its topic is another one than before.

use crate::commands::error::CommandError;
use crate::commands::target::Target;
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_kafka::{ResetPosition, TopicReset};
use std::time::SystemTime;

/// The arguments of `riskstream state reset`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    /// The topic of an input of the pipeline
    #[arg(long, value_name = "TOPIC")]
    topic: String,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Sets positions back.
///
/// # Errors
/// The pipeline file is wrong, the topic is none of its inputs or has not changed, or Kafka cannot be reached or refuses.
pub(super) fn execute(args: &Args) -> Result<(), CommandError> {
    let (compiled, kafka) = args.target.load()?;
    check_topic(&compiled, &args.topic).map_err(CommandError::configuration)?;
    let reset = TopicReset::plan(&kafka, &args.topic).map_err(CommandError::failed)?;
    if !reset.is_needed() {
        return Err(CommandError::failed(anyhow!(
            "the positions of the group {} in {} belong to this topic: reading it again would decide its records a second time; \
             riskstream state repeat does that",
            kafka.group,
            args.topic
        )));
    }
    if !args.dry_run {
        reset.commit(epoch()).map_err(CommandError::failed)?;
    }
    let will = if args.dry_run { "would be" } else { "is" };
    println!(
        "{} {will} read from its beginning by the group {}:",
        args.topic, kafka.group
    );
    reset
        .positions
        .iter()
        .for_each(|position| println!("{}", line(position)));
    println!("{COST}");
    Ok(())
}

const COST: &str = "\
Each of these records is a new event: it is decided, and counts in features. If it was decided before, on the former topic, it is
decided again, with the same `decision_id`. As long as an entity remembers its id (`dedupe`), the decision has the flag `duplicate`
and the event does not count a second time.";

/// Minutes since 2025: larger for each reset, also where nothing is left of the one before.
fn epoch() -> u32 {
    const MINUTES_UNTIL_2025: u64 = 20_089 * 24 * 60;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let minutes = now.map_or(0, |now| now.as_secs() / 60);
    u32::try_from(minutes.saturating_sub(MINUTES_UNTIL_2025)).unwrap_or(u32::MAX)
}

fn check_topic(compiled: &Compiled, topic: &str) -> Result<(), anyhow::Error> {
    let inputs: Vec<&str> = compiled.inputs.iter().map(|input| &*input.topic).collect();
    if inputs.contains(&topic) {
        return Ok(());
    }
    if compiled
        .repartition_topics
        .iter()
        .flatten()
        .any(|name| **name == *topic)
    {
        return Err(anyhow!(
            "{topic} is an internal topic: rows on their way through it are lost if it is created again. Give the pipeline \
             another name, so that it builds new state from the inputs"
        ));
    }
    Err(anyhow!(
        "{topic} is no input of {}: {}",
        compiled.plan.name,
        inputs.join(", ")
    ))
}

pub(super) fn line(position: &ResetPosition) -> String {
    let before = position.before.map_or("none".to_owned(), |before| before.to_string());
    format!(
        "  partition {}: position {before} -> {}, {} records to read",
        position.partition,
        position.after,
        position.end - position.after
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_what_is_to_be_read() {
        let position = ResetPosition {
            partition: 3,
            before: Some(500),
            decided: Some(500),
            after: 0,
            end: 700,
        };
        assert_eq!(line(&position), "  partition 3: position 500 -> 0, 700 records to read");
    }
}
