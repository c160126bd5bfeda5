//! Opens a partition that was assigned: which task reads it, and from where.

use crate::continuation::{Continuation, StatePosition, within};
use crate::decide::DecisionBuffer;
use crate::decision_sink::DecisionSink;
use crate::error::{TaskError, WorkerError};
use crate::identity::Keying;
use crate::input_source::InputSource;
use crate::log::{Committed, Log, LogError, LogTopic, Outputs, TopicIdentity, TopicPartition};
use crate::partition_reader::PartitionReader;
use crate::repartition::RepartitionFormat;
use crate::repartition_source::RepartitionSource;
use crate::repartition_writer::{RepartitionWriter, RepartitionWriters};
use crate::rollout::Rollouts;
use crate::sink::{RepartitionSink, Sink};
use crate::source::Source;
use crate::sources::SourceId;
use crate::stage_state::StageState;
use crate::stage_topics;
use crate::stop_reason::{StopCode, StopReason};
use crate::stores::{Opening, Stores};
use crate::task::{Start, Task};
use crate::task_progress;
use crate::topology::{Role, Routes, Topology};
use riskstream_features::state::{StateError, StateStore};
use riskstream_scoring::DecisionSet;
use std::sync::Arc;

/// The outcome of opening a partition.
pub(crate) enum Opened {
    /// It is read from its task's position on.
    Reader(Box<PartitionReader>),
    /// It cannot be read without a hole in its history: why, and what to do.
    Stopped(StopReason),
    /// It is read once its state has been restored, from what this text says.
    Restoring(String),
}

/// Why a partition is not opened.
enum NotOpened {
    /// It cannot be read: why, and what to do. The others are opened.
    Stopped(StopReason),
    /// It is read once its state has been restored, from what this text says. The others are opened.
    Restoring(String),
    /// The worker cannot go on.
    Failed(WorkerError),
}

impl From<StopReason> for NotOpened {
    fn from(reason: StopReason) -> NotOpened {
        NotOpened::Stopped(reason)
    }
}

impl From<LogError> for NotOpened {
    fn from(error: LogError) -> NotOpened {
        NotOpened::Failed(error.into())
    }
}

impl From<TaskError> for NotOpened {
    fn from(error: TaskError) -> NotOpened {
        match error {
            TaskError::Partition { error, .. } => NotOpened::Stopped((&error).into()),
            error @ TaskError::State(_) => NotOpened::Failed(error.into()),
        }
    }
}

impl From<StateError> for NotOpened {
    fn from(error: StateError) -> NotOpened {
        TaskError::from(error).into()
    }
}

