//! Opens a partition that was assigned: which task reads it, and from where.

use crate::decide::DecisionBuffer;
use crate::decision_sink::DecisionSink;
use crate::error::{TaskError, WorkerError};
use crate::input_source::InputSource;
use crate::journal;
use crate::log::{Committed, Log, TopicPartition};
use crate::partition_reader::PartitionReader;
use crate::repartition::RepartitionFormat;
use crate::repartition_source::RepartitionSource;
use crate::repartition_writer::{RepartitionWriter, RepartitionWriters};
use crate::rollout::Rollouts;
use crate::sink::{RepartitionSink, Sink};
use crate::source::Source;
use crate::stage_state::StageState;
use crate::stores::Stores;
use crate::task::{Start, Task};
use crate::topology::{Role, Routes, Topology};
use riskstream_features::state::StateStore;
use riskstream_scoring::Lineup;
use std::sync::Arc;

/// The outcome of opening a partition.
pub(crate) enum Opened {
    /// It is read from its task's position on.
    Reader(Box<PartitionReader>),
    /// It cannot be read without a hole in its history: why, and what to do.
    Stopped(String),
}

/// What partitions are opened with.
pub(crate) struct Assignment<'a, L: Log> {
    pub(crate) log: &'a mut L,
    pub(crate) topology: &'a Topology,
    pub(crate) routes: &'a Routes,
    pub(crate) writers: &'a mut RepartitionWriters,
    pub(crate) stores: &'a mut dyn Stores,
    pub(crate) rollouts: &'a dyn Rollouts,
}

impl<L: Log> Assignment<'_, L> {
    /// Opens the task of `partition`. `committed` is the group's position, if it has one.
    pub(crate) fn open(
        &mut self,
        partition: &TopicPartition,
        committed: Option<Committed>,
    ) -> Result<Opened, WorkerError> {
        match self.topology.role(&partition.topic) {
            Role::Ingest(input) => self.open_ingest(partition, input, committed),
            Role::Stage(stage) => self.open_stage(partition, stage, committed),
        }
    }

    fn open_ingest(
        &mut self,
        partition: &TopicPartition,
        input: u8,
        committed: Option<Committed>,
    ) -> Result<Opened, WorkerError> {
        let (low, _) = self.log.bounds(partition)?;
        let position = committed.as_ref().map_or(low, |committed| committed.offset);
        if position < low {
            return Ok(Opened::Stopped(gone(position, low)));
        }
        let decoder = (self.topology.inputs[usize::from(input)].decoder)();
        let source = Source::Input(InputSource::new(input, decoder));
        let number = self.source_number(input, partition.partition)?;
        let sink = self.repartition_sink(0, number)?;
        let start = Start {
            position,
            committed: position,
            watermark: committed.and_then(|committed| committed.watermark),
        };
        let task = Task::open(partition.clone(), source, None, sink, start)?;
        Ok(reader(partition, task, self.routes.priority_of_ingest()))
    }

    fn open_stage(
        &mut self,
        partition: &TopicPartition,
        stage: usize,
        committed: Option<Committed>,
    ) -> Result<Opened, WorkerError> {
        let (low, _) = self.log.bounds(partition)?;
        let plan = Arc::clone(&self.topology.plan);
        let stage_plan = &plan.stages[stage];
        let opened = self
            .stores
            .open(&stage_plan.entity, partition.partition, &stage_plan.fingerprint);
        let store = match opened {
            Ok(store) => store,
            Err(error) => return Ok(Opened::Stopped(error.to_string())),
        };
        let offset = committed.as_ref().map(|committed| committed.offset);
        let position = match start(store.as_ref(), offset, low)? {
            Ok(position) => position,
            Err(reason) => return Ok(Opened::Stopped(reason)),
        };
        let sink = if stage + 1 < plan.stages.len() {
            self.repartition_sink(stage + 1, partition.partition as u32)?
        } else {
            match lineup_in_force(store.as_ref(), self.topology, self.rollouts)? {
                Ok(lineup) => {
                    let circuits = committed.and_then(|committed| committed.circuits);
                    let buffer = DecisionBuffer::new(Arc::clone(&plan), lineup, circuits);
                    Sink::Decisions(DecisionSink::new(partition.clone(), buffer))
                }
                Err(reason) => return Ok(Opened::Stopped(reason)),
            }
        };
        let start = Start {
            position,
            committed: offset.unwrap_or(position),
            watermark: None,
        };
        let source = self.source_of_stage(partition, stage)?;
        let state = StageState::new(&plan, stage, store);
        let task = Task::open(partition.clone(), source, Some(state), sink, start)?;
        Ok(reader(partition, task, self.routes.priority_of_stage(stage)))
    }

    fn source_of_stage(&mut self, partition: &TopicPartition, stage: usize) -> Result<Source, WorkerError> {
        let Some(topic) = self.routes.repartition_topics[stage] else {
            let decoder = (self.topology.inputs[0].decoder)();
            return Ok(Source::Input(InputSource::of_keyed_topic(0, decoder)));
        };
        let mut sources = 0;
        if stage == 0 {
            for input in &self.topology.inputs {
                sources += self.log.partitions(&input.topic)?;
            }
        } else {
            sources = self.log.partitions(self.topology.topic_of_stage(stage - 1))?;
        }
        let format = RepartitionFormat::new(&self.topology.plan, stage);
        let source = RepartitionSource::new(partition.clone(), topic, format, sources as usize);
        Ok(Source::Repartition(source))
    }

    /// The number of an input's partition among the sources of the first repartition topic: they are numbered over all
    /// inputs' partitions, in the plan's order.
    fn source_number(&mut self, input: u8, partition: i32) -> Result<u32, WorkerError> {
        let mut number = partition;
        for input in &self.topology.inputs[..usize::from(input)] {
            number += self.log.partitions(&input.topic)?;
        }
        Ok(number as u32)
    }

    /// The sink of source number `source` of the topic in front of `stage`.
    fn repartition_sink(&mut self, stage: usize, source: u32) -> Result<Sink, WorkerError> {
        if !self.writers.contains(stage) {
            let partitions = self.log.partitions(self.topology.topic_of_stage(stage))?;
            let topic = self.routes.repartition_topics[stage];
            let topic = topic.expect("a stage that is written to has a repartition topic");
            let format = RepartitionFormat::new(&self.topology.plan, stage);
            let writer = RepartitionWriter::new(topic, partitions, format);
            self.writers.insert(stage, writer);
        }
        Ok(Sink::Repartition(RepartitionSink { stage, source }))
    }
}

fn reader(partition: &TopicPartition, task: Task, priority: usize) -> Opened {
    Opened::Reader(Box::new(PartitionReader::new(partition.clone(), task, priority)))
}

/// Where a stage begins to read: at the position of its state, which is never ahead of what was committed.
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
