//! The demo over simulated transactions: the service's worker on a log in memory, which a thread feeds.

use super::feed::Feed;
use super::progress::Progress;
use super::results::{GroundTruth, Results};
use crate::clock::SystemClock;
use crate::commands::error::CommandError;
use crate::shutdown::Shutdown;
use crate::simulated::SimulationArgs;
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_pipeline::driver::MemoryStores;
use riskstream_pipeline::log::Log;
use riskstream_pipeline::memory::{Broker, MemoryLog};
use riskstream_pipeline::{CatchUpSignal, Prepared, Topology, Worker, WorkerOptions};
use std::sync::Arc;
use std::time::Duration;

/// Partitions of every topic. One, so that decisions come in event-time order and are those of `riskstream backfill`.
const PARTITIONS: i32 = 1;
/// How long a round waits for records.
const WAIT: Duration = Duration::from_millis(20);
/// The secret for pseudonyms of simulated customers.
const SECRET: &[u8] = b"riskstream demo: nobody is real here";

/// The log, and who writes to it.
pub(super) struct Simulation {
    broker: Broker,
    topology: Arc<Topology>,
    feed: Feed,
}

impl Simulation {
    /// A log with the pipeline's topics.
    ///
    /// # Errors
    /// The simulator refuses the arguments, or the pipeline has an input that it does not simulate.
    pub(super) fn new(args: &SimulationArgs, compiled: &Compiled) -> Result<Simulation, CommandError> {
        let topology = compiled.json_topology(Some(SECRET));
        let topology = Arc::new(topology.map_err(CommandError::configuration)?);
        let broker = Broker::new();
        for topic in topology.input_topics().iter().chain(&topology.output_topics()) {
            broker.create(topic, PARTITIONS);
        }
        let feed = Feed::new(args, compiled)?;
        Ok(Simulation { broker, topology, feed })
    }

    /// Runs until all records are decided, or the user interrupts; gives which of them were fraud.
    ///
    /// # Errors
    /// The results cannot be written.
    pub(super) fn run(
        self,
        results: &mut Results,
        progress: &mut Progress,
        shutdown: &Shutdown,
    ) -> Result<GroundTruth, CommandError> {
        let Simulation { broker, topology, feed } = self;
        let feed = feed.start(broker.clone(), shutdown.clone());
        let mut worker = worker(&broker, &topology);
        loop {
            let is_fed = feed.is_finished();
            let round = worker.round(WAIT).map_err(CommandError::failed)?;
            results.take(&broker, &topology)?;
            progress.update(&round.tally.latencies, results);
            let unread = broker.forget_consumed(&topology.input_topics());
            let is_done = unread == 0 && round.events == 0 && !has_waiting_frames(&worker);
            if is_fed && (is_done || shutdown.requested()) {
                break;
            }
        }
        progress.finish();
        let truth = feed.join().map_err(|_| anyhow!("the feed ended unexpectedly"))??;
        Ok(truth)
    }
}

/// A worker with small batches: each decision is made soon after its payment, for the live display.
fn worker(broker: &Broker, topology: &Arc<Topology>) -> Worker<MemoryLog> {
    let options = WorkerOptions {
        batch_events: 1_000,
        ..WorkerOptions::default()
    };
    Worker::new(
        broker.join(topology.input_topics(), topology.output_topics()),
        Arc::clone(topology),
        options,
        Box::new(MemoryStores::default()),
        Box::new(SystemClock),
        Prepared::nothing(),
        CatchUpSignal::default(),
    )
}

/// Whether a stage holds frames that wait for slower sources.
fn has_waiting_frames<L: Log>(worker: &Worker<L>) -> bool {
    worker.tasks().any(|(_, task, _)| task.waiting_frames() > 0)
}
