//! `riskstream run`: a member of the consumer group.

use super::CommandError;
use crate::pipeline_file;
use crate::rollout::{Follower, LoadedRollouts};
use crate::secret::secret;
use crate::service::{Health, HttpServer, Instance, Job, Stop, kafka_options, supervise};
use crate::telemetry::Recorder;
use crate::telemetry::logs::{self, LogArgs};
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_kafka::KafkaOptions;
use riskstream_store::SharedMemory;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The arguments of `riskstream run`.
#[derive(clap::Args)]
pub struct Args {
    /// The pipeline file
    pipeline: PathBuf,
    /// Threads that share this copy's partitions
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Where Kafka is, instead of what the file says: `host:port,host:port`
    #[arg(long, value_name = "BROKERS")]
    brokers: Option<String>,
    /// Where state is kept, instead of what the file says
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where to serve /metrics, /healthz and /readyz, instead of what the file says
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<SocketAddr>,
    #[command(flatten)]
    log: LogArgs,
}

/// Runs the pipeline until SIGTERM or SIGINT.
///
/// # Errors
/// What we were told is wrong, or something failed that waiting does not mend.
pub fn execute(args: Args) -> Result<(), CommandError> {
    let compiled = pipeline_file::load(&args.pipeline)?;
    logs::start(&args.log).map_err(|error| CommandError::Configuration(error.into()))?;
    let secret = secret(&compiled.settings)?;
    let kafka = kafka_options(&compiled, args.brokers.as_deref()).ok_or_else(no_brokers)?;
    let http = HttpServer::bind(args.http.unwrap_or(compiled.settings.listen))?;
    let workers = usize::from(args.workers);
    let state = state_directory(
        args.state_dir.as_deref().unwrap_or(&compiled.settings.state_directory),
        &compiled.plan.name,
    );
    let instance = Instance::claim(&state, workers).map_err(anyhow::Error::from)?;
    let recorder = Recorder::install(&compiled.plan.name, &compiled.plan.version)?;
    let (health, stop) = (Health::new(workers), Stop::default());
    tracing::info!(
        target: "riskstream",
        version = env!("CARGO_PKG_VERSION"),
        pipeline = compiled.plan.name,
        pipeline_version = compiled.plan.version,
        group = kafka.group,
        workers,
        state = %state.display(),
        http = %http.address().map_err(anyhow::Error::from)?,
        "starting"
    );
    http.start(health.clone(), recorder, stop.clone())?;
    let rollouts = follow_rollouts(&compiled, &kafka, &stop)?;
    let memory = SharedMemory::default();
    supervise(Job {
        file: args.pipeline,
        compiled,
        secret,
        kafka,
        state,
        memory,
        instance,
        workers,
        rollouts,
        health,
        stop,
    })?;
    tracing::info!(target: "riskstream", "ended");
    Ok(())
}

/// Takes up the roll-outs that are there, then follows them on a thread of its own.
fn follow_rollouts(compiled: &Compiled, kafka: &KafkaOptions, stop: &Stop) -> Result<LoadedRollouts, CommandError> {
    let follower = Follower::new(Arc::new(compiled.clone()), kafka);
    let mut follower = follower.map_err(|error| CommandError::Configuration(error.into()))?;
    let (rollouts, stop) = (follower.rollouts(), stop.clone());
    if compiled.rollout_settings.is_some() {
        follower.catch_up();
        std::thread::Builder::new()
            .name("rollouts".to_owned())
            .spawn(move || follower.follow(&stop))
            .map_err(anyhow::Error::from)?;
    }
    Ok(rollouts)
}

pub(super) fn no_brokers() -> CommandError {
    CommandError::Configuration(anyhow!(
        "neither the file nor the command line says where Kafka is: add `kafka: {{brokers: host:port}}` to the file, or --brokers host:port"
    ))
}

/// The pipeline's own directory, whatever characters its name has.
fn state_directory(directory: &Path, pipeline: &str) -> PathBuf {
    let safe = |character: char| {
        if character.is_alphanumeric() || "-_".contains(character) {
            character
        } else {
            '_'
        }
    };
    directory.join(pipeline.chars().map(safe).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_cannot_leave_the_state_directory() {
        let cases = [
            ("card-fraud", "state/card-fraud"),
            ("../etc", "state/___etc"),
            ("a/b", "state/a_b"),
            ("..", "state/__"),
        ];
        for (name, expected) in cases {
            assert_eq!(state_directory(Path::new("state"), name), Path::new(expected), "{name}");
        }
    }
}
