//! `riskstream rules`: reports the hits of the rules of a running pipeline.

mod label_topic;

use super::decision_topic::{self, Selection};
use super::error::CommandError;
use super::output_file::OutputFile;
use super::target::Target;
use crate::rollout::RolloutTopics;
use crate::shutdown::Shutdown;
use anyhow::{Context, anyhow};
use indicatif::HumanCount;
use label_topic::LabelTopic;
use riskstream_backtest::report::Recorded;
use riskstream_backtest::{AsOf, Labels, rules_text};
use riskstream_definition::{Compiled, duration, nearest};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

/// The arguments of `riskstream rules`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Hits, precision, overlaps and money of each rule, from the topics of decisions and labels
    Report(ReportArgs),
}

#[derive(clap::Args)]
struct ReportArgs {
    #[command(flatten)]
    target: Target,
    /// Read only the records of the topics that were written within this time: `15m`, `7d`
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    since: Option<i64>,
    /// The feature with the amount. Default: `amount`, if the pipeline has it
    #[arg(long, value_name = "FEATURE")]
    amount: Option<String>,
    /// The field of labels that is true for fraud
    #[arg(long, value_name = "FIELD", default_value = "fraud")]
    label_fraud: String,
    /// A payment without a label is genuine once it is so much older than the newest, such as 60d. Without this it is not judged
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    genuine_after: Option<i64>,
    /// Write the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the action.
///
/// # Errors
/// The pipeline file is wrong, a topic cannot be read, or the run was interrupted.
pub fn execute(args: &Args) -> Result<(), CommandError> {
    match &args.action {
        Action::Report(args) => report(args),
    }
}

fn report(args: &ReportArgs) -> Result<(), CommandError> {
    let (compiled, kafka) = args.target.load_reading(std::slice::from_ref(&args.label_fraud))?;
    let compiled = match RolloutTopics::of(&compiled, &kafka) {
        Some(topics) => topics.pipeline_in_force()?,
        None => compiled,
    };
    let amount = args.amount(&compiled)?;
    let json = args.json.as_deref().map(OutputFile::create).transpose();
    let json = json.map_err(CommandError::configuration)?;
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let mut recorded = Recorded::new(Arc::clone(&compiled.plan), amount);
    let selection = Selection {
        since: args.since,
        key: None,
    };
    let decisions = decision_topic::read(&compiled, &kafka, selection, &shutdown, &mut |decision, _| {
        recorded.add(decision);
        Ok(ControlFlow::Continue(()))
    })?;
    let as_of = AsOf {
        genuine_after: args.genuine_after,
        ..AsOf::default()
    };
    let labels = LabelTopic::find(&compiled, &args.label_fraud).map_err(CommandError::configuration)?;
    let labels = match labels {
        Some(topic) => topic.read(&kafka, args.since, as_of, &shutdown)?,
        None => {
            eprintln!("no feature of the pipeline uses labels, so none are read and nothing is judged");
            Labels::default()
        }
    };
    let report = recorded.report(&labels, as_of);
    print!("{}", rules_text(&report));
    println!(
        "\n{} records of decisions, {} labels",
        HumanCount(decisions),
        HumanCount(labels.records)
    );
    if let Some(file) = json {
        file.finish_json(&report)?;
    }
    Ok(())
}

impl ReportArgs {
    fn amount(&self, compiled: &Compiled) -> Result<Option<String>, CommandError> {
        let names = || compiled.plan.decide.features.iter().map(|(name, _)| name.as_str());
        let Some(wanted) = &self.amount else {
            return Ok(names().find(|name| *name == "amount").map(str::to_owned));
        };
        if names().any(|name| name == wanted) {
            return Ok(Some(wanted.clone()));
        }
        let hint = nearest(wanted, names()).map_or(String::new(), |nearest| format!(" (did you mean `{nearest}`?)"));
        Err(CommandError::configuration(anyhow!(
            "--amount {wanted}: the pipeline has no such feature{hint}; decisions carry features only"
        )))
    }
}
