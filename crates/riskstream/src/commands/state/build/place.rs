//! Whether states may be built for a group, and how they get to their places.

use crate::commands::error::CommandError;
use crate::commands::temporary_stores::TemporaryStores;
use crate::service::checkpoints::{Checkpoints, TaskId, TaskLock};
use anyhow::{Context, anyhow};
use riskstream_checkpoints::KnownDigests;
use riskstream_definition::Compiled;
use riskstream_features::state::StateStore;
use riskstream_kafka::{GroupTopic, GroupView, KafkaOptions};
use riskstream_pipeline::{CutOver, Watermarks, identity};
use riskstream_store::{RocksStore, SharedMemory, StoreOptions};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const BEGIN_ANEW: &str = "Give the pipeline another name; or, to begin anew under this one, end all copies and remove the group \
                          (kafka-consumer-groups --delete --group NAME), the repartition topics, the state directories and the \
                          checkpoints";

/// What there is of a pipeline under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// Nothing.
    Nothing,
    /// Positions behind the same cut-over: states may be built again.
    SameCutOver,
}

/// Checks that the group has no members.
///
/// # Errors
/// It has some, or Kafka cannot be reached.
pub(super) fn check_members(kafka: &KafkaOptions) -> Result<(), CommandError> {
    let view = GroupView::open(kafka).map_err(CommandError::failed)?;
    match view.look().map_err(CommandError::failed)?.members.len() {
        0 => Ok(()),
        members => Err(CommandError::failed(anyhow!(
            "the group {} has {members} members: end all copies of the pipeline first",
            kafka.group
        ))),
    }
}

/// What there is. `topics`: the topics that the pipeline reads.
///
/// # Errors
/// The pipeline has run under this name, or its states were built at another cut-over.
pub(super) fn existing(group: &str, topics: &[GroupTopic], cut_over: &CutOver) -> anyhow::Result<Existing> {
    let with_positions = topics.iter().find(|topic| {
        let mut positions = topic.positions.iter();
        positions.any(|position| position.before.is_some())
    });
    let Some(topic) = with_positions else {
        return Ok(Existing::Nothing);
    };
    match identity::cut_over(&topic.topic) {
        Some(word) if *word == *cut_over.word() => Ok(Existing::SameCutOver),
        Some(_) => Err(anyhow!(
            "the states of the group {group} were built with another --until: it must be the same where states are built again. {BEGIN_ANEW}"
        )),
        None => Err(anyhow!(
            "the group {group} has positions in {}: the pipeline has run, and its states are not built from files. {BEGIN_ANEW}",
            topic.name
        )),
    }
}

/// Checks that nothing has been written to the repartition topics.
///
/// # Errors
/// Rows are there.
pub(super) fn check_empty(repartition_topics: &[GroupTopic]) -> anyhow::Result<()> {
    for topic in repartition_topics {
        if let Some(position) = topic.positions.iter().find(|position| position.end > 0) {
            return Err(anyhow!(
                "{}[{}] has been written to: the pipeline has run under this name. {BEGIN_ANEW}",
                topic.name,
                position.partition
            ));
        }
    }
    Ok(())
}

/// Where states go.
pub(super) struct Place<'a> {
    compiled: &'a Compiled,
    /// The pipeline's directory of state.
    state: PathBuf,
    checkpoints: Option<Checkpoints>,
}

/// A state that was built.
pub(super) struct Built {
    pub(super) task: TaskId,
    /// Its position, and its size in bytes; none if there was a state in its place, which stays.
    pub(super) placed: Option<(i64, u64)>,
    /// Whether it was written as a checkpoint.
    pub(super) is_checkpoint: bool,
}

