//! The stages of a pipeline one after the other, each with a state of its own for each of its partitions.

use super::order::Partitions;
use riskstream_engine::plan::Plan;
use riskstream_engine::{Engine, Event, StageError};
use riskstream_features::state::StateError;
use riskstream_pipeline::log::TopicIdentity;
use riskstream_pipeline::sources::SourceId;
use riskstream_pipeline::{StageState, Stores, partitioner};

/// How many caches a stage has at least, however few partitions it has.
const CACHES: usize = 4;

/// See the module.
pub(super) struct Chain {
    stages: Vec<Stage>,
    key: String,
}

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

    /// Applies an event of this source at a stage. Gives its source as the next stage sees it: the partition here.
    pub(super) fn apply_at(
        &mut self,
        stage: usize,
        engine: &mut Engine,
        source: SourceId,
        event: &mut Event,
    ) -> Result<SourceId, StageError> {
        let Stage {
            partitions,
            reads_input,
        } = &mut self.stages[stage];
        let partition = match partitions.len() {
            1 => 0,
            _ if *reads_input => source.partition(),
            count => partitioner::stage_partition(engine, stage, event, count as i32, &mut self.key) as usize,
        };
        partitions[partition].apply(engine, event)?;
        Ok(SourceId::new(0, partition as i32))
    }

    /// Takes an event of this source through the stages that it goes to.
    pub(super) fn apply(&mut self, engine: &mut Engine, source: SourceId, event: &mut Event) -> Result<(), StageError> {
        let mut source = source;
        for stage in 0..self.stages.len() {
            if !engine.travels(stage, event) {
                break;
            }
            source = self.apply_at(stage, engine, source, event)?;
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
