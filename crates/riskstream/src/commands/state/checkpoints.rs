//! `riskstream state list`, `verify`, `export` and `restore`: the checkpoints of a pipeline's state.

use crate::commands::error::CommandError;
use crate::pipeline_file;
use crate::secret::{fingerprint, secret};
use crate::service::checkpoints::{Checkpoints, TaskId, TaskLock, clock};
use crate::service::claim_state_directory;
use anyhow::{Context, anyhow};
use jiff::Timestamp;
use riskstream_checkpoints::{CheckpointError, KnownDigests, Manifest, ManifestName, TaskCheckpoints};
use riskstream_features::state::StateStore;
use riskstream_store::{OpenError, RocksStore};
use std::path::{Path, PathBuf};

/// A pipeline, and which of its tasks.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The pipeline file
    pub(super) pipeline: PathBuf,
    /// Only this task, called as its directory: `ENTITY-PARTITION`
    #[arg(long, value_name = "TASK")]
    pub(super) task: Option<String>,
}

/// The same on a state directory.
#[derive(clap::Args)]
pub(super) struct LocalArgs {
    #[command(flatten)]
    pub(super) of: Args,
    /// The state directory, instead of that in the pipeline file
    #[arg(long, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
}

impl Args {
    fn load(&self) -> Result<Checkpoints, CommandError> {
        self.load_with(|_, directory| Ok(directory.to_owned()))
    }

    /// `state`: the pipeline's directory of state, from its name and the directory in its file.
    fn load_with(
        &self,
        state: impl FnOnce(&str, &Path) -> Result<PathBuf, CommandError>,
    ) -> Result<Checkpoints, CommandError> {
        let compiled = pipeline_file::load(&self.pipeline)?;
        let secret = secret(&compiled.settings)?;
        let state = state(&compiled.plan.name, &compiled.settings.state_directory)?;
        let checkpoints = Checkpoints::of(&compiled, secret.as_deref().map(fingerprint), &state);
        checkpoints.ok_or_else(|| {
            CommandError::configuration(anyhow!(
                "{} has no checkpoints: add `state: {{checkpoints: {{url: DIRECTORY}}}}`",
                self.pipeline.display()
            ))
        })
    }

    /// Of these tasks, those that are meant.
    fn choose(&self, checkpoints: &Checkpoints, tasks: Vec<TaskId>) -> Result<Vec<TaskId>, CommandError> {
        let Some(text) = &self.task else { return Ok(tasks) };
        let task = TaskId::parse(text).filter(|task| checkpoints.knows(task));
        let task = task.ok_or_else(|| {
            CommandError::configuration(anyhow!(
                "{text} is no task of the pipeline: write ENTITY-PARTITION, such as card-0"
            ))
        })?;
        Ok(tasks.into_iter().filter(|other| *other == task).collect())
    }

    /// The tasks with checkpoints that are meant.
    ///
    /// # Errors
    /// There are none.
    fn tasks(&self, checkpoints: &Checkpoints) -> Result<Vec<TaskId>, CommandError> {
        let tasks = self.choose(checkpoints, checkpoints.tasks()?)?;
        if tasks.is_empty() {
            return Err(CommandError::failed(anyhow!("there are no checkpoints")));
        }
        Ok(tasks)
    }
}

impl LocalArgs {
    fn load(&self) -> Result<Checkpoints, CommandError> {
        self.of.load_with(|pipeline, directory| {
            let parent = self.state_dir.as_deref().unwrap_or(directory);
            claim_state_directory(parent, pipeline).map_err(CommandError::configuration)
        })
    }
}

/// Lists checkpoints, of which there may be none if `has_states`.
///
/// # Errors
/// The pipeline file is wrong, or the store cannot be reached.
pub(super) fn list(args: &Args, has_states: bool) -> Result<(), CommandError> {
    let checkpoints = args.load()?;
    let tasks = match has_states {
        true => args.choose(&checkpoints, checkpoints.tasks()?)?,
        false => args.tasks(&checkpoints)?,
    };
    for task in tasks {
        let stored = checkpoints.of_task(&task);
        for name in stored.list().map_err(CommandError::failed)? {
            let note = match read(&checkpoints, &task, &stored, &name)? {
                Ok(manifest) => format!(
                    "{:.1} MB in {} files",
                    manifest.bytes() as f64 / 1e6,
                    manifest.files.len()
                ),
                Err(why) => format!("cannot be used: {why}"),
            };
            println!("{}  {note}", line(&task, &name));
        }
    }
    Ok(())
}

