//! `riskstream demo`: a pipeline on simulated transactions, with the production code on a log in memory; or on the user's
//! files, as `riskstream backfill` runs it.

mod feed;
mod files;
mod progress;
mod results;
mod shipped;
mod simulation;

use super::error::CommandError;
use super::input_files::{FileArgs, Given};
use super::run_report::{ReportArgs, RunReport};
use crate::pipeline_file;
use crate::secret::secret;
use crate::shutdown::Shutdown;
use crate::simulated::SimulationArgs;
use anyhow::{Context, anyhow};
use files::Files;
use progress::Progress;
use results::Results;
use riskstream_definition::Compiled;
use riskstream_offline::read::ENDINGS;
use shipped::ShippedPipeline;
use std::path::{Path, PathBuf};

/// The arguments of `riskstream demo`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    simulation: SimulationArgs,
    /// The pipeline file; by default the shipped pipelines/card-fraud.yaml, which is part of the program
    #[arg(long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    #[arg(long = "input", value_name = "[NAME=]FILE", help = format!(
        "A file of your own transactions instead of simulated ones; NAME=FILE for other inputs. Its name ends in {ENDINGS}"
    ))]
    inputs: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    report: ReportArgs,
    /// The file for the decisions, one JSON object a line
    #[arg(long, value_name = "FILE", default_value = "decisions.jsonl")]
    output: PathBuf,
}

/// Runs the pipeline over all records, shows progress, and compares the decisions with the ground truth.
///
/// # Errors
/// The user's input is wrong, the run was interrupted, or a file cannot be read or written.
pub fn execute(args: Args) -> Result<(), CommandError> {
    let compiled = load(args.pipeline.as_deref())?;
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let name = &compiled.plan.name;
    let outcomes = compiled.plan.decide.policy.outcomes();
    let (results, truth) = if args.inputs.is_empty() {
        let simulation = simulation::Simulation::new(&args.simulation, &compiled)?;
        let mut results = Results::create(&args.output, outcomes, RunReport::new(&args.report)?)?;
        let mut progress = Progress::new(Some(args.simulation.days));
        eprintln!("pipeline {name} on a log in memory; Ctrl-C ends it");
        let truth = simulation.run(&mut results, &mut progress, &shutdown)?;
        (results, Some(truth))
    } else {
        let secret = secret(&compiled.settings)?;
        let inputs: Vec<Given> = args.inputs.iter().cloned().map(Given::Argument).collect();
        let files = Files::open(&args.files, &inputs, &compiled, secret.as_deref())?;
        let mut results = Results::create(&args.output, outcomes, RunReport::new(&args.report)?)?;
        let mut progress = Progress::new(None);
        eprintln!("pipeline {name} on your files; Ctrl-C ends it");
        let directory = directory(&args.output);
        let truth = files.run(&compiled, directory, &mut results, &mut progress, &shutdown)?;
        (results, truth)
    };
    results.finish(truth.as_ref(), &args.output)?;
    if shutdown.requested() {
        return Err(anyhow!("interrupted; the decisions made before are complete").into());
    }
    Ok(())
}

/// The pipeline of a file, or else the shipped one. Its files are read when it is compiled, and not afterwards.
fn load(file: Option<&Path>) -> Result<Compiled, CommandError> {
    match file {
        Some(file) => Ok(pipeline_file::load(file)?),
        None => Ok(pipeline_file::load(&ShippedPipeline::write()?.path())?),
    }
}

/// The directory of the results, also for temporary files: its file system holds the results, whereas `/tmp` may be in memory.
fn directory(output: &Path) -> &Path {
    match output.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
