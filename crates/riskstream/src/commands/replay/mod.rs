//! `riskstream replay`: makes recorded decisions again.

mod recorded;
mod text;

use super::decision_topic::{Decoder, progress_bar};
use super::error::CommandError;
use super::output_file::OutputFile;
use super::record::{Scope, head, record};
use super::target::Target;
use super::temporary_stores::TemporaryStores;
use crate::clock::SystemClock;
use crate::connections::{registry, schema_sources};
use crate::pipeline_file;
use crate::secret::secret;
use crate::shutdown::Shutdown;
use anyhow::{Context, anyhow};
use indicatif::HumanCount;
use recorded::{RecordedLists, RecordedRollouts};
use riskstream_definition::Compiled;
use riskstream_kafka::TimeRange;
use riskstream_offline::recording::{Manifest, Pipeline, RecordingError};
use riskstream_offline::replay::{Replay, ReplayError, ReplayReport};
use riskstream_pipeline::{DecisionFormat, Prepared, Topology};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a model with a time budget may take: its answer must not depend on the clock.
const MODEL_PATIENCE: Duration = Duration::from_secs(600);

/// The arguments of `riskstream replay`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// The directory of a recording. Default: the topics are recorded to a temporary directory first
    #[arg(long, value_name = "DIR")]
    recording: Option<PathBuf>,
    /// Write the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Makes decisions again and compares.
///
/// # Errors
/// The pipeline file is wrong, there is no recording, it is damaged, or decisions differ.
pub fn execute(args: &Args) -> Result<(), CommandError> {
    let json = args.json.as_deref().map(OutputFile::create).transpose();
    let json = json.map_err(CommandError::configuration)?;
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let report = match &args.recording {
        Some(directory) => {
            let compiled = pipeline_file::load(&args.target.pipeline)?;
            let manifest = Manifest::read(directory).map_err(CommandError::failed)?;
            let none = || CommandError::configuration(RecordingError::None(directory.clone()));
            replay(&compiled, directory, manifest.ok_or_else(none)?, &shutdown)?
        }
        None => {
            let (compiled, kafka) = args.target.load()?;
            let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
            let scope = Scope {
                written: TimeRange::default(),
                // Only the owner may read the files, and they are removed at once.
                personal_data: true,
            };
            let manifest = record(&compiled, &kafka, directory.path(), scope, &shutdown)?;
            replay(&compiled, directory.path(), manifest, &shutdown)?
        }
    };
    print!("{}", text::text(&report));
    if let Some(file) = json {
        file.finish_json(&report)?;
    }
    conclude(&report)
}

fn conclude(report: &ReplayReport) -> Result<(), CommandError> {
    let differences = report.outcome.differences.count;
    if differences > 0 {
        let word = if differences == 1 { "difference" } else { "differences" };
        return Err(anyhow!("{} {word}", HumanCount(differences)).into());
    }
    if report.compared() == 0 {
        return Err(anyhow!(
            "no decision could be compared. For what another version of the pipeline would have decided: riskstream backtest"
        )
        .into());
    }
    Ok(())
}

fn replay(
    compiled: &Compiled,
    directory: &Path,
    manifest: Manifest,
    shutdown: &Shutdown,
) -> Result<ReplayReport, CommandError> {
    let pipeline = head(compiled)?;
    let notes = other_files(&manifest, &pipeline)?;
    let mut decoder = Decoder::new(compiled).map_err(CommandError::failed)?;
    let temporary = tempfile::tempdir().context("cannot make a temporary directory for state")?;
    let stores = TemporaryStores::beside(&temporary.path().join("state"))?;
    let (lists, rollouts) = (
        RecordedLists::read(compiled, directory, &manifest).map_err(CommandError::failed)?,
        RecordedRollouts::new(compiled, MODEL_PATIENCE),
    );
    let notes = notes.into_iter().chain(lists.notes()).collect::<Vec<_>>();
    let run = Replay {
        directory,
        manifest,
        topology: topology(compiled)?,
        stores: Box::new(stores),
        clock: Box::new(SystemClock),
    };
    let bar = progress_bar(0);
    let began = Instant::now();
    let report = run.run(
        &mut |bytes| match decoder.decode(bytes) {
            Ok(decision) => Ok(Some(decision)),
            Err(error) if error.is_of_registry() => Err(io::Error::other(error)),
            Err(_) => Ok(None),
        },
        |first| {
            Ok(Prepared {
                rollouts: Box::new(rollouts),
                lists: Box::new(lists.beginning_at(first)),
            })
        },
        &mut |read, total| {
            bar.set_length(total);
            bar.set_position(read);
            !shutdown.requested()
        },
    );
    bar.finish_and_clear();
    let mut report = report.map_err(|error| match error {
        ReplayError::Nothing(_) => CommandError::configuration(error),
        error => CommandError::failed(error),
    })?;
    report.notes.splice(0..0, notes);
    let again = HumanCount(report.outcome.decisions.again);
    eprintln!("{again} decisions made again in {:.1} s", began.elapsed().as_secs_f64());
    Ok(report)
}

/// The pipeline as it decides again.
fn topology(compiled: &Compiled) -> Result<Topology, CommandError> {
    let settings = compiled.settings.registry.as_ref();
    let schemas = settings.map(|settings| schema_sources(&registry(settings)));
    let secret = secret(&compiled.settings)?;
    let topology = compiled.topology(secret.as_deref(), schemas.as_ref(), DecisionFormat::Json);
    let topology = topology.map_err(CommandError::configuration)?;
    Ok(Topology {
        decision: Arc::new(topology.decision.with_time_budgets(MODEL_PATIENCE)),
        ..topology
    })
}

/// In what the files that decide again are others than those that were running.
///
/// # Errors
/// The recording is of another pipeline, or the secret is another one.
fn other_files(manifest: &Manifest, now: &Pipeline) -> Result<Vec<String>, CommandError> {
    let Some(recorded) = manifest.pipelines.last() else {
        return Ok(Vec::new());
    };
    let wrong = |what: String| Err(CommandError::configuration(anyhow!(what)));
    if (&recorded.name, &recorded.chain) != (&now.name, &now.chain) {
        return wrong(format!(
            "the recording is of the pipeline {} with the tasks {}, and the file is of {} with {}",
            recorded.name, recorded.chain, now.name, now.chain
        ));
    }
    if recorded.secret != now.secret {
        return wrong("the secret for pseudonyms is another one than when it was recorded".to_owned());
    }
    let mut notes = Vec::new();
    if recorded.sha256 != now.sha256 {
        notes.push(format!(
            "{} is not the file that was running when it was recorded last, whose SHA-256 is {}",
            now.file, recorded.sha256
        ));
    }
    for model in now.models.iter().filter(|model| !recorded.models.contains(model)) {
        notes.push(format!(
            "the model {}@{} is not one that was running when it was recorded last",
            model.name, model.version
        ));
    }
    Ok(notes)
}
