//! `riskstream run`: the service, a member of the consumer group.

use super::error::CommandError;
use crate::connections::kafka_options;
use crate::lists;
use crate::pipeline_file;
use crate::rollout::{Follower, LoadedRollouts};
use crate::secret::{fingerprint, published_fingerprint, secret, variable};
use crate::service::checkpoints::{Checkpoints, keep};
use crate::service::{
    Health, HttpServer, Instance, Job, OpenStates, RocksStores, Standbys, StateDirectoryError, check_secret_mark,
    claim_state_directory, supervise,
};
use crate::shutdown::Shutdown;
use crate::telemetry::MetricsRecorder;
use crate::telemetry::logs::{self, LogArgs, LogFormat};
use riskstream_definition::{Compiled, Report};
use riskstream_kafka::{Fingerprints, KafkaOptions, LastTransaction};
use riskstream_pipeline::{CatchUpSignal, WorkerRole};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The arguments of `riskstream run`.
#[derive(clap::Args)]
pub struct Args {
    /// The pipeline file
    pipeline: PathBuf,
    /// Worker threads that decide, and as many for the stages before; they share the partitions of this process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Kafka's address, instead of that in the pipeline file: `host:port,host:port`
    #[arg(long, value_name = "BROKERS")]
    brokers: Option<String>,
    /// The state directory, instead of that in the pipeline file
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The address of /metrics, /healthz and /readyz, instead of that in the pipeline file
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<SocketAddr>,
    #[command(flatten)]
    log: LogArgs,
}

/// Runs the pipeline until SIGTERM or SIGINT.
///
/// # Errors
/// The user's input is wrong, or something failed that a retry cannot repair.
pub fn execute(args: Args) -> Result<(), CommandError> {
    let (format, filter) = logs::start(&args.log);
    let result = filter.map_err(CommandError::configuration).and_then(|()| run(args));
    result.map_err(|error| match format {
        LogFormat::Json => error.log(),
        LogFormat::Auto | LogFormat::Text => error,
    })
}

fn run(args: Args) -> Result<(), CommandError> {
    let compiled = pipeline_file::read(&args.pipeline)?;
    for warning in compiled.warnings().iter().flat_map(Report::lines) {
        tracing::warn!(target: "riskstream", "{warning}");
    }
    let secret = secret(&compiled.settings)?;
    let mut kafka = kafka_options(&compiled, args.brokers.as_deref()).map_err(CommandError::configuration)?;
    kafka.pseudonyms = Fingerprints {
        state: secret.as_deref().map(fingerprint),
        published: published_fingerprint(&compiled.settings),
    };
    let http = HttpServer::bind(args.http.unwrap_or(compiled.settings.listen))?;
    let workers = usize::from(args.workers) * WorkerRole::of(&compiled.repartition_topics).len();
    let parent = args.state_dir.as_deref().unwrap_or(&compiled.settings.state_directory);
    let state = claim_state_directory(parent, &compiled.plan.name).map_err(state_directory_error)?;
    let instance = Instance::claim(&state, workers).map_err(CommandError::failed)?;
    if let Some(fingerprint) = &kafka.pseudonyms.state {
        check_secret_mark(&state, fingerprint, variable(&compiled.settings)).map_err(CommandError::configuration)?;
    }
    let recorder = MetricsRecorder::install(&compiled.plan.name, &compiled.plan.version)?;
    let shutdown = Shutdown::on_signals().map_err(CommandError::failed)?;
    let health = Health::new(workers);
    tracing::info!(
        target: "riskstream",
        version = env!("CARGO_PKG_VERSION"),
        pipeline = compiled.plan.name,
        pipeline_version = compiled.plan.version,
        group = kafka.group,
        workers,
        state = %state.display(),
        http = %http.address().map_err(CommandError::failed)?,
        "starting"
    );
    http.start(health.clone(), recorder)?;
    let rollouts = follow_rollouts(&compiled, &kafka, &shutdown)?;
    let lists = lists::follow(&compiled.lists, &kafka, &shutdown).map_err(CommandError::failed)?;
    kafka.home = instance.id().to_owned();
    let states = OpenStates::default();
    let stores = stores(&compiled, kafka.pseudonyms.state.clone(), state, &states, &shutdown)?;
    let copies = compiled.settings.standby;
    let standbys = (copies > 0).then(|| Standbys::new(copies, states));
    supervise(Job {
        compiled,
        secret,
        kafka,
        instance,
        stores,
        standbys,
        workers,
        last_transactions: std::iter::repeat_with(LastTransaction::default).take(workers).collect(),
        rollouts,
        lists,
        history: CatchUpSignal::default(),
        health,
        shutdown,
    })?;
    tracing::info!(target: "riskstream", "ended");
    Ok(())
}

/// A directory that cannot be used may be usable later; one of another pipeline is not.
fn state_directory_error(error: StateDirectoryError) -> CommandError {
    match error {
        StateDirectoryError::File { .. } => CommandError::failed(error),
        StateDirectoryError::Other { .. } | StateDirectoryError::Ambiguous { .. } => CommandError::configuration(error),
    }
}

/// The stores in the directory `state`. If the pipeline has checkpoints, they are made on a thread of its own.
fn stores(
    compiled: &Compiled,
    secret: Option<String>,
    state: PathBuf,
    states: &OpenStates,
    shutdown: &Shutdown,
) -> Result<RocksStores, CommandError> {
    let stores = RocksStores::new(state.clone(), states.clone());
    let Some(checkpoints) = Checkpoints::of(compiled, secret, &state) else {
        return Ok(stores);
    };
    let (checkpoints, states, shutdown) = (Arc::new(checkpoints), states.clone(), shutdown.clone());
    let stores = stores.with_checkpoints(Arc::clone(&checkpoints));
    std::thread::Builder::new()
        .name("checkpoints".to_owned())
        .spawn(move || keep(&checkpoints, &states, &shutdown))
        .map_err(CommandError::failed)?;
    Ok(stores)
}

/// Loads the roll-outs that exist already, then follows new ones on a thread of its own.
fn follow_rollouts(
    compiled: &Compiled,
    kafka: &KafkaOptions,
    shutdown: &Shutdown,
) -> Result<LoadedRollouts, CommandError> {
    let follower = Follower::new(Arc::new(compiled.clone()), kafka);
    let mut follower = follower.map_err(CommandError::configuration)?;
    let (rollouts, shutdown) = (follower.rollouts(), shutdown.clone());
    if compiled.rollout_settings.is_some() {
        follower.catch_up();
        std::thread::Builder::new()
            .name("rollouts".to_owned())
            .spawn(move || follower.follow(&shutdown))
            .map_err(CommandError::failed)?;
    }
    Ok(rollouts)
}
