//! A worker thread: rounds until it is told to end, a new log after it was fenced.

use super::clock::SystemClock;
use super::job::Job;
use crate::telemetry::{WorkerMetrics, metrics};
use riskstream_kafka::KafkaLog;
use riskstream_pipeline::log::{Log, LogError};
use riskstream_pipeline::{Topology, Worker, WorkerError};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a round waits for something to do. Also how soon the wish to end is noticed.
const WAIT: Duration = Duration::from_millis(100);
/// The same until the worker has joined the group: a round trip to a distant broker takes longer.
const JOIN_WAIT: Duration = Duration::from_secs(1);
/// Between two attempts to reach a broker.
const UNAVAILABLE_PAUSE: Duration = Duration::from_millis(200);
/// After an abort, so that a broker in trouble is not hammered.
const ABORT_PAUSE: Duration = Duration::from_millis(50);
/// Between two looks at lag, state and health.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);
/// Before a new start; doubled with each one that follows soon.
const FIRST_RESTART_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_RESTART_PAUSE: Duration = Duration::from_secs(10);

/// Why a worker gave up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Death {
    /// The log, for a reason that waiting does not mend.
    #[error(transparent)]
    Log(LogError),
    /// The state or a task.
    #[error(transparent)]
    Task(WorkerError),
}

enum Ended {
    Stopped,
    Fenced(String),
    Dead(Death),
}

/// Works until the job is to end.
pub(super) fn work(job: &Job, number: usize, topology: &Arc<Topology>) -> Result<(), Death> {
    let metrics = WorkerMetrics::new(number, topology.input_topics());
    let mut pause = FIRST_RESTART_PAUSE;
    loop {
        let log = KafkaLog::open(job.kafka_of_worker(number, topology)).map_err(Death::Log)?;
        job.health.opened(number, log.watch());
        let stores = Box::new(job.stores());
        let mut worker = Worker::new(
            log,
            Arc::clone(topology),
            job.worker_options(),
            stores,
            Box::new(SystemClock),
            Box::new(job.rollouts.clone()),
        );
        let began = Instant::now();
        let ended = rounds(job, number, &mut worker, &metrics);
        // Closes the state, then leaves the group: others take over at once.
        drop(worker.close());
        match ended {
            Ended::Stopped => return Ok(()),
            Ended::Dead(death) => return Err(death),
            Ended::Fenced(why) => {
                metrics::ERRORS.counter(&["fenced"]).increment(1);
                if began.elapsed() > LONGEST_RESTART_PAUSE {
                    pause = FIRST_RESTART_PAUSE;
                }
                tracing::warn!(target: "riskstream::worker", worker = number, why, "starting anew");
                job.health.waits(number, &why);
                if job.stop.wait(jittered(pause)) {
                    return Ok(());
                }
                pause = (pause * 2).min(LONGEST_RESTART_PAUSE);
            }
        }
    }
}

fn rounds<L: Log>(job: &Job, number: usize, worker: &mut Worker<L>, metrics: &WorkerMetrics) -> Ended {
    let mut publish_at = Instant::now();
    let mut wait = JOIN_WAIT;
    while !job.stop.is_set() {
        match worker.round(wait) {
            Ok(round) => {
                wait = WAIT;
                metrics.observe(&round);
                job.health.works(number);
                if round.changes.is_rebalance() || Instant::now() >= publish_at {
                    publish(job, number, worker, metrics);
                    publish_at = Instant::now() + PUBLISH_EVERY;
                }
                if round.aborted {
                    job.stop.wait(ABORT_PAUSE);
                }
            }
            Err(WorkerError::Log(LogError::Unavailable(why))) => {
                metrics::ERRORS.counter(&["kafka_unavailable"]).increment(1);
                job.health.waits(number, &why);
                job.stop.wait(UNAVAILABLE_PAUSE);
            }
            Err(WorkerError::Log(LogError::Fenced(why) | LogError::Aborted(why))) => return Ended::Fenced(why),
            Err(WorkerError::Log(error)) => return Ended::Dead(Death::Log(error)),
            Err(error) => {
                metrics::ERRORS.counter(&["task"]).increment(1);
                return Ended::Dead(Death::Task(error));
            }
        }
    }
    Ended::Stopped
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

/// Half to all of `pause`, so that workers which failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 512;
    pause / 2 + pause / 1024 * random as u32
}
