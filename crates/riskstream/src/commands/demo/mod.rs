//! `riskstream demo`: a pipeline on simulated transactions (or on the user's files), with the production code on a log
//! in memory.

mod feed;
mod progress;
mod results;

use super::error::CommandError;
use crate::clock::SystemClock;
use crate::pipeline_file;
use crate::secret::secret;
use crate::shutdown::Shutdown;
use crate::simulated::SimulationArgs;
use anyhow::{Context, anyhow};
use feed::Feed;
use progress::Progress;
use results::Results;
use riskstream_pipeline::driver::MemoryStores;
use riskstream_pipeline::liveness::LivenessOptions;
use riskstream_pipeline::log::Log;
use riskstream_pipeline::memory::{Broker, MemoryLog};
use riskstream_pipeline::{HistorySignal, NoRollouts, Topology, Worker, WorkerOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Partitions of every topic.
const PARTITIONS: i32 = 4;
/// How long a round waits for records.
const WAIT: Duration = Duration::from_millis(20);
/// The secret for pseudonyms of simulated customers.
const SIMULATION_SECRET: &[u8] = b"riskstream demo: nobody is real here";

/// The arguments of `riskstream demo`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    simulation: SimulationArgs,
    /// The pipeline file
    #[arg(long, default_value = "pipelines/card-fraud.yaml")]
    pipeline: PathBuf,
    /// Your own transactions (.jsonl, .csv, .parquet) instead of simulated ones; NAME=FILE for other inputs
    #[arg(long = "input", value_name = "[NAME=]FILE")]
    inputs: Vec<String>,
    /// The file for the decisions, one JSON object a line
    #[arg(long, value_name = "FILE", default_value = "decisions.jsonl")]
    output: PathBuf,
}

/// Runs the pipeline over all records, shows progress, and compares the decisions with the ground truth.
///
/// # Errors
/// The user's input is wrong, the run was interrupted, or a file cannot be read or written.
pub fn execute(args: Args) -> Result<(), CommandError> {
    let compiled = pipeline_file::load(&args.pipeline)?;
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let is_simulated = args.inputs.is_empty();
    let secret = if is_simulated {
        Some(SIMULATION_SECRET.to_vec())
    } else {
        secret(&compiled.settings)?
    };
    let topology = compiled.json_topology(secret.as_deref());
    let topology = Arc::new(topology.map_err(CommandError::configuration)?);
    let broker = Broker::new();
    for topic in topology.input_topics().iter().chain(&topology.output_topics()) {
        broker.create(topic, PARTITIONS);
    }
    let feed = if is_simulated {
        Feed::simulated(&args.simulation, &compiled)?
    } else {
        Feed::files(&args.inputs, &compiled)?
    };
    let mut results = Results::create(&args.output)?;
    let mut progress = Progress::new(is_simulated.then_some(args.simulation.days));
    eprintln!("pipeline {} on a log in memory; Ctrl-C ends it", compiled.plan.name);
    let feed = feed.start(broker.clone(), shutdown.clone());
    let mut worker = worker(&broker, &topology);
    loop {
        let is_fed = feed.is_finished();
        let round = worker.round(WAIT).map_err(CommandError::failed)?;
        results.take(&broker, &topology)?;
        progress.update(&round.tally, &results);
        let unread = broker.forget_consumed(&topology.input_topics());
        let is_done = unread == 0 && round.events == 0 && !has_waiting_frames(&worker);
        if is_fed && (is_done || shutdown.requested()) {
            break;
        }
    }
    progress.finish();
    let truth = feed.join().map_err(|_| anyhow!("the feed ended unexpectedly"))??;
    results.finish(truth.as_ref(), &args.output)?;
    if shutdown.requested() {
        return Err(anyhow!("interrupted; the decisions made before are complete").into());
    }
    Ok(())
}

/// A worker with small batches: each decision is made soon after its payment, for the live display. One thread feeds all
/// partitions, so a partition without records for half a second has none to come.
fn worker(broker: &Broker, topology: &Arc<Topology>) -> Worker<MemoryLog> {
    let options = WorkerOptions {
        batch_events: 1_000,
        liveness: LivenessOptions {
            idle_after: Duration::from_millis(500),
            ..LivenessOptions::default()
        },
        ..WorkerOptions::default()
    };
    Worker::new(
        broker.join(topology.input_topics(), topology.output_topics()),
        Arc::clone(topology),
        options,
        Box::new(MemoryStores::default()),
        Box::new(SystemClock),
        Box::new(NoRollouts),
        HistorySignal::default(),
    )
}

/// Whether a stage holds frames that wait for slower sources.
fn has_waiting_frames<L: Log>(worker: &Worker<L>) -> bool {
    worker.tasks().any(|(_, task, _)| task.waiting_frames() > 0)
}
