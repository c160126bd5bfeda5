//! Starts the worker threads, watches them, and ends them.

use super::health::Health;
use super::job::Job;
use super::pauses::Pauses;
use super::standby;
use super::worker::{WorkerFailure, run_worker};
use crate::registry::RegistryError;
use crate::required_topics::{missing_error, missing_topics, required_topics};
use anyhow::{Context, anyhow};
use riskstream_pipeline::Topology;
use riskstream_pipeline::log::LogError;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Interval of checks whether a call to the broker hangs.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// How long a worker may take to finish its batch upon shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// Interval of attempts to reach the registry. The registry's client makes longer pauses between its requests.
const REGISTRY_INTERVAL: Duration = Duration::from_millis(250);

/// How a worker thread ended.
enum WorkerExit {
    /// By request.
    Stopped,
    /// By an error that a retry cannot repair.
    Failed(WorkerFailure),
    /// By a panic, with its message.
    Panicked(String),
}

/// Runs the job until shutdown.
///
/// # Errors
/// An error that a retry cannot repair. The state is then at the last commit, or behind it.
pub fn supervise(job: Job) -> Result<(), anyhow::Error> {
    let Some(topology) = topology(&job)? else { return Ok(()) };
    let job = Arc::new(job);
    standby::start(&job, &topology).context("no thread for standby copies")?;
    let (sender, exits) = channel();
    for number in 0..job.workers {
        spawn(&job, number, &topology, sender.clone())?;
    }
    drop(sender);
    watch(&job, &exits)
}

/// The topology, once the registry has answered; `None` upon shutdown.
fn topology(job: &Job) -> Result<Option<Arc<Topology>>, anyhow::Error> {
    let registry = job.registry();
    loop {
        match job.decision_format(registry.as_ref()) {
            Ok(format) => return Ok(Some(Arc::new(job.topology(registry.as_ref(), format)?))),
            Err(error @ RegistryError::Unavailable { .. }) => {
                job.health.all_wait(&error.to_string());
                if job.shutdown.wait(REGISTRY_INTERVAL) {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error).context("the decision's schema could not be registered"),
        }
    }
}

fn spawn(
    job: &Arc<Job>,
    number: usize,
    topology: &Arc<Topology>,
    exits: Sender<(usize, WorkerExit)>,
) -> Result<(), anyhow::Error> {
    let (job, topology) = (Arc::clone(job), Arc::clone(topology));
    let body = move || {
        let exit = match catch_unwind(AssertUnwindSafe(|| run_worker(&job, number, &topology))) {
            Ok(Ok(())) => WorkerExit::Stopped,
            Ok(Err(failure)) => WorkerExit::Failed(failure),
            Err(panic) => WorkerExit::Panicked(message(panic)),
        };
        job.health.ended(number);
        // The supervisor no longer receives after the shutdown timeout.
        let _ = exits.send((number, exit));
    };
    std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(body)
        .context("no thread for a worker")?;
    Ok(())
}

fn message(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic
            .downcast::<&str>()
            .map_or_else(|_| "a panic".to_owned(), |text| (*text).to_owned()),
    }
}

/// Waits until all workers have ended, or one of them hangs.
fn watch(job: &Job, exits: &Receiver<(usize, WorkerExit)>) -> Result<(), anyhow::Error> {
    let mut running = job.workers;
    let mut result = Ok(());
    let mut deadline: Option<Instant> = None;
    let mut pauses = Pauses::new(CHECK_INTERVAL, Instant::now());
    while running > 0 {
        match exits.recv_timeout(CHECK_INTERVAL) {
            Ok((number, exit)) => {
                running -= 1;
                if let (Ok(()), Err(error)) = (&result, check_exit(job, number, exit)) {
                    result = Err(error);
                    job.shutdown.request();
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let now = Instant::now();
        if let Some(pause) = pauses.look(now) {
            tracing::warn!(
                target: "riskstream",
                seconds = pause.as_secs(),
                "this process did not run for some time: it was stopped, or its machine was paused or overloaded. The group may \
                 have given its partitions to others"
            );
        }
        if !pauses.are_recent(now) {
            check_calls(&job.health)?;
        }
        if job.shutdown.requested() {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + SHUTDOWN_TIMEOUT);
            if Instant::now() >= deadline {
                return result.and(Err(anyhow!(
                    "{running} workers did not finish their batch within {} s",
                    SHUTDOWN_TIMEOUT.as_secs()
                )));
            }
        }
    }
    result
}

/// A call that hangs can be ended only with the process.
fn check_calls(health: &Health) -> Result<(), anyhow::Error> {
    let Some((number, running)) = health.hanging_call() else {
        return Ok(());
    };
    Err(anyhow!(
        "worker {number} has been in a call to the broker for {} s; ending, to be restarted. Nothing is lost: state is \
         never ahead of what Kafka has committed",
        running.as_secs()
    ))
}

fn check_exit(job: &Job, number: usize, exit: WorkerExit) -> Result<(), anyhow::Error> {
    match exit {
        WorkerExit::Stopped => Ok(()),
        WorkerExit::Failed(WorkerFailure::Log(error @ LogError::Fatal(_))) => Err(explain(job, error)),
        WorkerExit::Failed(failure) => Err(failure.into()),
        WorkerExit::Panicked(panic) => Err(anyhow!(
            "worker {number} panicked, which is a bug in riskstream: {panic}"
        )),
    }
}

/// The cause of a fatal error may be a missing topic. Then the error lists all missing topics, and the command that
/// creates them.
fn explain(job: &Job, error: LogError) -> anyhow::Error {
    match missing_topics(&job.kafka, &required_topics(&job.compiled)) {
        Ok(missing) if !missing.is_empty() => missing_error(&job.compiled.file, &missing),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use riskstream_kafka::TransactionWatch;

    #[test]
    fn a_call_that_hangs_ends_the_run() {
        let health = Health::new(2);
        let unlimited = TransactionWatch::new(Duration::MAX);
        let limited = TransactionWatch::new(Duration::ZERO);
        health.opened(0, unlimited.clone());
        health.opened(1, limited.clone());
        assert!(check_calls(&health).is_ok(), "no call is running");
        let (_unlimited, running) = (unlimited.enter(), limited.enter());
        while limited.hanging_for().is_none() {}
        let error = check_calls(&health).unwrap_err().to_string();
        assert!(
            error.starts_with("worker 1 has been in a call to the broker for 0 s; ending"),
            "{error}"
        );
        drop(running);
        assert!(check_calls(&health).is_ok(), "the call has returned");
        let _running = limited.enter();
        health.ended(1);
        assert!(check_calls(&health).is_ok(), "the worker has ended");
    }
}
