//! `riskstream rollout`: changes the models of a running pipeline.

use super::error::CommandError;
use super::target::Target;
use crate::pipeline_file::{self, read_rollout_text};
use crate::rollout::{History, PublishedRollout, restoring, with_revision};
use anyhow::{Context, anyhow};
use riskstream_definition::syntax::ModelSection;
use riskstream_definition::{Compiled, Report, prepare, read_rollout};
use riskstream_kafka::{KafkaOptions, Producer, Scanned, TopicScan};
use riskstream_scoring::{Lineup, ModelPlan};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The arguments of `riskstream rollout`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Load and check the models of a roll-out file; change nothing
    Check {
        /// The pipeline file
        pipeline: PathBuf,
        /// The roll-out file
        rollout: PathBuf,
    },
    /// Check a roll-out file and write it to the pipeline's roll-out topic
    Apply {
        #[command(flatten)]
        target: Target,
        /// The roll-out file; if it has no `revision`, the next one is added
        rollout: PathBuf,
    },
    /// Restore the models that were in force before the last roll-out
    Back {
        #[command(flatten)]
        target: Target,
    },
    /// List the roll-outs of the pipeline's roll-out topic
    Show {
        #[command(flatten)]
        target: Target,
    },
}

/// Runs the action.
///
/// # Errors
/// The pipeline file or the roll-out is wrong, or Kafka cannot be reached or refuses.
pub fn execute(args: Args) -> Result<(), CommandError> {
    match args.action {
        Action::Check { pipeline, rollout } => {
            let lineup = pipeline_file::load_rollout(&rollout, &pipeline_file::load(&pipeline)?)?;
            println!("{}: ok", rollout.display());
            print!("{}", describe(&lineup));
            Ok(())
        }
        Action::Apply { target, rollout } => apply(&RolloutTopic::open(&target)?, &rollout),
        Action::Back { target } => back(&RolloutTopic::open(&target)?),
        Action::Show { target } => {
            show(&RolloutTopic::open(&target)?.history()?);
            Ok(())
        }
    }
}

fn apply(topic: &RolloutTopic, path: &Path) -> Result<(), CommandError> {
    let name = path.display().to_string();
    let text = read_rollout_text(path).map_err(|error| Report::unreadable(&name, &error))?;
    let next = topic.history()?.newest() + 1;
    let text = match read_rollout(&name, &text)?.revision {
        None => with_revision(&text, next),
        Some(given) if u64::from(given.value) < next => {
            return Err(CommandError::configuration(anyhow!(
                "{name}: revision {} would have no effect, {} was rolled out already; write {next}, or leave `revision` out",
                given.value,
                next - 1
            )));
        }
        Some(_) => text,
    };
    let lineup = prepare(&name, &text, &topic.pipeline)?;
    topic.publish(&text)?;
    println!("revision {} is on its way to every copy:", lineup.revision);
    print!("{}", describe(&lineup));
    Ok(())
}

fn back(topic: &RolloutTopic) -> Result<(), CommandError> {
    let history = topic.history()?;
    let Some(previous) = history.previous() else {
        return Err(CommandError::configuration(anyhow!(
            "there is nothing to go back to: the models of the pipeline file are in force"
        )));
    };
    let next = history.newest() + 1;
    let text = match history.get(previous) {
        Some(PublishedRollout { text, file, .. }) => restoring(text, file, next, previous),
        None => format!("revision: {next}\nrestores: 0\n"),
    };
    let lineup = prepare(&format!("revision {previous}"), &text, &topic.pipeline)?;
    topic.publish(&text)?;
    let restored = match previous {
        0 => "the pipeline file's own models".to_owned(),
        revision => format!("the models of revision {revision}"),
    };
    println!("revision {next} restores {restored}:");
    print!("{}", describe(&lineup));
    Ok(())
}

fn show(history: &History) {
    if history.rollouts().is_empty() {
        println!("nothing was rolled out: the models of the pipeline file are in force");
        return;
    }
    println!("{:>8}  {:<9}  WHAT", "REVISION", "STATUS");
    for rollout in history.rollouts() {
        let status = if rollout.revision == history.newest() {
            "newest"
        } else {
            ""
        };
        println!("{:>8}  {status:<9}  {}", rollout.revision, summary(rollout));
    }
}

