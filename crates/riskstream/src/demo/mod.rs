//! The demo: simulated (or the user's own) transactions through production code, on a log in memory.

mod display;
mod feed;
mod results;

use crate::commands::CommandError;
use crate::commands::demo::Args;
use crate::interrupt::Interrupt;
use crate::pipeline_file;
use crate::secret::secret;
use anyhow::{Context, anyhow};
use display::Display;
use results::Results;
use riskstream_pipeline::driver::MemoryStores;
use riskstream_pipeline::liveness::LivenessOptions;
use riskstream_pipeline::memory::Broker;
use riskstream_pipeline::{Clock, NoRollouts, Worker, WorkerOptions};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Partitions of every topic of the demo.
const PARTITIONS: i32 = 4;

/// Pseudonyms of simulated people need no secret worth keeping.
const DEMO_SECRET: &[u8] = b"riskstream demo: nobody is real here";

/// Small batches, as people watch: a decision comes soon after its payment. All partitions are fed by one thread, so one
/// that is silent for long has nothing to come.
fn worker_options() -> WorkerOptions {
    let liveness = LivenessOptions {
        idle_after: Duration::from_millis(500),
        ..LivenessOptions::default()
    };
    WorkerOptions {
        batch_events: 1_000,
        liveness,
        ..WorkerOptions::default()
    }
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// Runs the pipeline over everything there is, shows progress, and tells how good the decisions were.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let compiled = pipeline_file::load(&args.pipeline)?;
    let interrupt = Interrupt::listen().context("cannot listen for Ctrl-C")?;
    let secret = if args.inputs.is_empty() {
        Some(DEMO_SECRET.to_vec())
    } else {
        secret(&compiled.settings)?
    };
    let topology = compiled
        .json_topology(secret.as_deref())
        .map_err(|error| CommandError::Configuration(error.into()))?;
    let topology = Arc::new(topology);
    let broker = Broker::new();
    for topic in topology.input_topics().iter().chain(&topology.output_topics()) {
        broker.create(topic, PARTITIONS);
    }
    let mut results = Results::create(&args.output)?;
    let days = args.inputs.is_empty().then_some(args.world.days);
    let mut display = Display::new(days);
    eprintln!("pipeline {} on a log in memory; Ctrl-C ends it", compiled.plan.name);
    let feed = feed::start(args, &compiled, broker.clone(), interrupt.clone())?;
    let log = broker.join(topology.input_topics(), topology.output_topics());
    let stores = Box::new(MemoryStores::default());
    let mut worker = Worker::new(
        log,
        Arc::clone(&topology),
        worker_options(),
        stores,
        Box::new(SystemClock),
        Box::new(NoRollouts),
    );
    loop {
        let fed = feed.is_finished();
        let round = worker.round(Duration::from_millis(20)).map_err(anyhow::Error::from)?;
        results.take(&broker, &topology)?;
        display.update(&round.tally, &results);
        let left = broker.forget_consumed(&topology.input_topics());
        let waits = worker.tasks().any(|(_, task, _)| task.waiting_frames() > 0);
        let done = fed && left == 0 && round.events == 0 && !waits;
        if done || (interrupt.requested() && fed) {
            break;
        }
    }
    display.finish();
    let truth = feed.join().map_err(|_| anyhow!("the feed ended unexpectedly"))??;
    results.finish(&truth, &args.output)?;
    if interrupt.requested() {
        return Err(anyhow!("interrupted; the decisions made until then are complete").into());
    }
    Ok(())
}