impl<'a> Place<'a> {
    /// The directory `state` of the pipeline's states, and its checkpoints. `secret`: the fingerprint of its secret.
    pub(super) fn new(compiled: &'a Compiled, secret: Option<String>, state: PathBuf) -> Place<'a> {
        Place {
            checkpoints: Checkpoints::of(compiled, secret, &state),
            compiled,
            state,
        }
    }

    /// The tasks, in the order of stages and partitions.
    fn tasks(&self, cut_over: &CutOver) -> Vec<(usize, TaskId)> {
        let stages = self.compiled.plan.stages.iter().enumerate();
        let tasks = stages.flat_map(|(stage, plan)| {
            let partitions = 0..cut_over.topic_of_stage(stage).partitions;
            partitions.map(move |partition| (stage, TaskId::new(&plan.entity, partition)))
        });
        tasks.collect()
    }

    /// Checks that neither the directory nor the store of checkpoints has states.
    ///
    /// # Errors
    /// There are some, or the store cannot be reached.
    pub(super) fn check_empty(&self, cut_over: &CutOver) -> Result<(), CommandError> {
        let tasks = self.tasks(cut_over);
        let mut states = tasks.iter().map(|(_, task)| self.state.join(task.to_string()));
        if let Some(state) = states.find(|state| state.exists()) {
            return Err(CommandError::failed(anyhow!(
                "there is a state of the pipeline already: {}. Choose another directory with --state-dir DIR. {BEGIN_ANEW}",
                state.display()
            )));
        }
        let Some(checkpoints) = &self.checkpoints else {
            return Ok(());
        };
        let with_checkpoints: BTreeSet<TaskId> = checkpoints.tasks()?.into_iter().collect();
        match with_checkpoints.first() {
            None => Ok(()),
            Some(task) => Err(CommandError::failed(anyhow!(
                "there are checkpoints of the pipeline already, such as of {task}. {BEGIN_ANEW}"
            ))),
        }
    }

    /// Checks that states that were built and closed are on the disk.
    ///
    /// # Errors
    /// One cannot be read, or is not whole.
    pub(super) fn verify(
        &self,
        stores: &TemporaryStores,
        cut_over: &CutOver,
        watermarks: &Watermarks,
    ) -> anyhow::Result<()> {
        for (stage, task) in self.tasks(cut_over) {
            let (_, position) = cut_over.progress(stage, task.partition, watermarks);
            let found = self
                .open(stage, &stores.path(&task.entity, task.partition))?
                .position()?;
            if found != Some(position) {
                return Err(anyhow!("the state of {task} is not whole on the disk"));
            }
        }
        Ok(())
    }

    fn open(&self, stage: usize, path: &Path) -> anyhow::Result<RocksStore> {
        let options = StoreOptions {
            memory: SharedMemory::new(0),
            fingerprint: self.compiled.plan.stages[stage].fingerprint.clone(),
        };
        Ok(RocksStore::open_to_read(path, &options)?)
    }

    /// Moves the states that were built into the directory, where it lacks them, and writes their checkpoints.
    ///
    /// # Errors
    /// A state cannot be moved, or the store of checkpoints cannot be reached. What was done stays; the same command again does the
    /// rest.
    pub(super) fn take(&self, stores: &TemporaryStores, cut_over: &CutOver) -> anyhow::Result<Vec<Built>> {
        let built = self.tasks(cut_over).into_iter().map(|(stage, task)| {
            let own = self.state.join(task.to_string());
            let mut built = Built {
                placed: None,
                is_checkpoint: false,
                task,
            };
            if !own.exists() {
                let made = stores.path(&built.task.entity, built.task.partition);
                fs::rename(&made, &own).with_context(|| format!("{} cannot be written", own.display()))?;
                let store = self.open(stage, &own)?;
                built.placed = store.position()?.map(|position| (position, store.size()));
                built.is_checkpoint = self.export(&built.task)?;
            }
            Ok(built)
        });
        built.collect()
    }

    /// Writes a checkpoint of a state; false if the pipeline has none.
    fn export(&self, task: &TaskId) -> anyhow::Result<bool> {
        let Some(checkpoints) = &self.checkpoints else {
            return Ok(false);
        };
        let _lock = TaskLock::take(checkpoints, task)?;
        let store = RocksStore::open(&checkpoints.directory(task), &checkpoints.options(task))?;
        let mut stored = checkpoints.of_task(task);
        let source = store.checkpoint_source();
        checkpoints.write(task, &source, &mut stored, &mut KnownDigests::default())?;
        Ok(true)
    }
}
