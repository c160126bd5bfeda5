//! `riskstream replay`: makes recorded decisions again.

mod decision;
mod recorded;
mod source;
pub(super) mod text;

use super::error::CommandError;
use super::output_file::OutputFile;
use super::target::Target;
use crate::shutdown::Shutdown;
use anyhow::{Context, anyhow};
use indicatif::HumanCount;
use riskstream_offline::replay::{Period, ReplayReport};
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
    let source = Source::open(&args.target, args.recording.as_deref(), &shutdown)?;
    if let Some(id) = &args.decision {
        let report = decision::audit(&source, id, &shutdown)?;
        print!("{}", decision::text(&report, &source.compiled));
        if let Some(file) = json {
            file.finish_json(&report)?;
        }
        return decision::conclude(&report);
    }
    let report = replay(&source, Period::default(), &shutdown)?;
    print!("{}", text::text(&report));
    if let Some(file) = json {
        file.finish_json(&report)?;
    }
    conclude(&report)
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
    let (mut report, notes) = source.run(shutdown, period, |replay, needs| {
        replay.run(needs.decode, needs.prepare, needs.progress)
    })?;
    report.notes.splice(0..0, notes);
    let again = HumanCount(report.outcome.decisions.again);
    eprintln!("{again} decisions made again in {:.1} s", began.elapsed().as_secs_f64());
    Ok(report)
}
