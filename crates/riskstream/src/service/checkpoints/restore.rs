//! Restores a task's state from its furthest checkpoint that can be used.

use super::write::remove_directory;
use super::{Checkpoints, TaskId, TaskLock};
use crate::service::private_files;
use anyhow::Context;
use riskstream_checkpoints::{CheckpointError, Manifest, ManifestName, StateIdentity, TaskCheckpoints};
use riskstream_pipeline::StatePosition;
use riskstream_pipeline::log::TopicIdentity;
use riskstream_store::RocksStore;
use std::fs;

/// Whether a task can continue with a state at this position; if not, why.
pub type Judge<'a> = &'a dyn Fn(&StatePosition) -> Result<(), String>;

/// A state that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Its position.
    pub position: i64,
    /// The bytes of its files.
    pub bytes: u64,
}

/// Why a checkpoint is not used.
#[derive(Debug)]
enum Unusable {
    /// It is damaged, or another pipeline's, layout's or topic's, or the log does not have what follows it.
    Reason(String),
    /// This machine or the store failed: other checkpoints would fail as well.
    Failed(anyhow::Error),
}

impl From<CheckpointError> for Unusable {
    fn from(error: CheckpointError) -> Unusable {
        match error {
            CheckpointError::Damaged { .. } => Unusable::Reason(error.to_string()),
            error => Unusable::Failed(error.into()),
        }
    }
}

impl From<anyhow::Error> for Unusable {
    fn from(error: anyhow::Error) -> Unusable {
        Unusable::Failed(error)
    }
}

/// The position of a checkpoint's state.
fn state_position(about: &StateIdentity) -> StatePosition {
    StatePosition {
        topic: TopicIdentity {
            id: about.topic.id.as_deref().map(Into::into),
            partitions: about.topic.partitions,
            epoch: about.topic.epoch,
            ..TopicIdentity::default()
        },
        position: Some(about.position),
    }
}

impl Checkpoints {
    /// Restores the state of a task whose directory is locked, from the furthest checkpoint with which `judge` says that it can go on;
    /// none if there is none. What was in the directory is replaced. `say` is told why a checkpoint is not used.
    ///
    /// # Errors
    /// The store cannot be reached, or the directory cannot be written. It is then as it was.
    pub fn restore(
        &self,
        task: &TaskId,
        _lock: &TaskLock,
        judge: Judge<'_>,
        say: &dyn Fn(&ManifestName, &str),
    ) -> anyhow::Result<Option<Restored>> {
        let stored = self.of_task(task);
        for name in stored.list()? {
            match self.restore_from(task, &stored, &name, judge) {
                Ok(restored) => return Ok(Some(restored)),
                Err(Unusable::Reason(reason)) => say(&name, &reason),
                Err(Unusable::Failed(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    fn restore_from(
        &self,
        task: &TaskId,
        stored: &TaskCheckpoints,
        name: &ManifestName,
        judge: Judge<'_>,
    ) -> Result<Restored, Unusable> {
        let manifest = stored.read(name)?;
        self.check(task, &manifest.about).map_err(Unusable::Reason)?;
        judge(&state_position(&manifest.about)).map_err(Unusable::Reason)?;
        let downloaded = self.beside(task, "restored");
        remove_directory(&downloaded).context("what an earlier restoration left")?;
        let result = self
            .download(task, stored, &manifest, judge)
            .and_then(|()| Ok(self.replace(task)?));
        if result.is_err() {
            let _ = remove_directory(&downloaded);
        }
        result.map(|()| Restored {
            position: manifest.about.position,
            bytes: manifest.bytes(),
        })
    }

    /// Whether a checkpoint is of this task as it is now.
    ///
    /// # Errors
    /// It is not: why.
    pub fn check(&self, task: &TaskId, about: &StateIdentity) -> Result<(), String> {
        let TaskId { entity, partition } = task;
        if (&about.pipeline, &about.entity, about.partition) != (&self.pipeline, entity, *partition) {
            return Err(format!(
                "it is of the task {}-{} of {}",
                about.entity, about.partition, about.pipeline
            ));
        }
        let layout = self.options(task).fingerprint;
        if about.layout != layout {
            return Err(format!(
                "it has another layout ({}, this one is {layout}): it belongs to other features, entities or windows",
                about.layout
            ));
        }
        if about.secret != self.secret {
            return Err("its pseudonyms were made with another secret".to_owned());
        }
        Ok(())
    }

    /// Downloads a checkpoint beside the state, and opens it: what it says of itself counts, not what its manifest says.
    fn download(
        &self,
        task: &TaskId,
        stored: &TaskCheckpoints,
        manifest: &Manifest,
        judge: Judge<'_>,
    ) -> Result<(), Unusable> {
        let directory = self.beside(task, "restored");
        private_files::create_directory(&directory).with_context(|| directory.display().to_string())?;
        stored.download(manifest, &directory, &|| true)?;
        let reason = |error: &dyn std::fmt::Display| Unusable::Reason(error.to_string());
        let store = RocksStore::open_to_read(&directory, &self.options(task)).map_err(|error| reason(&error))?;
        let found = StatePosition::of(&store).map_err(|error| reason(&error))?;
        if found.position != Some(manifest.about.position) {
            let position = found
                .position
                .map_or("none".to_owned(), |position| position.to_string());
            return Err(Unusable::Reason(format!(
                "its state stands at {position}, not where its manifest says"
            )));
        }
        judge(&found).map_err(Unusable::Reason)
    }

    /// Puts the state that was downloaded in the place of the task's own. A crash between the steps leaves no state, or the whole one.
    fn replace(&self, task: &TaskId) -> anyhow::Result<()> {
        let (own, replaced) = (self.directory(task), self.beside(task, "replaced"));
        let failed = || format!("{} cannot be replaced", own.display());
        remove_directory(&replaced).with_context(failed)?;
        if own.exists() {
            fs::rename(&own, &replaced).with_context(failed)?;
        }
        fs::rename(self.beside(task, "restored"), &own).with_context(failed)?;
        let _ = remove_directory(&replaced);
        Ok(())
    }
}
