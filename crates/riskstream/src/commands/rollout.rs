//! `riskstream rollout`: which models decide, while the pipeline runs.

use super::CommandError;
use crate::pipeline_file;
use crate::rollout::{Entry, History, restoring, with_revision};
use crate::service::kafka_options;
use anyhow::{Context, anyhow};
use riskstream_definition::{Compiled, compile_rollout, read_rollout};
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
    /// Load and check the models of a roll-out file; changes nothing
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
        /// The roll-out file; without `revision` it gets the next one
        rollout: PathBuf,
    },
    /// Restore the models that decided before the last roll-out
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

#[derive(clap::Args)]
struct Target {
    /// The pipeline file
    pipeline: PathBuf,
    /// Where Kafka is, instead of what the file says: `host:port,host:port`
    #[arg(long, value_name = "BROKERS")]
    brokers: Option<String>,
}

/// Does it.
///
/// # Errors
/// The pipeline file or the roll-out is wrong, or Kafka cannot be reached or refuses.
pub fn execute(args: &Args) -> Result<(), CommandError> {
    match &args.action {
        Action::Check { pipeline, rollout } => {
            let lineup = pipeline_file::load_rollout(&pipeline_file::load(pipeline)?, rollout)?;
            println!("{}: ok", rollout.display());
            print!("{}", describe(&lineup));
            Ok(())
        }
        Action::Apply { target, rollout } => apply(&Topic::open(target)?, rollout),
        Action::Back { target } => back(&Topic::open(target)?),
        Action::Show { target } => {
            show(&Topic::open(target)?.history()?);
            Ok(())
        }
    }
}

fn apply(topic: &Topic, path: &Path) -> Result<(), CommandError> {
    let (name, text) = (path.display().to_string(), pipeline_file::read_rollout_text(path)?);
    let next = topic.history()?.newest() + 1;
    let text = match read_rollout(&name, &text)?.revision {
        None => with_revision(&text, next),
        Some(given) if u64::from(given.value) < next => {
            return Err(CommandError::Configuration(anyhow!(
                "{name}: revision {} would have no effect, {} was rolled out already; write {next}, or leave `revision` out",
                given.value,
                next - 1
            )));
        }
        Some(_) => text,
    };
    let (_, lineup) = compile_rollout(&name, &text, &topic.pipeline)?;
    topic.publish(&text)?;
    println!("revision {} is on its way to every copy:", lineup.revision);
    print!("{}", describe(&lineup));
    Ok(())
}

fn back(topic: &Topic) -> Result<(), CommandError> {
    let history = topic.history()?;
    let Some(previous) = history.previous() else {
        return Err(CommandError::Configuration(anyhow!(
            "there is nothing to go back to: the pipeline file's own models decide"
        )));
    };
    let next = history.newest() + 1;
    let text = match history.get(previous) {
        Some(Entry { text, file, .. }) => restoring(text, file, next, previous),
        None => format!("revision: {next}\nrestores: 0\n"),
    };
    let (_, lineup) = compile_rollout(&format!("revision {previous}"), &text, &topic.pipeline)?;
    topic.publish(&text)?;
    let what = match previous {
        0 => "the pipeline file's own models".to_owned(),
        revision => format!("the models of revision {revision}"),
    };
    println!("revision {next} restores {what}:");
    print!("{}", describe(&lineup));
    Ok(())
}

fn show(history: &History) {
    if history.entries().is_empty() {
        println!("nothing was rolled out: the pipeline file's own models decide");
        return;
    }
    println!("{:>8}  {:<9}  WHAT", "REVISION", "STATUS");
    for entry in history.entries() {
        let status = if entry.revision == history.newest() {
            "newest"
        } else {
            ""
        };
        println!("{:>8}  {status:<9}  {}", entry.revision, summary(entry));
    }
}

