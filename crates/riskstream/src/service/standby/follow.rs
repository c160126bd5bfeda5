//! Follows the log for the states that are to be kept warm.

use super::{Standbys, task_of};
use crate::clock::SystemClock;
use crate::service::job::Job;
use crate::service::stores::StandbyStores;
use crate::telemetry::{PartitionGauges, metrics};
use riskstream_kafka::{KafkaObserver, KafkaOptions};
use riskstream_pipeline::log::{LogError, TopicPartition};
use riskstream_pipeline::{CatchUpSignal, Follower, Prepared, Topology, Worker, WorkerError, WorkerOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a round waits for records. A worker that wants a state waits for it at most so long.
const WAIT: Duration = Duration::from_millis(20);
/// Events of a batch at most, for the same reason.
const BATCH_EVENTS: usize = 2_000;
/// Interval at which gauges are published.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(1);
/// Pause before the log is opened again after an error.
const PAUSE: Duration = Duration::from_secs(2);

/// Follows until shutdown. What fails costs warm copies and nothing else.
pub(super) fn follow(job: &Job, topology: &Arc<Topology>, standbys: &Standbys) {
    while !job.shutdown.requested() {
        let error = match KafkaObserver::open(options(job, topology)) {
            Ok(log) => rounds(job, topology, standbys, log).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        standbys.forget();
        PartitionGauges::of("standby").publish();
        if let Err(error) = error {
            tracing::warn!(target: "riskstream::standby", error, "standby copies are opened again");
            job.shutdown.wait(PAUSE);
        }
    }
}

fn options(job: &Job, topology: &Topology) -> KafkaOptions {
    let names = |topics: Vec<Arc<str>>| topics.iter().map(|topic| topic.to_string()).collect();
    KafkaOptions {
        client_id: format!("riskstream-{}-standby", topology.plan.name),
        inputs: names(topology.input_topics()),
        outputs: names(topology.output_topics()),
        headers: topology.copied_headers(),
        ..job.kafka.clone()
    }
}

fn rounds(job: &Job, topology: &Arc<Topology>, standbys: &Standbys, log: KafkaObserver) -> Result<(), WorkerError> {
    let wanted = {
        let (standbys, topology) = (standbys.clone(), Arc::clone(topology));
        Box::new(move || standbys.followed(&topology))
    };
    let mut worker = Worker::new(
        Follower::new(log, wanted),
        Arc::clone(topology),
        WorkerOptions {
            batch_events: BATCH_EVENTS,
            ..WorkerOptions::default()
        },
        Box::new(StandbyStores::new(job.stores.clone())),
        Box::new(SystemClock),
        Prepared {
            rollouts: Box::new(job.rollouts.clone()),
            lists: Box::new(job.lists.clone()),
        },
        // History that a copy reads is none that others have to wait for.
        CatchUpSignal::default(),
    );
    let mut publish_at = Instant::now();
    while !job.shutdown.requested() {
        match worker.round(WAIT) {
            Ok(_) => {}
            Err(WorkerError::Log(LogError::Unavailable(_))) => {
                job.shutdown.wait(WAIT);
            }
            Err(error) => return Err(error),
        }
        standbys.note(&worker);
        if Instant::now() >= publish_at {
            publish(&worker);
            publish_at = Instant::now() + PUBLISH_INTERVAL;
        }
    }
    Ok(())
}

fn publish(worker: &Worker<Follower<KafkaObserver>>) {
    let mut gauges = PartitionGauges::of("standby");
    for (at, _, lag) in worker.tasks() {
        let labels = [&*at.topic, &at.partition.to_string()];
        gauges.set(&metrics::STANDBY_LAG, &labels, lag.unwrap_or(0) as f64);
    }
    gauges.publish();
}

impl Standbys {
    /// The partitions to follow now: without those whose state a worker of this process has.
    fn followed(&self, topology: &Topology) -> BTreeSet<TopicPartition> {
        let used = self.states.used();
        let wanted = self.lock().wanted.clone();
        let is_free = |at: &TopicPartition| task_of(topology, at).is_some_and(|task| !used.contains(&task));
        wanted.into_iter().filter(is_free).collect()
    }

    fn forget(&self) {
        let mut shared = self.lock();
        shared.lags.clear();
        shared.warm.clear();
    }

    fn note(&self, worker: &Worker<Follower<KafkaObserver>>) {
        let lags = worker.tasks().map(|(at, _, lag)| (at.clone(), lag.unwrap_or(i64::MAX)));
        let lags: BTreeMap<_, _> = lags.collect();
        let stopped = worker.stopped().iter().map(|stopped| stopped.partition.clone());
        let mut shared = self.lock();
        shared.warm.retain(|at| lags.contains_key(at));
        shared
            .warm
            .extend(lags.iter().filter(|(_, lag)| **lag <= 0).map(|(at, _)| at.clone()));
        shared.lags = lags;
        shared.stopped = stopped.collect();
    }
}
