//! Checkpoints of the tasks' states (docs/adr/0028-checkpoints.md): which task's, of which pipeline, and where they are. The service
//! makes them and restores states from them on threads of its own; `riskstream state` does the same by hand.

mod keeper;
mod lock;
mod restorations;
mod restore;
mod write;

pub use keeper::keep;
pub use lock::{LockError, TaskLock};
pub use restorations::Restorations;
pub use restore::Restored;
pub use write::clock;

use anyhow::Context;
use riskstream_checkpoints::{Directory, ObjectStore, TaskCheckpoints};
use riskstream_definition::Compiled;
use riskstream_store::{SharedMemory, StoreOptions};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Memory for stores that are opened only to look at them.
const MEMORY: usize = 16 << 20;

/// A task that has state. Its text names the directory of its state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId {
    /// The entity of its stage.
    pub entity: String,
    /// Its partition.
    pub partition: i32,
}

impl TaskId {
    /// The task of `entity`'s stage on a partition.
    pub fn new(entity: &str, partition: i32) -> TaskId {
        TaskId {
            entity: entity.to_owned(),
            partition,
        }
    }

    /// The task that a text names.
    pub fn parse(text: &str) -> Option<TaskId> {
        let (entity, partition) = text.rsplit_once('-')?;
        let task = TaskId {
            entity: entity.to_owned(),
            partition: partition.parse().ok()?,
        };
        (task.partition >= 0 && task.to_string() == text).then_some(task)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.entity, self.partition)
    }
}

/// What a stage's state is read from, and how it is laid out.
#[derive(Clone, Debug)]
struct Stage {
    topic: Arc<str>,
    layout: String,
}

/// The checkpoints of a pipeline.
pub struct Checkpoints {
    store: Arc<dyn ObjectStore>,
    /// What the names of all objects of this pipeline begin with.
    prefix: String,
    pipeline: String,
    version: String,
    /// The fingerprint of the secret, if the pipeline has personal data.
    secret: Option<String>,
    /// By their entities.
    stages: BTreeMap<String, Stage>,
    /// The pipeline's directory of state.
    state: PathBuf,
    memory: SharedMemory,
    /// The time between two checkpoints of a task.
    pub every: Duration,
    /// How many checkpoints of a task are kept.
    pub keep: usize,
}

impl Checkpoints {
    /// The checkpoints of a pipeline whose state is in the directory `state`; none if its file has no `checkpoints:`. `secret`: the
    /// fingerprint of its secret.
    pub fn of(compiled: &Compiled, secret: Option<String>, state: &Path) -> Option<Checkpoints> {
        let settings = compiled.settings.checkpoints.as_ref()?;
        let topics = compiled.repartition_topics.iter();
        let stages = compiled.plan.stages.iter().zip(topics).map(|(stage, topic)| {
            let topic = topic.as_ref().unwrap_or(&compiled.inputs[0].topic);
            let known = Stage {
                topic: Arc::clone(topic),
                layout: stage.fingerprint.clone(),
            };
            (stage.entity.clone(), known)
        });
        Some(Checkpoints {
            store: Arc::new(Directory::new(settings.directory.clone())),
            prefix: super::state_directory::directory_name(&compiled.plan.name),
            pipeline: compiled.plan.name.clone(),
            version: compiled.plan.version.clone(),
            secret,
            stages: stages.collect(),
            state: state.to_owned(),
            memory: SharedMemory::new(MEMORY),
            every: settings.every,
            keep: settings.keep,
        })
    }

    /// The tasks of this pipeline that have checkpoints.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub fn tasks(&self) -> anyhow::Result<Vec<TaskId>> {
        let prefixes = riskstream_checkpoints::tasks(self.store.as_ref(), &self.prefix)?;
        let names = prefixes.iter().filter_map(|prefix| prefix.rsplit('/').next());
        Ok(names
            .filter_map(TaskId::parse)
            .filter(|task| self.knows(task))
            .collect())
    }

    /// The tasks of this pipeline that have state in the state directory.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn local_tasks(&self) -> anyhow::Result<Vec<TaskId>> {
        let entries = std::fs::read_dir(&self.state).with_context(|| self.state.display().to_string())?;
        let names: Vec<_> = entries
            .map(|entry| Ok(entry?.file_name()))
            .collect::<std::io::Result<_>>()?;
        let tasks = names.iter().filter_map(|name| TaskId::parse(name.to_str()?));
        let mut tasks: Vec<TaskId> = tasks.filter(|task| self.knows(task)).collect();
        tasks.sort();
        Ok(tasks)
    }

    /// Whether the task is one of this pipeline.
    pub fn knows(&self, task: &TaskId) -> bool {
        self.stages.contains_key(&task.entity)
    }

    /// The checkpoints of a task.
    pub fn of_task(&self, task: &TaskId) -> TaskCheckpoints {
        TaskCheckpoints::new(Arc::clone(&self.store), format!("{}/{task}", self.prefix))
    }

    /// The directory of a task's state.
    pub fn directory(&self, task: &TaskId) -> PathBuf {
        self.state.join(task.to_string())
    }

    /// A directory beside that of a task's state, for the time of one step. No task's state has such a name.
    fn beside(&self, task: &TaskId, step: &str) -> PathBuf {
        self.state.join(format!("{task}.{step}"))
    }

    /// How states of this task are opened to look at them.
    pub fn options(&self, task: &TaskId) -> StoreOptions {
        let stage = self.stages.get(&task.entity);
        StoreOptions {
            memory: self.memory.clone(),
            fingerprint: stage.map(|stage| stage.layout.clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_of_states_name_tasks() {
        assert_eq!(TaskId::parse("card-3"), Some(TaskId::new("card", 3)));
        assert_eq!(TaskId::parse("a-b-12"), Some(TaskId::new("a-b", 12)));
        for other in ["card", "card-03", "card-+1", "card-3.checkpoint", "card-3.lock", "-"] {
            assert_eq!(TaskId::parse(other), None, "{other}");
        }
    }
}
