//! Starts the workers, watches them, ends them.

use super::Health;
use super::job::Job;
use super::worker::{Death, work};
use crate::registry::RegistryError;
use crate::topics;
use anyhow::{Context, anyhow};
use riskstream_pipeline::Topology;
use riskstream_pipeline::log::LogError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Between two looks at the workers' calls to the broker.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A worker that is told to end finishes its batch within this.
const END_WITHIN: Duration = Duration::from_secs(30);
/// Between two attempts to reach the registry; it is left alone for longer by the client itself.
const REGISTRY_PAUSE: Duration = Duration::from_millis(250);

/// Why a worker is no more: told to, dead, or a bug.
type End = (usize, Result<Result<(), Death>, String>);

/// Runs the job until it is told to end.
///
/// # Errors
/// Something that waiting does not mend. State is then what was last committed, or behind it.
pub fn supervise(job: Job) -> Result<(), anyhow::Error> {
    let Some(topology) = prepare(&job)? else { return Ok(()) };
    let job = Arc::new(job);
    let (ends, ended) = channel();
    for number in 0..job.workers {
        spawn(&job, number, &topology, ends.clone())?;
    }
    drop(ends);
    let result = watch(&job, &ended);
    if let Err(error) = &result {
        tracing::error!(target: "riskstream", error = format!("{error:#}"), "ending");
    }
    result
}

/// The topology; `None` if the job is to end before the registry has answered.
fn prepare(job: &Job) -> Result<Option<Arc<Topology>>, anyhow::Error> {
    let registry = job.registry();
    loop {
        match job.decision_format(registry.as_ref()) {
            Ok(format) => return Ok(Some(Arc::new(job.topology(registry.as_ref(), format)?))),
            Err(error @ RegistryError::Unavailable { .. }) => {
                job.health.all_wait(&error.to_string());
                if job.stop.wait(REGISTRY_PAUSE) {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error).context("the decision's schema could not be registered"),
        }
    }
}

fn spawn(job: &Arc<Job>, number: usize, topology: &Arc<Topology>, ends: Sender<End>) -> Result<(), anyhow::Error> {
    let (job, topology) = (Arc::clone(job), Arc::clone(topology));
    let body = move || {
        let result = catch_unwind(AssertUnwindSafe(|| work(&job, number, &topology)));
        job.health.ended(number);
        let result = result.map_err(|panic| match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic
                .downcast::<&str>()
                .map_or_else(|_| "a panic".to_owned(), |text| (*text).to_owned()),
        });
        // Nobody listens once the supervisor has given up waiting.
        let _ = ends.send((number, result));
    };
    std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(body)
        .context("no thread for a worker")?;
    Ok(())
}

/// Waits until all workers have ended, or one of them hangs.
fn watch(job: &Job, ended: &Receiver<End>) -> Result<(), anyhow::Error> {
    let mut left = job.workers;
    let mut result = Ok(());
    let mut deadline: Option<Instant> = None;
    while left > 0 {
        match ended.recv_timeout(LOOK_EVERY) {
            Ok((number, end)) => {
                left -= 1;
                if let (Ok(()), Err(error)) = (&result, judge(job, number, end)) {
                    result = Err(error);
                    job.stop.set();
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        check_calls(&job.health)?;
        if job.stop.is_set() {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + END_WITHIN);
            if Instant::now() >= deadline {
                return result.and(Err(anyhow!(
                    "{left} workers did not finish their batch within {} s",
                    END_WITHIN.as_secs()
                )));
            }
        }
    }
    result
}

/// Nothing ends a call that hangs but the end of the process.
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

fn judge(job: &Job, number: usize, end: Result<Result<(), Death>, String>) -> Result<(), anyhow::Error> {
    match end {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Death::Log(error @ LogError::Fatal(_)))) => Err(explain(job, error)),
        Ok(Err(death)) => Err(death.into()),
        Err(panic) => Err(anyhow!(
            "worker {number} panicked, which is a bug in riskstream: {panic}"
        )),
    }
}

/// A fatal error may be a missing topic: then all that lack are named, with the command that makes them.
fn explain(job: &Job, error: LogError) -> anyhow::Error {
    let needed = topics::needed(&job.compiled);
    match topics::missing(&job.kafka, &needed) {
        Ok(missing) if !missing.is_empty() => topics::missing_error(&job.file, &missing),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use riskstream_kafka::TransactionWatch;

    #[test]
    fn a_call_that_hangs_ends_the_run() {
        let (health, patient, hasty) = (
            Health::new(2),
            TransactionWatch::new(Duration::MAX),
            TransactionWatch::new(Duration::ZERO),
        );
        health.opened(0, patient.clone());
        health.opened(1, hasty.clone());
        assert!(check_calls(&health).is_ok(), "no call is running");
        let (_patient, running) = (patient.enter(), hasty.enter());
        while hasty.hanging_for().is_none() {}
        let error = check_calls(&health).unwrap_err().to_string();
        assert!(
            error.starts_with("worker 1 has been in a call to the broker for 0 s; ending"),
            "{error}"
        );
        drop(running);
        assert!(check_calls(&health).is_ok(), "the call came back");
        let _running = hasty.enter();
        health.ended(1);
        assert!(check_calls(&health).is_ok(), "the worker is no more");
    }
}
