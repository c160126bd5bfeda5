//! `riskstream verify`: whether what a service decided is what its inputs give, by feature.

mod metrics;
mod text;

use super::error::CommandError;
use super::output_file::OutputFile;
use super::replay::{Source, period, replay};
use super::target::Target;
use super::time_argument::{TimeArgument, time_argument};
use crate::clock::SystemClock;
use crate::shutdown::Shutdown;
use anyhow::{Context, anyhow};
use indicatif::HumanCount;
use riskstream_offline::recording::Period;
use riskstream_offline::replay::ReplayReport;
use riskstream_pipeline::Clock;
use serde::Serialize;
use std::path::PathBuf;

/// The arguments of `riskstream verify`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Compare the decisions that were written from this time on, or within this time: 2026-03-14, 2026-03-14T09:30:00Z, `24h`, `7d`.
    /// All are made again, from the beginning of the log, as each depends on those before it. Default: all that are there
    #[arg(long, value_name = "TIME", value_parser = time_argument)]
    since: Option<TimeArgument>,
    /// Compare the decisions that were written before this time. Default: up to the end
    #[arg(long, value_name = "TIME", value_parser = time_argument)]
    until: Option<TimeArgument>,
    /// The directory of a recording. Default: the topics are recorded to a temporary directory first
    #[arg(long, value_name = "DIR")]
    recording: Option<PathBuf>,
    /// Write the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write metrics to this file, in Prometheus' text format: for node_exporter's textfile collector, give it the ending .prom
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
}

/// The report.
#[derive(Serialize)]
struct Report {
    /// The decisions that were compared: when they were written, in milliseconds since the epoch.
    period: Period,
    #[serde(flatten)]
    report: ReplayReport,
}

/// Verifies.
///
/// # Errors
/// The pipeline file is wrong, there is no recording, it is damaged, or features or decisions differ.
pub fn execute(args: &Args) -> Result<(), CommandError> {
    let period = period(args.since, args.until)?;
    let create = |path: &Option<PathBuf>| path.as_deref().map(OutputFile::create).transpose();
    let json = create(&args.json).map_err(CommandError::configuration)?;
    let metrics = create(&args.metrics).map_err(CommandError::configuration)?;
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let source = Source::open(&args.target, args.recording.as_deref(), &shutdown)?;
    let report = replay(&source, period, &shutdown)?;
    print!("{}", text::text(&report, period));
    if let Some(file) = metrics {
        let pipeline = &source.compiled.plan.name;
        file.finish(metrics::metrics(&report, pipeline, SystemClock.now()).as_bytes())?;
    }
    let report = Report { period, report };
    if let Some(file) = json {
        file.finish_json(&report)?;
    }
    conclude(&report.report)
}

fn conclude(report: &ReplayReport) -> Result<(), CommandError> {
    let features = report.features.iter().filter(|check| check.different > 0);
    let features: Vec<&str> = features.map(|check| check.feature.as_str()).collect();
    let differences = HumanCount(report.outcome.differences.count);
    if !features.is_empty() {
        return Err(anyhow!(
            "{differences} differences; features that differ: {}",
            features.join(", ")
        )
        .into());
    }
    if report.outcome.differences.count > 0 {
        return Err(anyhow!("{differences} differences, in no feature").into());
    }
    if report.compared() == 0 {
        return Err(anyhow!("no decision of the period could be compared").into());
    }
    Ok(())
}
