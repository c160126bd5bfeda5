//! The stages of a pipeline one after the other, each with a state of its own for each of its partitions.

use super::order::Partitions;
use riskstream_engine::plan::Plan;
use riskstream_engine::{Engine, Event, StageError};
use riskstream_events::Rejection;
use riskstream_features::state::StateError;
use riskstream_pipeline::log::TopicIdentity;
use riskstream_pipeline::sources::SourceId;
use riskstream_pipeline::{Applied, StageState, Stores, partitioner};

/// How many caches a stage has at least, however few partitions it has.
const CACHES: usize = 4;

/// See the module.
pub(super) struct Chain {
    stages: Vec<Stage>,
    /// The partition of the first stage that an event was applied at last.
    applied_at: usize,
    key: String,
}

/// A label that waited for its transaction.
pub(super) type Label = (SourceId, Event, Result<(), Rejection>);

struct Stage {
    partitions: Vec<StageState>,
    /// Whether its partitions are those of the transactions' topic.
    reads_input: bool,
}

impl Chain {
    /// The stages of `plan`, with new, empty states; one for each stage if there are no partitions.
    pub(super) fn open(
        plan: &Plan,
        partitions: Option<&Partitions>,
        stores: &mut dyn Stores,
    ) -> Result<Chain, StateError> {
        let stages = plan.stages.iter().enumerate().map(|(number, stage)| {
            let count = partitions.map_or(1, |partitions| partitions.of_stage(number));
            let states = (0..count).map(|partition| {
                let store = stores.open(&stage.entity, partition as i32, &stage.fingerprint)?;
                Ok(StageState::new(plan, number, store, TopicIdentity::default()))
            });
            Ok(Stage {
                partitions: states.collect::<Result<_, StateError>>()?,
                reads_input: partitions.is_some_and(|partitions| partitions.stages[number].is_none()),
            })
        });
        Ok(Chain {
            stages: stages.collect::<Result<_, StateError>>()?,
            applied_at: 0,
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

    /// Applies an event of this source at a stage. Gives its source as the next stage sees it: the partition here. None if it is
    /// a label that waits for its transaction.
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
        if stage == 0 {
            self.applied_at = partition;
        }
        let applied = partitions[partition].apply(engine, event)?;
        Ok((applied == Applied::Now).then(|| SourceId::new(0, partition as i32)))
    }

    /// Takes an event of this source through the stages that it goes to, from this one on. It may be a label that waits.
    pub(super) fn apply_from(
        &mut self,
        first: usize,
        engine: &mut Engine,
        source: SourceId,
        event: &mut Event,
    ) -> Result<Applied, StageError> {
        let mut source = source;
        for stage in first..self.stages.len() {
            if !engine.travels(stage, event) {
                break;
            }
            match self.apply_at(stage, engine, source, event)? {
                Some(partition) => source = partition,
                None => return Ok(Applied::Later),
            }
        }
        Ok(Applied::Now)
    }

    /// The next label that no longer waits after what was applied last at the first stage, or given up: its source as the
    /// second stage sees it, and why it cannot be used if that is so.
    pub(super) fn next_label(&mut self, engine: &mut Engine) -> Result<Option<Label>, StateError> {
        let partition = self.applied_at;
        let label = self.stages[0].partitions[partition].next_label(engine)?;
        Ok(label.map(|(event, applied)| (SourceId::new(0, partition as i32), event, applied)))
    }

    /// Gives up some of the labels that wait, as no transaction will come any more. False if none waits.
    pub(super) fn give_up_labels(&mut self) -> Result<bool, StateError> {
        for (partition, state) in self.stages[0].partitions.iter_mut().enumerate() {
            if state.give_up_labels()? {
                self.applied_at = partition;
                return Ok(true);
            }
        }
        Ok(false)
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
