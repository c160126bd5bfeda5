//! A worker thread: rounds until shutdown. After it was fenced, or state could not be written, it continues with a new log and
//! with state that is opened again.

use super::instance::InstanceError;
use super::job::Job;
use super::standby::Standbys;
use crate::clock::SystemClock;
use crate::required_topics::{missing_topics, required_topics};
use crate::telemetry::{WorkerMetrics, metrics};
use riskstream_features::state::StateError;
use riskstream_kafka::KafkaLog;
use riskstream_pipeline::log::{Log, LogError};
use riskstream_pipeline::{Prepared, TaskError, Topology, Worker, WorkerError, WorkerOptions};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a round waits for records. A shutdown is noticed after it.
const WAIT: Duration = Duration::from_millis(100);
/// The same until the worker has joined the group, which takes several round trips to the broker.
const JOIN_WAIT: Duration = Duration::from_secs(1);
/// Pause between two attempts to reach a broker.
const UNAVAILABLE_PAUSE: Duration = Duration::from_millis(200);
/// Pause after an abort, so that a failing broker is not flooded.
const ABORT_PAUSE: Duration = Duration::from_millis(50);
/// Interval at which gauges and health are published.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(1);
/// Pause between two looks for a topic that was deleted.
const MISSING_TOPIC_PAUSE: Duration = Duration::from_secs(1);
/// Pause before the first restart. It doubles with each restart that follows soon.
const FIRST_RESTART_PAUSE: Duration = Duration::from_millis(200);
/// Limit of this pause.
const LONGEST_RESTART_PAUSE: Duration = Duration::from_secs(10);

/// An error of a worker that a retry cannot repair.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerFailure {
    /// An error of the log.
    #[error(transparent)]
    Log(LogError),
    /// An error of the state directory.
    #[error(transparent)]
    Instance(InstanceError),
    /// An error of the state or of a task.
    #[error(transparent)]
    Task(WorkerError),
}

/// Why a worker's rounds ended.
enum StopReason {
    Shutdown,
    /// A new log and state that is opened again may help.
    Restart(String),
    Failed(WorkerFailure),
}

impl StopReason {
    /// The disk is full or read-only, which may pass. Opening state needs room, so nothing is read before.
    fn of_disk(error: &dyn std::error::Error) -> StopReason {
        metrics::ERRORS.counter(&["state"]).increment(1);
        StopReason::Restart(error.to_string())
    }
}

/// Runs worker number `number` until shutdown.
pub(super) fn run_worker(job: &Job, number: usize, topology: &Arc<Topology>) -> Result<(), WorkerFailure> {
    let metrics = WorkerMetrics::new(number, topology);
    let mut pause = FIRST_RESTART_PAUSE;
    let mut has_run = false;
    if wait_to_join(job, number) {
        return Ok(());
    }
    loop {
        let began = Instant::now();
        match run_once(job, number, topology, &metrics, &mut has_run) {
            StopReason::Shutdown => return Ok(()),
            StopReason::Failed(failure) => match has_run.then(|| missing(job)).flatten() {
                Some(why) => {
                    if wait_for_topics(job, number, why) {
                        return Ok(());
                    }
                }
                None => return Err(failure),
            },
            StopReason::Restart(why) => {
                if began.elapsed() > LONGEST_RESTART_PAUSE {
                    pause = FIRST_RESTART_PAUSE;
                }
                tracing::warn!(target: "riskstream::worker", worker = number, why, "restarting the worker");
                job.health.waits(number, &why);
                if job.shutdown.wait(jittered(pause)) {
                    return Ok(());
                }
                pause = (pause * 2).min(LONGEST_RESTART_PAUSE);
            }
        }
    }
}

/// Waits until the states that the worker would get are warm; whether a shutdown was requested before.
fn wait_to_join(job: &Job, number: usize) -> bool {
    while let Some(why) = job.standbys.as_ref().and_then(Standbys::joins_later) {
        job.health.waits(number, &why);
        if job.shutdown.wait(WAIT) {
            return true;
        }
    }
    false
}

