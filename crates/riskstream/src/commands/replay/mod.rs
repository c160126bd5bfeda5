//! `riskstream replay`: makes recorded decisions again.

mod decision;
mod recorded;
mod source;
pub(super) mod text;

use super::error::CommandError;
use super::output_file::OutputFile;
use super::target::Target;
use super::time_argument::{TimeArgument, time_argument};
use crate::shutdown::Shutdown;
use anyhow::{Context, anyhow};
use indicatif::HumanCount;
use riskstream_offline::recording::Period;
use riskstream_offline::replay::ReplayReport;
pub(super) use source::Source;
use std::path::PathBuf;
use std::time::Instant;

/// The arguments of `riskstream replay`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// The directory of a recording. Default: the topics are recorded to a temporary directory first
    #[arg(long, value_name = "DIR")]
    recording: Option<PathBuf>,
    /// Make one decision again and show what it was made from: the id of the decision or of its transaction
    #[arg(long, value_name = "ID")]
    decision: Option<String>,
    /// Look for the decision among those that were written from this time on, or within this time: 2026-03-14, 2026-03-14T09:30:00Z,
    /// `24h`, `7d`. Files of the recording without such a decision are not read
    #[arg(long, value_name = "TIME", requires = "decision", value_parser = time_argument)]
    since: Option<TimeArgument>,
    /// Look for the decision among those that were written before this time
    #[arg(long, value_name = "TIME", requires = "decision", value_parser = time_argument)]
    until: Option<TimeArgument>,
    /// Write the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Makes decisions again and compares.
///
/// # Errors
/// The pipeline file is wrong, there is no recording, it is damaged, or decisions differ.
pub fn execute(args: &Args) -> Result<(), CommandError> {
    let json = args.json.as_deref().map(OutputFile::create).transpose();
    let json = json.map_err(CommandError::configuration)?;
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let period = period(args.since, args.until)?;
    let source = Source::open(&args.target, args.recording.as_deref(), &shutdown)?;
    if let Some(id) = &args.decision {
        let report = decision::audit(&source, (id, period), &shutdown)?;
        print!("{}", decision::text(&report, &source.compiled));
        if let Some(file) = json {
            file.finish_json(&report)?;
        }
        return decision::conclude(&report);
    }
    let report = replay(&source, period, &shutdown)?;
    print!("{}", text::text(&report));
    if let Some(file) = json {
        file.finish_json(&report)?;
    }
    conclude(&report)
}

/// A period of time.
///
/// # Errors
/// It ends before it begins.
pub(super) fn period(since: Option<TimeArgument>, until: Option<TimeArgument>) -> Result<Period, CommandError> {
    let period = Period {
        since: since.map(TimeArgument::milliseconds),
        until: until.map(TimeArgument::milliseconds),
    };
    if period
        .since
        .zip(period.until)
        .is_some_and(|(since, until)| since >= until)
    {
        return Err(CommandError::configuration(anyhow!("--until is not after --since")));
    }
    Ok(period)
}

fn conclude(report: &ReplayReport) -> Result<(), CommandError> {
    let differences = report.outcome.differences.count;
    if differences > 0 {
        let word = if differences == 1 { "difference" } else { "differences" };
        return Err(anyhow!("{} {word}", HumanCount(differences)).into());
    }
    if report.compared() == 0 {
        return Err(anyhow!(
            "no decision could be compared. For what another version of the pipeline would have decided: riskstream backtest"
        )
        .into());
    }
    Ok(())
}

/// Makes all decisions again and compares those of a period.
///
/// # Errors
/// See [`Source::run`].
pub(super) fn replay(source: &Source, period: Period, shutdown: &Shutdown) -> Result<ReplayReport, CommandError> {
    let began = Instant::now();
    let (mut report, notes) = source.run(shutdown, period, |replay, inputs| {
        replay.run(inputs.decode, inputs.prepare, inputs.progress)
    })?;
    report.notes.splice(0..0, notes);
    let again = HumanCount(report.outcome.decisions.again);
    eprintln!("{again} decisions made again in {:.1} s", began.elapsed().as_secs_f64());
    Ok(report)
}