/// Reads checkpoints and compares their checksums.
///
/// # Errors
/// One is damaged, the pipeline file is wrong, or the store cannot be reached.
pub(super) fn verify(args: &Args) -> Result<(), CommandError> {
    let checkpoints = args.load()?;
    let mut damaged = 0;
    for task in args.tasks(&checkpoints)? {
        let stored = checkpoints.of_task(&task);
        for name in stored.list().map_err(CommandError::failed)? {
            let verified = stored.read(&name).and_then(|manifest| stored.verify(&manifest));
            let note = match verified {
                Ok(()) => "whole".to_owned(),
                Err(error @ CheckpointError::Damaged { .. }) => {
                    damaged += 1;
                    error.to_string()
                }
                Err(error) => return Err(CommandError::failed(error)),
            };
            println!("{}  {note}", line(&task, &name));
        }
    }
    match damaged {
        0 => Ok(()),
        _ => Err(CommandError::failed(anyhow!(
            "{damaged} checkpoints are damaged; a task takes the next older one"
        ))),
    }
}

/// Writes a checkpoint of each state.
///
/// # Errors
/// The pipeline file is wrong, a state is in use, or the store cannot be reached.
pub(super) fn export(args: &LocalArgs) -> Result<(), CommandError> {
    let checkpoints = args.load()?;
    let tasks = args.of.choose(&checkpoints, checkpoints.local_tasks()?)?;
    if tasks.is_empty() {
        return Err(CommandError::failed(anyhow!("there is no state in the directory")));
    }
    for task in tasks {
        let lock = TaskLock::take(&checkpoints, &task).map_err(CommandError::failed)?;
        let store = open(&checkpoints, &task)?;
        let mut stored = checkpoints.of_task(&task);
        let mut known = KnownDigests::default();
        match checkpoints.write(&task, &store.checkpoint_source(), &mut stored, &mut known)? {
            None => println!("{task}  has no position yet"),
            Some(written) => {
                stored.prune(checkpoints.keep, clock()).map_err(CommandError::failed)?;
                println!(
                    "{}  {:.1} MB, of which {:.1} MB were not in the store",
                    line(&task, &written.name),
                    written.bytes as f64 / 1e6,
                    written.uploaded as f64 / 1e6
                );
            }
        }
        drop((store, lock));
    }
    Ok(())
}

/// Restores the states that are lacking.
///
/// # Errors
/// The pipeline file is wrong, a state is in use, the store cannot be reached, or no checkpoint of a task can be used.
pub(super) fn restore(args: &LocalArgs) -> Result<(), CommandError> {
    let checkpoints = args.load()?;
    let mut without = 0;
    for task in args.of.tasks(&checkpoints)? {
        let lock = TaskLock::take(&checkpoints, &task).map_err(CommandError::failed)?;
        if let Some(position) = position(&checkpoints, &task)? {
            println!("{task}  stays as it is, at position {position}");
            continue;
        }
        let say = |name: &ManifestName, reason: &str| println!("{}  is not used: {reason}", line(&task, name));
        match checkpoints.restore(&task, &lock, &|_| Ok(()), &say)? {
            None => without += 1,
            Some(restored) => {
                let megabytes = restored.bytes as f64 / 1e6;
                println!(
                    "{task}  is restored, at position {}: {megabytes:.1} MB",
                    restored.position
                );
            }
        }
    }
    match without {
        0 => Ok(()),
        _ => Err(CommandError::failed(anyhow!(
            "{without} tasks have no checkpoint that can be used"
        ))),
    }
}

/// The position of the state in the state directory; none if it is new, missing or damaged.
fn position(checkpoints: &Checkpoints, task: &TaskId) -> Result<Option<i64>, CommandError> {
    if !checkpoints.directory(task).exists() {
        return Ok(None);
    }
    match RocksStore::open(&checkpoints.directory(task), &checkpoints.options(task)) {
        Ok(store) => store.position().map_err(CommandError::failed),
        Err(OpenError::Corrupt { .. }) => Ok(None),
        Err(error) => Err(CommandError::failed(error)),
    }
}

fn open(checkpoints: &Checkpoints, task: &TaskId) -> Result<RocksStore, CommandError> {
    let opened = RocksStore::open(&checkpoints.directory(task), &checkpoints.options(task));
    let opened = opened.with_context(|| format!("{task} has no checkpoint"));
    opened.map_err(CommandError::failed)
}

/// A manifest, or why its checkpoint cannot be used.
fn read(
    checkpoints: &Checkpoints,
    task: &TaskId,
    stored: &TaskCheckpoints,
    name: &ManifestName,
) -> Result<Result<Manifest, String>, CommandError> {
    match stored.read(name) {
        Ok(manifest) => Ok(checkpoints.check(task, &manifest.about).map(|()| manifest)),
        Err(error @ CheckpointError::Damaged { .. }) => Ok(Err(error.to_string())),
        Err(error) => Err(CommandError::failed(error)),
    }
}

fn line(task: &TaskId, name: &ManifestName) -> String {
    let created = i64::try_from(name.created)
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok());
    let created = created.map_or("?".to_owned(), |at| format!("{at:.0}"));
    format!("{task}  position {}  {created}", name.position)
}
