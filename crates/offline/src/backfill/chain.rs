//! The stages of a pipeline one after the other, each with a state of its own for each of its partitions.

use super::order::Partitions;
use riskstream_engine::plan::{InputKind, Plan};
use riskstream_engine::{Engine, Event, StageError};
use riskstream_features::state::StateError;
use riskstream_pipeline::log::TopicIdentity;
use riskstream_pipeline::progress::SourceProgress;
use riskstream_pipeline::sources::SourceId;
use riskstream_pipeline::stop_reason::StopReason;
use riskstream_pipeline::{Applied, EventTally, StageState, Stores, TaskError, WaitedLabel, partitioner};
use std::collections::BTreeMap;

/// How many caches a stage has at least, however few partitions it has.
const CACHES: usize = 4;

/// See the module.
pub(super) struct Chain {
    stages: Vec<Stage>,
    /// Labels that were older than the entities of a stage keep, by stage.
    too_late_labels: BTreeMap<usize, u64>,
    /// What became of other events.
    other_events: EventTally,
    key: String,
}

struct Stage {
    partitions: Vec<StageState>,
    /// Whether its partitions are those of the transactions' topic.
    reads_input: bool,
}

impl Chain {
    /// The stages of `plan`, with new, empty states; one for each stage if there are no partitions. `topics`: what each stage
    /// reads.
    pub(super) fn open(
        plan: &Plan,
        partitions: Option<&Partitions>,
        stores: &mut dyn Stores,
        topics: &[TopicIdentity],
    ) -> Result<Chain, StopReason> {
        let stages = plan.stages.iter().enumerate().map(|(number, stage)| {
            let count = partitions.map_or(1, |partitions| partitions.of_stage(number));
            let states = (0..count).map(|partition| {
                let store = stores.open(&stage.entity, partition as i32, &stage.fingerprint)?;
                Ok(StageState::new(plan, number, store, topics[number].clone()))
            });
            Ok(Stage {
                partitions: states.collect::<Result<_, StopReason>>()?,
                reads_input: partitions.is_some_and(|partitions| partitions.stages[number].is_none()),
            })
        });
        Ok(Chain {
            stages: stages.collect::<Result<_, StopReason>>()?,
            too_late_labels: BTreeMap::new(),
            other_events: EventTally::default(),
            key: String::new(),
        })
    }

    /// How many stages there are.
    pub(super) fn stages(&self) -> usize {
        self.stages.len()
    }

    /// Whether every stage applies events in the order of the one before it.
    pub(super) fn keeps_order(&self) -> bool {
        self.stages.iter().all(|stage| stage.partitions.len() == 1)
    }

    /// Applies an event of this source at a stage. Gives its source as the next stage sees it: the partition here; none if it
    /// is a label that waits for its transaction.
    pub(super) fn apply_at(
        &mut self,
        stage: usize,
        engine: &mut Engine,
        source: SourceId,
        event: &mut Event,
    ) -> Result<Option<SourceId>, StageError> {
        let Stage {
            partitions,
            reads_input,
        } = &mut self.stages[stage];
        let partition = match partitions.len() {
            1 => 0,
            _ if *reads_input => source.partition(),
            count => partitioner::stage_partition(engine, stage, event, count as i32, &mut self.key) as usize,
        };
        let applied = partitions[partition].apply(engine, event)?;
        let last = partitions[partition].last_applied();
        self.other_events.add(engine.plan(), stage, event, last);
        self.count(engine.plan(), stage, event);
        Ok((applied == Applied::Now).then(|| SourceId::new(0, partition as i32)))
    }

    /// Takes an event of this source through the stages from `first` on that it goes to.
    pub(super) fn apply_from(
        &mut self,
        first: usize,
        engine: &mut Engine,
        source: SourceId,
        event: &mut Event,
    ) -> Result<(), StageError> {
        let mut source = Some(source);
        for stage in first..self.stages.len() {
            let Some(from) = source.filter(|_| engine.travels(stage, event)) else {
                break;
            };
            source = self.apply_at(stage, engine, from, event)?;
        }
        Ok(())
    }

    /// The next label that no longer waits at a partition of the first stage: see [`StageState::next_label`].
    pub(super) fn next_label(
        &mut self,
        engine: &mut Engine,
        partition: usize,
    ) -> Result<Option<WaitedLabel>, StateError> {
        let label = self.stages[0].partitions[partition].next_label(engine)?;
        if let Some((label, Ok(()))) = &label {
            self.count(engine.plan(), 0, label);
        }
        Ok(label)
    }

    fn count(&mut self, plan: &Plan, stage: usize, event: &Event) {
        let is_label = plan.kind(event.input) == InputKind::Labels;
        if is_label && event.is_missed() {
            *self.too_late_labels.entry(stage).or_default() += 1;
        }
    }

    /// Labels so far that were older than the entities of a stage keep, by stage.
    pub(super) fn too_late_labels(&self) -> &BTreeMap<usize, u64> {
        &self.too_late_labels
    }

    /// What became of other events so far.
    pub(super) fn other_events(&self) -> &EventTally {
        &self.other_events
    }

    /// Gives up some of the labels that wait, as no transaction will come any more; the partition at which they waited.
    pub(super) fn give_up_labels(&mut self) -> Result<Option<usize>, StateError> {
        for (partition, state) in self.stages[0].partitions.iter_mut().enumerate() {
            if state.give_up_labels()? {
                return Ok(Some(partition));
            }
        }
        Ok(None)
    }

    /// Ends the states, so that tasks can continue with them. `progress`: how far the task of a stage on a partition has read, and
    /// the offset of the next record.
    ///
    /// # Errors
    /// A state cannot be written.
    pub(super) fn finish(&mut self, progress: &dyn Fn(usize, i32) -> (SourceProgress, i64)) -> Result<(), TaskError> {
        for (number, stage) in self.stages.iter_mut().enumerate() {
            for (partition, state) in (0..).zip(&mut stage.partitions) {
                let (progress, position) = progress(number, partition);
                state.finish(progress, position)?;
            }
        }
        Ok(())
    }

    /// Moves entities that do not fit the caches to the stores.
    pub(super) fn spill(&mut self) -> Result<(), StateError> {
        for Stage { partitions, .. } in &mut self.stages {
            let caches = CACHES.div_ceil(partitions.len());
            partitions.iter_mut().try_for_each(|state| state.spill(caches))?;
        }
        Ok(())
    }
}
