//! The health of the workers, for /healthz and /readyz.

use riskstream_kafka::TransactionWatch;
use riskstream_pipeline::round::Stopped;
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A worker that has not finished a round for this long is considered hung.
const ROUND_TIMEOUT: Duration = Duration::from_secs(60);

/// The health of all workers. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    workers: Arc<Vec<Mutex<WorkerHealth>>>,
}

struct WorkerHealth {
    phase: ServiceState,
    last_round: Instant,
    partitions: usize,
    stopped: Vec<Stopped>,
    waiting: Vec<String>,
    call: Option<TransactionWatch>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ServiceState {
    Starting,
    Waiting(String),
    Running,
    Ended,
}

/// The response body of /healthz or /readyz.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct HealthReport {
    /// `ok`, or `failing`.
    pub status: &'static str,
    /// Why it is failing; empty if it is not.
    pub reasons: Vec<String>,
    /// The workers, by number.
    pub workers: Vec<WorkerStatus>,
}

/// A worker in a [`HealthReport`].
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct WorkerStatus {
    /// `starting`, `waiting`, `running` or `ended`.
    pub phase: &'static str,
    /// Partitions that it reads.
    pub partitions: usize,
}

impl HealthReport {
    /// Whether there is no reason to fail.
    pub fn is_ok(&self) -> bool {
        self.reasons.is_empty()
    }
}

impl Health {
    /// The health of `workers` workers that are starting.
    pub fn new(workers: usize) -> Health {
        let worker = || WorkerHealth {
            phase: ServiceState::Starting,
            last_round: Instant::now(),
            partitions: 0,
            stopped: Vec::new(),
            waiting: Vec::new(),
            call: None,
        };
        Health {
            workers: Arc::new((0..workers).map(|_| Mutex::new(worker())).collect()),
        }
    }

    /// The worker has opened its log. `call` watches the log's calls to the broker.
    pub fn opened(&self, worker: usize, call: TransactionWatch) {
        let mut worker = self.lock(worker);
        worker.call = Some(call);
        worker.last_round = Instant::now();
    }

    /// The worker is alive and waits for something outside, for this reason.
    pub fn waits(&self, worker: usize, why: &str) {
        let mut worker = self.lock(worker);
        worker.last_round = Instant::now();
        worker.phase = ServiceState::Waiting(why.to_owned());
    }

    /// All workers wait, for this reason.
    pub fn all_wait(&self, why: &str) {
        for worker in 0..self.workers.len() {
            self.waits(worker, why);
        }
    }

    /// The worker has finished a round.
    pub fn finished_round(&self, worker: usize) {
        let mut worker = self.lock(worker);
        worker.last_round = Instant::now();
        worker.phase = ServiceState::Running;
    }

    /// The worker reads so many partitions, cannot read on in `stopped`, and waits in others for these reasons.
    pub fn reads(&self, worker: usize, partitions: usize, stopped: &[Stopped], waiting: Vec<String>) {
        let mut worker = self.lock(worker);
        worker.partitions = partitions;
        worker.waiting = waiting;
        if worker.stopped != stopped {
            worker.stopped = stopped.to_vec();
        }
    }

    /// The worker has ended.
    pub fn ended(&self, worker: usize) {
        let mut worker = self.lock(worker);
        worker.phase = ServiceState::Ended;
        worker.call = None;
        worker.partitions = 0;
        worker.stopped.clear();
        worker.waiting.clear();
    }

    /// The first worker whose call to the broker exceeds its time limit, and how long the call has lasted.
    pub fn hanging_call(&self) -> Option<(usize, Duration)> {
        (0..self.workers.len()).find_map(|number| {
            let running = self.lock(number).call.as_ref()?.hanging_for()?;
            Some((number, running))
        })
    }

    /// Whether every worker finishes rounds. If one does not, a restart helps.
    pub fn healthz(&self) -> HealthReport {
        self.report(|number, worker| {
            let since = worker.last_round.elapsed();
            let is_hung = since >= ROUND_TIMEOUT && worker.phase != ServiceState::Ended;
            Vec::from_iter(
                is_hung.then(|| format!("worker {number} has not finished a round for {} s", since.as_secs())),
            )
        })
    }

    /// Whether every worker processes the partitions that it was given, if any.
    pub fn readyz(&self) -> HealthReport {
        self.report(|number, worker| match &worker.phase {
            ServiceState::Starting => vec![format!("worker {number} is starting")],
            ServiceState::Waiting(why) => vec![format!("worker {number} waits: {why}")],
            ServiceState::Ended => vec![format!("worker {number} has ended")],
            ServiceState::Running => {
                let stopped = worker
                    .stopped
                    .iter()
                    .map(|stopped| format!("{}: {}", stopped.partition, stopped.reason));
                stopped.chain(worker.waiting.iter().cloned()).collect()
            }
        })
    }

    fn report(&self, reasons: impl Fn(usize, &WorkerHealth) -> Vec<String>) -> HealthReport {
        let mut report = HealthReport {
            status: "ok",
            reasons: Vec::new(),
            workers: Vec::new(),
        };
        for number in 0..self.workers.len() {
            let worker = self.lock(number);
            report.reasons.extend(reasons(number, &worker));
            report.workers.push(WorkerStatus {
                phase: worker.phase.word(),
                partitions: worker.partitions,
            });
        }
        if !report.reasons.is_empty() {
            report.status = "failing";
        }
        report
    }

    fn lock(&self, worker: usize) -> MutexGuard<'_, WorkerHealth> {
        // No change can be left half done, so a poisoned lock is usable.
        self.workers[worker].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServiceState {
    fn word(&self) -> &'static str {
        match self {
            ServiceState::Starting => "starting",
            ServiceState::Waiting(_) => "waiting",
            ServiceState::Running => "running",
            ServiceState::Ended => "ended",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use riskstream_pipeline::log::TopicPartition;
    use riskstream_pipeline::stop_reason::StopCode;

    fn stopped() -> Stopped {
        let partition = TopicPartition {
            topic: "transactions".into(),
            partition: 3,
        };
        Stopped {
            partition,
            reason: StopCode::PositionGone.because("its position 7 is gone"),
        }
    }

    #[test]
    fn readyz_gives_every_reason() {
        let health = Health::new(2);
        assert_eq!(
            health.readyz().reasons,
            ["worker 0 is starting", "worker 1 is starting"]
        );
        health.finished_round(0);
        health.waits(1, "the broker is away");
        assert_eq!(health.readyz().reasons, ["worker 1 waits: the broker is away"]);
        assert!(health.healthz().is_ok());
        health.finished_round(1);
        assert!(health.readyz().is_ok());
        health.reads(1, 4, &[stopped()], vec!["labels[0]: no schema".into()]);
        let expected = [
            "transactions[3]: position_gone: its position 7 is gone",
            "labels[0]: no schema",
        ];
        assert_eq!(health.readyz().reasons, expected);
        assert_eq!(
            health.readyz().workers[1],
            WorkerStatus {
                phase: "running",
                partitions: 4
            }
        );
        assert!(health.healthz().is_ok());
    }

    #[test]
    fn a_worker_that_finishes_no_round_fails_healthz() {
        let health = Health::new(1);
        health.lock(0).last_round = Instant::now().checked_sub(ROUND_TIMEOUT).unwrap();
        assert_eq!(health.healthz().reasons, ["worker 0 has not finished a round for 60 s"]);
        health.ended(0);
        assert!(health.healthz().is_ok());
    }
}