/// A roll-out in one line.
fn summary(rollout: &PublishedRollout) -> String {
    let file = &rollout.file;
    let champion = file.champion.as_ref().map(|champion| model_file(&champion.value));
    let mut parts = vec![format!(
        "champion {}",
        champion.as_deref().unwrap_or("of the pipeline file")
    )];
    parts.extend(file.challengers.0.iter().filter_map(|challenger| {
        let challenger = &challenger.value;
        let percent = challenger.share.0.as_ref()?.value * 100.0;
        let model = model_file(&challenger.model.0.as_ref()?.value);
        Some(format!("challenger {model} for {percent} %"))
    }));
    let shadows = file.shadows.0.iter();
    parts.extend(shadows.map(|shadow| format!("shadow {}", model_file(&shadow.value))));
    if let Some(restores) = rollout.restores {
        parts.push(format!("restores revision {restores}"));
    }
    let description = file.description.iter().cloned();
    description.chain([parts.join(", ")]).collect::<Vec<_>>().join(": ")
}

fn model_file(section: &ModelSection) -> String {
    let file = section.file.0.as_ref();
    file.map_or_else(String::new, |file| file.value.clone())
}

/// The models of a line-up and their roles, a line for each.
fn describe(lineup: &Lineup) -> String {
    let mut text = match lineup.champion {
        Some(champion) => model_line("champion", lineup, champion, ""),
        None => "  champion    none: rules decide\n".to_owned(),
    };
    for challenger in &lineup.challengers {
        let share = (challenger.share.end - challenger.share.start) * 100.0;
        let condition = challenger.when.as_ref();
        let condition = condition.map_or(String::new(), |when| format!(", when {}", when.source()));
        let more = format!(", {share:.4} % of {}{condition}", challenger.entity.0);
        text += &model_line("challenger", lineup, challenger.model, &more);
    }
    for &shadow in &lineup.shadows {
        text += &model_line("shadow", lineup, shadow, "");
    }
    text
}

/// The line of a model, and that of its fallback.
fn model_line(role: &str, lineup: &Lineup, model: usize, more: &str) -> String {
    let model = &lineup.models[model];
    let line = |role: &str, model: &ModelPlan, more: &str| {
        format!(
            "  {role:<10}  {}, sha256 {}{more}\n",
            model.label,
            &model.model.sha256()[..16]
        )
    };
    let fallback = model.fallback.map(|fallback| {
        let more = format!(", where {} gives no score", model.label);
        line("fallback", &lineup.models[fallback], &more)
    });
    line(role, model, more) + fallback.as_deref().unwrap_or_default()
}

/// The pipeline's roll-out topic.
struct RolloutTopic {
    pipeline: Compiled,
    kafka: KafkaOptions,
    name: Arc<str>,
}

impl RolloutTopic {
    fn open(target: &Target) -> Result<RolloutTopic, CommandError> {
        let (pipeline, kafka) = target.load()?;
        let name = pipeline.rollout_topic().cloned().ok_or_else(|| {
            CommandError::configuration(anyhow!(
                "{} has no roll-out topic: add `rollout: {{topic: {}-rollouts}}`, then `riskstream topics create`",
                target.pipeline.display(),
                pipeline.plan.name
            ))
        })?;
        Ok(RolloutTopic { pipeline, kafka, name })
    }

    /// Reads the whole topic.
    fn history(&self) -> Result<History, CommandError> {
        let mut scan = TopicScan::begin(&self.kafka, &self.name, None).map_err(CommandError::failed)?;
        let mut history = History::default();
        loop {
            match scan.next(Duration::from_millis(100)).map_err(CommandError::failed)? {
                Scanned::Record(record) => {
                    let value = record.value.iter();
                    value.for_each(|value| history.add(String::from_utf8_lossy(value).into_owned()));
                }
                Scanned::Nothing => {}
                Scanned::End => return Ok(history),
            }
        }
    }

    fn publish(&self, text: &str) -> Result<(), CommandError> {
        let producer = Producer::open_with(&self.kafka).map_err(CommandError::failed)?;
        let key = self.pipeline.plan.name.as_bytes();
        producer
            .send(&self.name, key, text.as_bytes())
            .and_then(|()| producer.finish())
            .with_context(|| format!("the roll-out was not written to {}", self.name))?;
        Ok(())
    }
}
