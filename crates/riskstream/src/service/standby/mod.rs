//! Standby copies of other members' states (docs/adr/0031-standby.md): which this process keeps, how far they are, and whether its
//! workers may join the group. One thread looks at the group and plans, one follows the log.

mod follow;
mod watch;

use super::checkpoints::TaskId;
use super::job::Job;
use super::stores::OpenStates;
use riskstream_pipeline::Topology;
use riskstream_pipeline::log::TopicPartition;
use riskstream_pipeline::topology::Role;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the threads share. Cheap to clone.
#[derive(Clone)]
pub struct Standbys {
    /// How many copies of each state are kept.
    copies: usize,
    states: OpenStates,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    /// The partitions whose states are to be kept warm.
    wanted: BTreeSet<TopicPartition>,
    /// Records that each of them lacks, as far as they are open.
    lags: BTreeMap<TopicPartition, i64>,
    /// Those of them that have reached the group's position since they were opened.
    warm: BTreeSet<TopicPartition>,
    /// Those that cannot be followed.
    stopped: BTreeSet<TopicPartition>,
    /// Why the workers do not join the group yet.
    joins_later: Option<String>,
}

impl Standbys {
    /// None are kept yet, and the workers do not join yet. `states`: those of the workers of this process.
    pub fn new(copies: usize, states: OpenStates) -> Standbys {
        let shared = Shared {
            wanted: BTreeSet::new(),
            lags: BTreeMap::new(),
            warm: BTreeSet::new(),
            stopped: BTreeSet::new(),
            joins_later: Some("looking at the group".to_owned()),
        };
        Standbys {
            copies,
            states,
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// Why the workers do not join the group yet; none if they do.
    pub fn joins_later(&self) -> Option<String> {
        self.lock().joins_later.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that keeps state of a partition; none if it has none.
fn task_of(topology: &Topology, at: &TopicPartition) -> Option<TaskId> {
    match topology.role(&at.topic) {
        Role::Ingest(_) => None,
        Role::Stage(stage) => Some(TaskId::new(&topology.plan.stages[stage].entity, at.partition)),
    }
}

/// Starts the threads, if the pipeline is to have standby copies.
///
/// # Errors
/// The operating system gives no thread.
pub(super) fn start(job: &Arc<Job>, topology: &Arc<Topology>) -> io::Result<()> {
    let Some(standbys) = &job.standbys else { return Ok(()) };
    for (name, run) in [("standby", follow::follow as Body), ("standby-plan", watch::watch)] {
        let (job, topology, standbys) = (Arc::clone(job), Arc::clone(topology), standbys.clone());
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&job, &topology, &standbys))?;
    }
    Ok(())
}

type Body = fn(&Job, &Arc<Topology>, &Standbys);
