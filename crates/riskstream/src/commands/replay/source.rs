//! A recording or topics, and all that is needed to make their decisions again.

use super::recorded::{RecordedLists, RecordedRollouts};
use crate::clock::SystemClock;
use crate::commands::decision_topic::{Decoder, progress_bar};
use crate::commands::error::CommandError;
use crate::commands::record::{Scope, head, record};
use crate::commands::target::Target;
use crate::commands::temporary_stores::TemporaryStores;
use crate::connections::{registry, schema_sources};
use crate::pipeline_file;
use crate::secret::secret;
use crate::shutdown::Shutdown;
use anyhow::{Context, anyhow};
use riskstream_definition::Compiled;
use riskstream_kafka::TimeRange;
use riskstream_offline::recording::{Manifest, Period, Pipeline, RecordingError};
use riskstream_offline::replay::{DecodeDecision, Replay, ReplayError};
use riskstream_pipeline::{DecisionFormat, Prepared, Topology};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// How long a model with a time budget may take: its answer must not depend on the clock.
const MODEL_PATIENCE: Duration = Duration::from_secs(600);

/// See the module.
pub(in crate::commands) struct Source {
    pub(in crate::commands) compiled: Compiled,
    directory: PathBuf,
    manifest: Manifest,
    /// Removed at the end.
    _temporary: Option<TempDir>,
}

/// What a replay is given besides the recording.
pub(in crate::commands) struct ReplayInputs<'a> {
    pub(in crate::commands) decode: &'a mut DecodeDecision<'a>,
    pub(in crate::commands) prepare: Prepare<'a>,
    pub(in crate::commands) progress: &'a mut dyn FnMut(u64, u64) -> bool,
}

/// Makes what may come into force, given how far each list was read at first.
type Prepare<'a> = Box<dyn FnOnce(&BTreeMap<String, i64>) -> Result<Prepared, io::Error> + 'a>;

impl Source {
    /// The recording in a directory; without one the topics, which are recorded to a temporary directory.
    ///
    /// # Errors
    /// The pipeline file is wrong, there is no recording, it is damaged, or Kafka fails.
    pub(in crate::commands) fn open(
        target: &Target,
        recording: Option<&Path>,
        shutdown: &Shutdown,
    ) -> Result<Source, CommandError> {
        if let Some(directory) = recording {
            let compiled = pipeline_file::load(&target.pipeline)?;
            let manifest = Manifest::read(directory).map_err(CommandError::failed)?;
            let none = || CommandError::configuration(RecordingError::None(directory.to_owned()));
            return Ok(Source {
                compiled,
                directory: directory.to_owned(),
                manifest: manifest.ok_or_else(none)?,
                _temporary: None,
            });
        }
        let (compiled, kafka) = target.load()?;
        let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
        let scope = Scope {
            written: TimeRange::default(),
            // Only the owner may read the files, and they are removed at once.
            personal_data: true,
        };
        let manifest = record(&compiled, &kafka, directory.path(), scope, shutdown)?;
        Ok(Source {
            compiled,
            directory: directory.path().to_owned(),
            manifest,
            _temporary: Some(directory),
        })
    }

    /// Runs a replay, or an audit, that compares the decisions of a period. Gives what the reader has to know besides its result.
    ///
    /// # Errors
    /// The recording is of another pipeline or secret, or the run fails.
    pub(in crate::commands) fn run<R>(
        &self,
        shutdown: &Shutdown,
        period: Period,
        run: impl FnOnce(Replay<'_>, ReplayInputs<'_>) -> Result<R, ReplayError>,
    ) -> Result<(R, Vec<String>), CommandError> {
        let compiled = &self.compiled;
        let notes = other_files(&self.manifest, &head(compiled)?)?;
        let mut decoder = Decoder::new(compiled).map_err(CommandError::failed)?;
        let temporary = tempfile::tempdir().context("cannot make a temporary directory for state")?;
        let stores = TemporaryStores::beside(&temporary.path().join("state"))?;
        let (lists, rollouts) = (
            RecordedLists::read(compiled, &self.directory, &self.manifest).map_err(CommandError::failed)?,
            RecordedRollouts::new(compiled, MODEL_PATIENCE),
        );
        let notes = notes.into_iter().chain(lists.notes()).collect::<Vec<_>>();
        let replay = Replay {
            directory: &self.directory,
            manifest: self.manifest.clone(),
            topology: topology(compiled)?,
            stores: Box::new(stores),
            clock: Box::new(SystemClock),
            period,
        };
        let bar = progress_bar(0);
        let result = run(
            replay,
            ReplayInputs {
                decode: &mut |bytes| match decoder.decode(bytes) {
                    Ok(decision) => Ok(Some(decision)),
                    Err(error) if error.is_of_registry() => Err(io::Error::other(error)),
                    Err(_) => Ok(None),
                },
                prepare: Box::new(|first| {
                    Ok(Prepared {
                        rollouts: Box::new(rollouts),
                        lists: Box::new(lists.beginning_at(first)),
                    })
                }),
                progress: &mut |read, total| {
                    bar.set_length(total);
                    bar.set_position(read);
                    !shutdown.requested()
                },
            },
        );
        bar.finish_and_clear();
        let result = result.map_err(|error| match error {
            ReplayError::Nothing(_) => CommandError::configuration(error),
            error => CommandError::failed(error),
        })?;
        Ok((result, notes))
    }
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