/// Opens a log, runs rounds with it until they end, and closes it. `has_run`: whether there was a round.
fn run_once(
    job: &Job,
    number: usize,
    topology: &Arc<Topology>,
    metrics: &WorkerMetrics,
    has_run: &mut bool,
) -> StopReason {
    let options = match job.kafka_options(number, topology) {
        Ok(options) => options,
        Err(error) if *has_run => return StopReason::of_disk(&error),
        Err(error) => return StopReason::Failed(WorkerFailure::Instance(error)),
    };
    let log = match KafkaLog::open(options) {
        Ok(log) => log,
        Err(error) => return StopReason::Failed(WorkerFailure::Log(error)),
    };
    job.health.opened(number, log.watch());
    let mut worker = Worker::new(
        log,
        Arc::clone(topology),
        WorkerOptions::default(),
        Box::new(job.stores.clone()),
        Box::new(SystemClock),
        Prepared {
            rollouts: Box::new(job.rollouts.clone()),
            lists: Box::new(job.lists.clone()),
        },
        job.history.clone(),
    );
    let end = rounds(job, number, &mut worker, metrics, has_run);
    if let StopReason::Shutdown = end
        && let Err(error) = worker.finish()
    {
        tracing::warn!(target: "riskstream::worker", worker = number, %error, "the last rows will be made again");
    }
    // Closes the state, then the member.
    drop(worker.into_log());
    metrics.closed();
    end
}

/// Waits until all topics are there; whether a shutdown was requested before.
fn wait_for_topics(job: &Job, number: usize, mut why: String) -> bool {
    tracing::error!(target: "riskstream::worker", worker = number, why, "a topic is gone");
    loop {
        job.health.waits(number, &why);
        if job.shutdown.wait(MISSING_TOPIC_PAUSE) {
            return true;
        }
        match missing(job) {
            Some(still) => why = still,
            None => return false,
        }
    }
}

/// Which topics of the pipeline are missing, and what to do; none if they are all there, or Kafka does not say.
fn missing(job: &Job) -> Option<String> {
    let missing = missing_topics(&job.kafka, &required_topics(&job.compiled)).unwrap_or_default();
    let names: Vec<&str> = missing.iter().map(|topic| topic.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "{} was deleted: nothing is read until the topic is there again, and this reason then says how to go on",
            names.join(", ")
        )
    })
}

const DOUBTFUL_TIME: &str = "an event time lies before the year 2000: check the input's `unit:`; `min_time:` refuses such \
                             times, or says that they are meant";

/// Rounds until they end. `has_run`: whether there was one.
fn rounds<L: Log>(
    job: &Job,
    number: usize,
    worker: &mut Worker<L>,
    metrics: &WorkerMetrics,
    has_run: &mut bool,
) -> StopReason {
    let mut publish_at = Instant::now();
    let mut wait = JOIN_WAIT;
    let mut has_doubted = false;
    while !job.shutdown.requested() {
        match worker.round(wait) {
            Ok(round) => {
                *has_run = true;
                wait = WAIT;
                metrics.observe(&round);
                if let Some((at, offset)) = round.tally.first_doubtful.as_ref().filter(|_| !has_doubted) {
                    has_doubted = true;
                    tracing::warn!(target: "riskstream::worker", %at, offset, "{DOUBTFUL_TIME}");
                }
                job.health.finished_round(number);
                if round.changes.is_rebalance() || Instant::now() >= publish_at {
                    publish(job, number, worker, metrics);
                    publish_at = Instant::now() + PUBLISH_INTERVAL;
                }
                if round.aborted {
                    job.shutdown.wait(ABORT_PAUSE);
                }
            }
            Err(WorkerError::Log(LogError::Unavailable(why))) => {
                metrics::ERRORS.counter(&["kafka_unavailable"]).increment(1);
                job.health.waits(number, &why);
                job.shutdown.wait(UNAVAILABLE_PAUSE);
            }
            Err(WorkerError::Log(LogError::Fenced(why) | LogError::Aborted(why))) => {
                metrics::ERRORS.counter(&["fenced"]).increment(1);
                return StopReason::Restart(why);
            }
            Err(WorkerError::Task(TaskError::State(error @ StateError::Store(_)))) => {
                return StopReason::of_disk(&error);
            }
            Err(WorkerError::Log(error)) => return StopReason::Failed(WorkerFailure::Log(error)),
            Err(error) => {
                metrics::ERRORS.counter(&["task"]).increment(1);
                return StopReason::Failed(WorkerFailure::Task(error));
            }
        }
    }
    StopReason::Shutdown
}

fn publish<L: Log>(job: &Job, number: usize, worker: &Worker<L>, metrics: &WorkerMetrics) {
    metrics.publish(worker);
    let waiting = worker
        .waiting()
        .map(|(partition, why)| format!("{partition}: {why}"))
        .collect();
    job.health
        .reads(number, worker.tasks().count(), worker.stopped(), waiting);
}

/// Half to all of `pause`, so that workers that failed together do not restart together.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 512;
    pause / 2 + pause / 1024 * random as u32
}