/// The parts of a worker that open partitions.
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
        let known = self.log.topic(&partition.topic)?.partitions;
        if partition.partition >= known {
            return Err(has_grown(&partition.topic, known).into());
        }
        let opened = match self.topology.role(&partition.topic) {
            Role::Ingest(input) => self.open_ingest(partition, input, committed),
            Role::Stage(stage) => self.open_stage(partition, stage, committed),
        };
        match opened {
            Ok(reader) => Ok(Opened::Reader(Box::new(reader))),
            Err(NotOpened::Stopped(reason)) => Ok(Opened::Stopped(reason)),
            Err(NotOpened::Restoring(from)) => Ok(Opened::Restoring(from)),
            Err(NotOpened::Failed(error)) => Err(error),
        }
    }

    fn open_ingest(
        &mut self,
        partition: &TopicPartition,
        input: u8,
        committed: Option<Committed>,
    ) -> Result<PartitionReader, NotOpened> {
        let look_up = &mut |name: &str| -> Result<LogTopic, NotOpened> { Ok(self.log.topic(name)?) };
        let topic = stage_topics::identify(self.topology, &partition.topic, Keying::Free, look_up)?;
        let (low, end) = self.log.bounds(partition)?;
        let position = committed.as_ref().map_or(low, |committed| committed.offset);
        within(position, low, end)?;
        let sink = self.repartition_sink(0, SourceId::new(input, partition.partition))?;
        let decoder = (self.topology.inputs[usize::from(input)].decoder)();
        let source = Source::Input(InputSource::new(input, decoder, topic.epoch));
        let start = Start {
            topic,
            position,
            committed: position,
            decided: None,
            watermark: committed.and_then(|committed| committed.watermark),
        };
        let task = Task::open(partition.clone(), source, None, sink, start)?;
        let priority = self.routes.priority_of_ingest();
        Ok(PartitionReader::new(partition.clone(), task, priority, end))
    }

    fn open_stage(
        &mut self,
        partition: &TopicPartition,
        stage: usize,
        committed: Option<Committed>,
    ) -> Result<PartitionReader, NotOpened> {
        let topic = self.identify_stage(stage)?;
        let plan = Arc::clone(&self.topology.plan);
        let stage_plan = &plan.stages[stage];
        let offset = committed.as_ref().map(|committed| committed.offset);
        let continuation = Continuation {
            name: Arc::clone(&partition.topic),
            is_repartition: self.topology.repartition_topics[stage].is_some(),
            topic,
            decides: stage + 1 == plan.stages.len(),
            bounds: self.log.bounds(partition)?,
            committed: offset,
        };
        let (entity, number) = (&stage_plan.entity, partition.partition);
        let opened = self
            .stores
            .open_to_continue(entity, number, &stage_plan.fingerprint, &continuation);
        let store = match opened? {
            Opening::Opened(store) => store,
            Opening::Restoring(from) => return Err(NotOpened::Restoring(from)),
        };
        let state = StatePosition::of(store.as_ref())?;
        self.note_decided(partition, &continuation, &state, committed.as_ref())?;
        let (topic, position) = continuation.start(&state)?;
        let decided = committed.as_ref().and_then(|committed| committed.decided);
        let sink = if !continuation.decides {
            self.repartition_sink(stage + 1, SourceId::new(0, partition.partition))?
        } else {
            let set = set_in_force(store.as_ref(), self.topology, self.rollouts)?;
            let circuits = committed.and_then(|committed| committed.circuits);
            let buffer = DecisionBuffer::new(Arc::clone(&plan), set, circuits);
            let lists = task_progress::read_lists(store.as_ref())?;
            Sink::Decisions(DecisionSink::new(partition.clone(), buffer, lists).into())
        };
        let source = self.source_of_stage(partition, stage, &topic)?;
        let state = StageState::new(&plan, stage, store, topic.clone());
        let replayed = match self.log.is_follower() {
            true => i64::MAX,
            false => offset.unwrap_or(position),
        };
        let start = Start {
            topic,
            position,
            committed: replayed,
            decided,
            watermark: None,
        };
        let task = Task::open(partition.clone(), source, Some(state), sink, start)?;
        let priority = self.routes.priority_of_stage(stage);
        let end = continuation.bounds.1;
        Ok(PartitionReader::new(partition.clone(), task, priority, end))
    }

    /// A state that is ahead of the group's position shows up to which offset records were decided before the position was set back.
    /// The offset is noted with the position: after the state was removed, the task that continues there flags repeated decisions.
    fn note_decided(
        &mut self,
        partition: &TopicPartition,
        continuation: &Continuation,
        state: &StatePosition,
        committed: Option<&Committed>,
    ) -> Result<(), NotOpened> {
        let (Some(decided), Some(committed)) = (continuation.decided_ahead(state), committed) else {
            return Ok(());
        };
        if committed.decided >= Some(decided) {
            return Ok(());
        }
        let noted = Committed {
            decided: Some(decided),
            topic: continuation.topic.clone(),
            ..committed.clone()
        };
        match self.log.commit(&Outputs::default(), &[(partition.clone(), noted)]) {
            // It is tried again with the partition.
            Err(LogError::Rebalancing) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The topic that a stage reads, with the topics that are written to it if it is a repartition topic.
    fn identify_stage(&mut self, stage: usize) -> Result<TopicIdentity, NotOpened> {
        stage_topics::identify_stage(self.topology, stage, &mut |name| Ok(self.log.topic(name)?))
    }

    fn source_of_stage(
        &mut self,
        partition: &TopicPartition,
        stage: usize,
        read: &TopicIdentity,
    ) -> Result<Source, NotOpened> {
        let Some(topic) = self.routes.repartition_topics[stage] else {
            let input = &self.topology.inputs[0];
            let key_rule = input.key.clone().filter(|_| read.partitions > 1);
            let source = InputSource::of_keyed_topic(0, (input.decoder)(), read.epoch, key_rule);
            return Ok(Source::Input(source));
        };
        let counts = self.source_counts(stage)?;
        let format = RepartitionFormat::new(&self.topology.plan, stage);
        let source = RepartitionSource::new(partition.clone(), topic, format, counts);
        Ok(Source::Repartition(source))
    }

    /// The number of partitions of each topic that writes to the repartition topic in front of `stage`.
    fn source_counts(&mut self, stage: usize) -> Result<Vec<u32>, NotOpened> {
        let topics = self.topology.topics_before_stage(stage);
        let counts = topics
            .into_iter()
            .map(|topic| Ok(self.log.topic(topic)?.partitions as u32));
        counts.collect()
    }

    /// The sink of a source of the topic in front of `stage`.
    fn repartition_sink(&mut self, stage: usize, source: SourceId) -> Result<Sink, NotOpened> {
        let topic = self.identify_stage(stage)?;
        if !self.writers.contains(stage) {
            let index = self.routes.repartition_topics[stage];
            let index = index.expect("a stage that is written to has a repartition topic");
            let format = RepartitionFormat::new(&self.topology.plan, stage);
            let writer = RepartitionWriter::new(index, topic.partitions, format, self.source_counts(stage)?);
            self.writers.insert(stage, writer);
        }
        if let Some(known) = self.writers.get(stage).partitions_before(source) {
            let name = self.topology.topics_before_stage(stage)[source.input()];
            return Err(has_grown(name, known as i32).into());
        }
        Ok(Sink::Repartition(RepartitionSink { stage, source }))
    }
}

/// A topic has partitions of which the worker did not know when it began. What it writes names those that it knew: it has to
/// begin again.
fn has_grown(topic: &str, known: i32) -> LogError {
    LogError::Fenced(format!("topic {topic} had {known} partitions and now has more"))
}

/// What decided when the state was written.
fn set_in_force(
    store: &dyn StateStore,
    topology: &Topology,
    rollouts: &dyn Rollouts,
) -> Result<Arc<DecisionSet>, NotOpened> {
    let Some((revision, document)) = task_progress::read_rollout(store)? else {
        return Ok(Arc::clone(&topology.decision));
    };
    let not_ready = |why| {
        let detail = format!("roll-out {revision} decides here, which cannot be used: {why}");
        StopCode::RolloutNotReady.because(detail)
    };
    Ok(rollouts.prepared(&document).map_err(not_ready)?)
}
