//! `riskstream state list`: the states in the state directory, and the checkpoints.

use super::checkpoints::{self, LocalArgs};
use crate::commands::error::CommandError;
use crate::pipeline_file;
use crate::service::checkpoints::TaskId;
use crate::service::{pipeline_directory, standby_mark};
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_features::state::StateStore;
use riskstream_store::{RocksStore, SharedMemory, StoreOptions};
use std::path::{Path, PathBuf};

/// Memory for a store that is opened to look at it.
const MEMORY: usize = 16 << 20;

/// Lists states and checkpoints.
///
/// # Errors
/// The pipeline file is wrong, there are none, or the store of checkpoints cannot be reached.
pub(super) fn execute(args: &LocalArgs) -> Result<(), CommandError> {
    let compiled = pipeline_file::load(&args.of.pipeline)?;
    let parent = args.state_dir.as_deref().unwrap_or(&compiled.settings.state_directory);
    let directory = pipeline_directory(parent, &compiled.plan.name);
    let is_meant = |task: &TaskId| args.of.task.as_ref().is_none_or(|text| *text == task.to_string());
    let mut states = states(&compiled, &directory);
    states.retain(|(task, _)| is_meant(task));
    for (task, fingerprint) in &states {
        println!("{}", line(&directory, task, fingerprint));
    }
    if compiled.settings.checkpoints.is_some() {
        return checkpoints::list(&args.of, !states.is_empty());
    }
    match states.is_empty() {
        false => Ok(()),
        true => Err(CommandError::failed(anyhow!(
            "there is no state in {}",
            directory.display()
        ))),
    }
}

/// The tasks of the pipeline with state in a directory, and how it is laid out.
fn states(compiled: &Compiled, directory: &Path) -> Vec<(TaskId, String)> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut states: Vec<_> = entries
        .filter_map(|entry| {
            let task = TaskId::parse(entry.file_name().to_str()?)?;
            let stage = compiled.plan.stages.iter().find(|stage| stage.entity == task.entity)?;
            Some((task, stage.fingerprint.clone()))
        })
        .collect();
    states.sort();
    states
}

fn line(directory: &Path, task: &TaskId, fingerprint: &str) -> String {
    let options = StoreOptions {
        memory: SharedMemory::new(MEMORY),
        fingerprint: fingerprint.to_owned(),
    };
    let path: PathBuf = directory.join(task.to_string());
    let state = match RocksStore::open_to_read(&path, &options) {
        Err(error) => return format!("{task}  cannot be read: {error}"),
        Ok(store) => store,
    };
    let position = match state.position() {
        Ok(Some(position)) => format!("position {position}"),
        _ => "no position yet".to_owned(),
    };
    let what = match standby_mark(directory, task).exists() {
        true => "standby copy",
        false => "state",
    };
    format!(
        "{task}  {position}  {what} of {:.1} MB in {}",
        state.size() as f64 / 1e6,
        path.display()
    )
}
