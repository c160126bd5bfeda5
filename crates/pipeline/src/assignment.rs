//! Opens a partition that was assigned: which task reads it, and from where.

use crate::decide::DecisionBuffer;
use crate::decision_sink::DecisionSink;
use crate::error::{TaskError, WorkerError};
use crate::identity::{self, Keying};
use crate::input_source::InputSource;
use crate::journal;
use crate::log::{Committed, Log, TopicIdentity, TopicPartition};
use crate::partition_reader::PartitionReader;
use crate::repartition::RepartitionFormat;
use crate::repartition_source::RepartitionSource;
use crate::repartition_writer::{RepartitionWriter, RepartitionWriters};
use crate::rollout::Rollouts;
use crate::sink::{RepartitionSink, Sink};
use crate::source::Source;
use crate::sources::SourceId;
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
        let topic = match self.identify(&partition.topic, Keying::Free)? {
            Ok(topic) => topic,
            Err(reason) => return Ok(Opened::Stopped(reason)),
        };
        let (low, end) = self.log.bounds(partition)?;
        let position = committed.as_ref().map_or(low, |committed| committed.offset);
        if let Err(reason) = within(position, low, end) {
            return Ok(Opened::Stopped(reason));
        }
        let sink = match self.repartition_sink(0, SourceId::new(input, partition.partition))? {
            Ok(sink) => sink,
            Err(reason) => return Ok(Opened::Stopped(reason)),
        };
        let decoder = (self.topology.inputs[usize::from(input)].decoder)();
        let source = Source::Input(InputSource::new(input, decoder, topic.epoch));
        let start = Start {
            topic,
            position,
            committed: position,
            watermark: committed.and_then(|committed| committed.watermark),
        };
        let task = Task::open(partition.clone(), source, None, sink, start);
        opened(partition, task, self.routes.priority_of_ingest())
    }

    fn open_stage(
        &mut self,
        partition: &TopicPartition,
        stage: usize,
        committed: Option<Committed>,
    ) -> Result<Opened, WorkerError> {
        let topic = match self.identify_stage(stage)? {
            Ok(topic) => topic,
            Err(reason) => return Ok(Opened::Stopped(reason)),
        };
        let bounds = self.log.bounds(partition)?;
        let plan = Arc::clone(&self.topology.plan);
        let stage_plan = &plan.stages[stage];
        let store = self
            .stores
            .open(&stage_plan.entity, partition.partition, &stage_plan.fingerprint);
        let store = match store {
            Ok(store) => store,
            Err(error) => return Ok(Opened::Stopped(error.to_string())),
        };
        let offset = committed.as_ref().map(|committed| committed.offset);
        let position = match start(store.as_ref(), (&partition.topic, &topic), offset, bounds)? {
            Ok(position) => position,
            Err(reason) => return Ok(Opened::Stopped(reason)),
        };
        let sink = if stage + 1 < plan.stages.len() {
            self.repartition_sink(stage + 1, SourceId::new(0, partition.partition))?
        } else {
            let lineup = lineup_in_force(store.as_ref(), self.topology, self.rollouts)?;
            lineup.map(|lineup| {
                let circuits = committed.and_then(|committed| committed.circuits);
                let buffer = DecisionBuffer::new(Arc::clone(&plan), lineup, circuits);
                Sink::Decisions(DecisionSink::new(partition.clone(), buffer))
            })
        };
        let sink = match sink {
            Ok(sink) => sink,
            Err(reason) => return Ok(Opened::Stopped(reason)),
        };
        let source = self.source_of_stage(partition, stage, topic.epoch)?;
        let state = StageState::new(&plan, stage, store, topic.clone());
        let start = Start {
            topic,
            position,
            committed: offset.unwrap_or(position),
            watermark: None,
        };
        let task = Task::open(partition.clone(), source, Some(state), sink, start);
        opened(partition, task, self.routes.priority_of_stage(stage))
    }

    /// Which topic of this name is read or written; or why the group's positions do not belong to it.
    fn identify(&mut self, name: &str, keying: Keying) -> Result<Result<TopicIdentity, String>, WorkerError> {
        let topic = self.log.topic(name)?;
        Ok(identity::identify(name, &topic, keying))
    }

    /// The topic that a stage reads, with the topics that are written to it if it is a repartition topic.
    fn identify_stage(&mut self, stage: usize) -> Result<Result<TopicIdentity, String>, WorkerError> {
        let name = self.topology.topic_of_stage(stage);
        let topic = match self.identify(name, Keying::ByState)? {
            Ok(topic) if self.topology.repartition_topics[stage].is_some() => topic,
            other => return Ok(other),
        };
        let keying = if stage == 0 { Keying::Free } else { Keying::ByState };
        let names = self.topology.topics_before_stage(stage);
        let mut sources = Vec::with_capacity(names.len());
        for name in &names {
            match self.identify(name, keying)? {
                Ok(source) => sources.push((source.id, source.epoch)),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        let committed = self.log.topic(name)?.committed;
        let checked = identity::check_sources(&names, &sources, &committed);
        Ok(checked.map(|()| TopicIdentity { sources, ..topic }))
    }

    fn source_of_stage(&mut self, partition: &TopicPartition, stage: usize, epoch: u32) -> Result<Source, WorkerError> {
        let Some(topic) = self.routes.repartition_topics[stage] else {
            let decoder = (self.topology.inputs[0].decoder)();
            return Ok(Source::Input(InputSource::of_keyed_topic(0, decoder, epoch)));
        };
        let counts = self.source_counts(stage)?;
        let format = RepartitionFormat::new(&self.topology.plan, stage);
        let source = RepartitionSource::new(partition.clone(), topic, format, counts);
        Ok(Source::Repartition(source))
    }

    /// The number of partitions of each topic that writes to the repartition topic in front of `stage`.
    fn source_counts(&mut self, stage: usize) -> Result<Vec<u32>, WorkerError> {
        let topics = self.topology.topics_before_stage(stage);
        let counts = topics
            .into_iter()
            .map(|topic| Ok(self.log.topic(topic)?.partitions as u32));
        counts.collect()
    }

    /// The sink of a source of the topic in front of `stage`; or why nothing can be written there.
    fn repartition_sink(&mut self, stage: usize, source: SourceId) -> Result<Result<Sink, String>, WorkerError> {
        let topic = match self.identify_stage(stage)? {
            Ok(topic) => topic,
            Err(reason) => return Ok(Err(reason)),
        };
        if !self.writers.contains(stage) {
            let index = self.routes.repartition_topics[stage];
            let index = index.expect("a stage that is written to has a repartition topic");
            let format = RepartitionFormat::new(&self.topology.plan, stage);
            let writer = RepartitionWriter::new(index, topic.partitions, format, self.source_counts(stage)?);
            self.writers.insert(stage, writer);
        }
        Ok(Ok(Sink::Repartition(RepartitionSink { stage, source })))
    }
}

/// A task that was opened. One whose stored frames cannot be read is not read on; the others are.
fn opened(partition: &TopicPartition, task: Result<Task, TaskError>, priority: usize) -> Result<Opened, WorkerError> {
    match task {
        Ok(task) => {
            let reader = PartitionReader::new(partition.clone(), task, priority);
            Ok(Opened::Reader(Box::new(reader)))
        }
        Err(error) if error.is_of_partition() => Ok(Opened::Stopped(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Where a stage begins to read `topic`: at the position of its state, which is never ahead of what was committed. State that
/// belongs to a former topic of this name goes on with this one from its beginning.
fn start(
    store: &dyn StateStore,
    (name, topic): (&str, &TopicIdentity),
    committed: Option<i64>,
    (low, end): (i64, i64),
) -> Result<Result<i64, String>, WorkerError> {
    let before = journal::Journal::read(store).map_err(TaskError::from)?.topic;
    if identity::is_other(&topic.id, &before.id) && topic.epoch <= before.epoch {
        return Ok(Err(identity::created_again(name)));
    }
    let position = store.position().map_err(TaskError::from)?;
    let position = position.filter(|_| before.epoch == topic.epoch);
    Ok(match (position, committed) {
        (Some(position), Some(committed)) if position > committed => Err(format!(
            "its state stands at {position}, ahead of the group's committed position {committed}: the offsets were set back. \
             Restore the offsets; or remove this task's state directory: it is then built again from the log, and the records \
             from {committed} on are decided a second time"
        )),
        (Some(position), _) => within(position, low, end).map(|()| position),
        (None, None) => Ok(low),
        (None, Some(committed)) if low > 0 && committed > low => Err(format!(
            "its state is lost, the group has committed up to {committed}, and the log now begins at {low}, so the state cannot \
             be rebuilt. Restore the state directory; or set the group's offset of this partition to {low}: its features then know \
             nothing of what came before, and the records from {low} to {committed} are decided a second time"
        )),
        (None, Some(committed)) if committed > end => within(committed, low, end).map(|()| committed),
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

/// Whether a log from `low` to `end` holds what follows `position`.
fn within(position: i64, low: i64, end: i64) -> Result<(), String> {
    if position < low {
        return Err(format!(
            "its position {position} is gone: the log now begins at {low}, {} records are missing. Give the topic a longer \
             retention. To go on with the hole, set the group's offset of this partition to {low} and remove its state directory: its \
             features then know nothing of what came before",
            low - position
        ));
    }
    if position > end {
        return Err(format!(
            "its position {position} is beyond the end of the log at {end}: records were lost on the broker, for example by an \
             unclean election, or the offsets were set forward. Restore the log or the offsets; or, for an input, \
             riskstream state reset PIPELINE --topic TOPIC reads the topic again from its beginning"
        ));
    }
    Ok(())
}