/// What a roll-out is, in a line.
fn summary(entry: &Entry) -> String {
    let file = &entry.file;
    let named = |section: &riskstream_definition::syntax::ModelSection| {
        section
            .file
            .0
            .as_ref()
            .map_or_else(String::new, |file| file.value.clone())
    };
    let champion = file.champion.as_ref().map(|champion| named(&champion.value));
    let mut parts = vec![format!(
        "champion {}",
        champion.as_deref().unwrap_or("of the pipeline file")
    )];
    parts.extend(file.challengers.0.iter().filter_map(|challenger| {
        let challenger = &challenger.value;
        let share = challenger.share.0.as_ref()?.value * 100.0;
        Some(format!(
            "challenger {} for {share} %",
            named(&challenger.model.0.as_ref()?.value)
        ))
    }));
    parts.extend(
        file.shadows
            .0
            .iter()
            .map(|shadow| format!("shadow {}", named(&shadow.value))),
    );
    if let Some(restores) = entry.restores {
        parts.push(format!("restores revision {restores}"));
    }
    let description = file.description.iter().cloned();
    description.chain([parts.join(", ")]).collect::<Vec<_>>().join(": ")
}

/// The models of a line-up and their parts, a line for each.
fn describe(lineup: &Lineup) -> String {
    let mut text = match lineup.champion {
        Some(champion) => part("champion", lineup, champion, ""),
        None => "  champion    none: rules decide\n".to_owned(),
    };
    for challenger in &lineup.challengers {
        let share = (challenger.share.end - challenger.share.start) * 100.0;
        let condition = challenger.when.as_ref();
        let condition = condition.map_or(String::new(), |when| format!(", when {}", when.source()));
        let more = format!(", {share:.4} % of {}{condition}", challenger.entity.0);
        text += &part("challenger", lineup, challenger.model, &more);
    }
    for &shadow in &lineup.shadows {
        text += &part("shadow", lineup, shadow, "");
    }
    text
}

fn part(name: &str, lineup: &Lineup, model: usize, more: &str) -> String {
    let model = &lineup.models[model];
    let line = |name: &str, model: &ModelPlan, more: &str| {
        format!(
            "  {name:<10}  {}, sha256 {}{more}\n",
            model.label,
            &model.model.sha256()[..16]
        )
    };
    let fallback = model.fallback.map(|fallback| {
        let more = format!(", where {} gives no score", model.label);
        line("fallback", &lineup.models[fallback], &more)
    });
    line(name, model, more) + fallback.as_deref().unwrap_or_default()
}

/// The pipeline's roll-out topic.
struct Topic {
    pipeline: Compiled,
    kafka: KafkaOptions,
    name: Arc<str>,
}

impl Topic {
    fn open(target: &Target) -> Result<Topic, CommandError> {
        let pipeline = pipeline_file::load(&target.pipeline)?;
        let name = pipeline.rollout_topic().cloned().ok_or_else(|| {
            CommandError::Configuration(anyhow!(
                "{} has no roll-out topic: add `rollout: {{topic: {}-rollouts}}`, then `riskstream topics create`",
                target.pipeline.display(),
                pipeline.plan.name
            ))
        })?;
        let kafka = kafka_options(&pipeline, target.brokers.as_deref()).ok_or_else(super::run::no_brokers)?;
        Ok(Topic { pipeline, kafka, name })
    }

    /// Everything that the topic holds.
    fn history(&self) -> Result<History, CommandError> {
        let mut scan = TopicScan::begin(&self.kafka, &self.name, None).map_err(anyhow::Error::from)?;
        let mut history = History::default();
        loop {
            match scan.next(Duration::from_millis(100)).map_err(anyhow::Error::from)? {
                Scanned::Record(Some(value)) => history.add(String::from_utf8_lossy(&value).into_owned()),
                Scanned::Record(None) | Scanned::Nothing => {}
                Scanned::End => return Ok(history),
            }
        }
    }

    fn publish(&self, text: &str) -> Result<(), CommandError> {
        let producer = Producer::open_with(&self.kafka).map_err(anyhow::Error::from)?;
        let key = self.pipeline.plan.name.as_bytes();
        producer
            .send(&self.name, key, text.as_bytes())
            .and_then(|()| producer.finish())
            .with_context(|| format!("the roll-out was not written to {}", self.name))?;
        Ok(())
    }
}
