//! What is done with a partition when it is assigned: which task it belongs to, and where to begin.

use crate::decide::DecisionBuffer;
use crate::journal;
use crate::log::{Committed, Log, TopicPartition};
use crate::merge::Merge;
use crate::reader::InputReader;
use crate::reading::Reading;
use crate::repartition_writer::RepartitionWriter;
use crate::rollout::Rollouts;
use crate::stage::{Feed, Next, StageTask};
use crate::task::{IngestTask, Task, TaskError};
use crate::topology::{Role, Routes, Topology};
use crate::worker::{Stores, WorkerError};
use riskstream_features::state::StateStore;
use riskstream_scoring::Lineup;
use std::sync::Arc;

/// The outcome of opening a partition.
pub(crate) enum Opened {
    /// Read it from where it starts.
    Reading(Box<Reading>),
    /// It cannot be read without a hole in its history: why, and what to do.
    Stopped(String),
}

/// Opens the task of `partition`, of which `committed` is the group's position.
pub(crate) fn open<L: Log>(
    log: &mut L,
    topology: &Topology,
    routes: &Routes,
    stores: &mut dyn Stores,
    rollouts: &dyn Rollouts,
    partition: &TopicPartition,
    committed: Option<Committed>,
) -> Result<Opened, WorkerError> {
    let (low, _) = log.bounds(partition)?;
    let watermark = committed.as_ref().and_then(|committed| committed.watermark);
    let circuits = committed.as_ref().and_then(|committed| committed.circuits.clone());
    let committed = committed.map(|committed| committed.offset);
    match topology.role(&partition.topic) {
        Role::Ingest(input) => {
            let source = ingest_source(log, topology, input, partition.partition)?;
            let writer = writer(log, topology, routes, 0, source)?;
            let reader = InputReader::new(input, (topology.inputs[usize::from(input)].decoder)());
            let position = committed.unwrap_or(low);
            if position < low {
                return Ok(Opened::Stopped(gone(position, low)));
            }
            let task = Task::Ingest(Box::new(IngestTask::new(partition.clone(), reader, writer, watermark)));
            let priority = routes.priority_of_ingest();
            let reading = Reading::new(partition.clone(), task, priority, position, position);
            Ok(Opened::Reading(Box::new(reading)))
        }
        Role::Stage(stage) => {
            let plan = &topology.plan.stages[stage];
            let store = match stores.open(&plan.entity, partition.partition, &plan.fingerprint) {
                Ok(store) => store,
                Err(error) => return Ok(Opened::Stopped(error.to_string())),
            };
            let start = match start(store.as_ref(), committed, low)? {
                Ok(start) => start,
                Err(reason) => return Ok(Opened::Stopped(reason)),
            };
            let answered_until = committed.unwrap_or(start);
            let feed = feed(log, topology, stage)?;
            let next = if stage + 1 < topology.plan.stages.len() {
                Next::Stage(writer(log, topology, routes, stage + 1, partition.partition as u32)?)
            } else {
                match lineup_in_force(store.as_ref(), topology, rollouts)? {
                    Ok(lineup) => Next::Decide(DecisionBuffer::new(Arc::clone(&topology.plan), lineup, circuits)),
                    Err(reason) => return Ok(Opened::Stopped(reason)),
                }
            };
            let task = StageTask::open(
                &topology.plan,
                partition.clone(),
                stage,
                feed,
                next,
                store,
                answered_until,
            )?;
            let (task, priority) = (Task::Stage(Box::new(task)), routes.priority_of_stage(stage));
            let reading = Reading::new(partition.clone(), task, priority, start, answered_until);
            Ok(Opened::Reading(Box::new(reading)))
        }
    }
}

/// Where a stage begins to read: at its state's position, which is never ahead of what was committed.
fn start(store: &dyn StateStore, committed: Option<i64>, low: i64) -> Result<Result<i64, String>, WorkerError> {
    let position = store.position().map_err(TaskError::from)?;
    Ok(match (position, committed) {
        (Some(position), Some(committed)) if position > committed => Err(format!(
            "its state stands at {position}, ahead of the group's committed position {committed}: the offsets were reset, or \
             the topic was made anew. Restore the offsets, or remove this task's state directory to build it again from the log"
        )),
        (Some(position), _) if position < low => Err(gone(position, low)),
        (Some(position), _) => Ok(position),
        (None, None) => Ok(low),
        (None, Some(committed)) if low > 0 && committed > low => Err(format!(
            "its state is lost, the group has committed up to {committed}, and the log now begins at {low}, so the state cannot \
             be rebuilt. Restore the state directory, or reset the group's offsets for this partition to begin anew at {low}"
        )),
        (None, Some(committed)) => Ok(low.min(committed)),
    })
}

/// The models that decided when the state was written; or why they are not ready.
fn lineup_in_force(
    store: &dyn StateStore,
    topology: &Topology,
    rollouts: &dyn Rollouts,
) -> Result<Result<Arc<Lineup>, String>, WorkerError> {
    let Some((revision, document)) = journal::read_lineup(store).map_err(TaskError::from)? else {
        return Ok(Ok(Arc::clone(&topology.lineup)));
    };
    let not_ready = |why| format!("revision {revision} of the models decides here, which cannot be used: {why}");
    Ok(rollouts.prepared(&document).map_err(not_ready))
}

fn gone(position: i64, low: i64) -> String {
    format!(
        "its position {position} is gone: the log now begins at {low}, {} records are missing. Give the topic a longer \
         retention; to go on with the hole, reset the group's offsets and remove the state directory",
        low - position
    )
}

fn feed<L: Log>(log: &mut L, topology: &Topology, stage: usize) -> Result<Feed, WorkerError> {
    if topology.repartition_topics[stage].is_none() {
        let decoder = (topology.inputs[0].decoder)();
        return Ok(Feed::Input(InputReader::of_keyed_topic(0, decoder)));
    }
    let mut sources = 0;
    if stage == 0 {
        for input in &topology.inputs {
            sources += log.partitions(&input.topic)?;
        }
    } else {
        sources = log.partitions(topology.topic_of_stage(stage - 1))?;
    }
    Ok(Feed::Repartition(Merge::new(sources as usize)))
}

/// Sources of the first repartition are numbered over all inputs' partitions, in the plan's order.
fn ingest_source<L: Log>(log: &mut L, topology: &Topology, input: u8, partition: i32) -> Result<u32, WorkerError> {
    let mut source = partition;
    for input in &topology.inputs[..usize::from(input)] {
        source += log.partitions(&input.topic)?;
    }
    Ok(source as u32)
}

fn writer<L: Log>(
    log: &mut L,
    topology: &Topology,
    routes: &Routes,
    stage: usize,
    source: u32,
) -> Result<RepartitionWriter, WorkerError> {
    let partitions = log.partitions(topology.topic_of_stage(stage))?;
    Ok(RepartitionWriter::new(
        routes.repartition_topics[stage].expect("a stage that is written to has a repartition topic"),
        partitions,
        source,
        &topology.plan,
        stage,
    ))
}
