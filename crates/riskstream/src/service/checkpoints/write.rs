//! Writes a checkpoint: a copy of the state by hard links, its files to the store, its manifest, and the removal of old ones.

use super::{Checkpoints, TaskId};
use crate::clock::SystemClock;
use anyhow::Context;
use riskstream_checkpoints::{KnownDigests, StateIdentity, TaskCheckpoints, TopicMark, WrittenCheckpoint};
use riskstream_pipeline::{Clock, StatePosition};
use riskstream_store::{CheckpointSource, RocksStore};
use std::fs;
use std::io;
use std::path::Path;

/// Milliseconds since 1970.
pub fn clock() -> u64 {
    (SystemClock.now() / 1000) as u64
}

/// Removes a directory with all that is in it, if it is there.
pub(super) fn remove_directory(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Checkpoints {
    /// Writes a checkpoint of a state that is open; none if it has no position yet, or is closed meanwhile.
    ///
    /// # Errors
    /// The state cannot be copied, or the store cannot be reached. The store has then no further checkpoint.
    pub fn write(
        &self,
        task: &TaskId,
        source: &CheckpointSource,
        stored: &mut TaskCheckpoints,
        known: &mut KnownDigests,
    ) -> anyhow::Result<Option<WrittenCheckpoint>> {
        // The directory of states is closed to others (mode 0700), whatever mode RocksDB gives the copy.
        let copy = self.beside(task, "checkpoint");
        remove_directory(&copy).with_context(|| copy.display().to_string())?;
        let created = clock();
        if !source.write(&copy)? {
            return Ok(None);
        }
        let written = self.write_copy(task, &copy, created, stored, known, &|| source.is_open());
        // One that is left is removed before the next one is made.
        let _ = remove_directory(&copy);
        written
    }

    fn write_copy(
        &self,
        task: &TaskId,
        copy: &Path,
        created: u64,
        stored: &mut TaskCheckpoints,
        known: &mut KnownDigests,
        is_needed: &dyn Fn() -> bool,
    ) -> anyhow::Result<Option<WrittenCheckpoint>> {
        let Some(about) = self.about(task, copy)? else {
            return Ok(None);
        };
        let files = known.files(copy)?;
        Ok(Some(stored.write(about, created, &files, is_needed)?))
    }

    /// Which state is in a directory; none if it has no position. The position is that of the copy: the state has gone on.
    fn about(&self, task: &TaskId, directory: &Path) -> anyhow::Result<Option<StateIdentity>> {
        let store = RocksStore::open_to_read(directory, &self.options(task))?;
        let state = StatePosition::of(&store)?;
        let Some(position) = state.position else {
            return Ok(None);
        };
        let stage = self.stages.get(&task.entity);
        let stage = stage.with_context(|| format!("the pipeline has no entity `{}`", task.entity))?;
        Ok(Some(StateIdentity {
            pipeline: self.pipeline.clone(),
            pipeline_version: self.version.clone(),
            entity: task.entity.clone(),
            partition: task.partition,
            layout: stage.layout.clone(),
            secret: self.secret.clone(),
            topic: TopicMark {
                name: stage.topic.to_string(),
                id: state.topic.id.as_deref().map(str::to_owned),
                partitions: state.topic.partitions,
                epoch: state.topic.epoch,
            },
            position,
        }))
    }
}
