//! The stages of a pipeline one after the other, each with a state of its own.

use riskstream_engine::plan::Plan;
use riskstream_engine::{Engine, Event, StageError};
use riskstream_features::state::StateError;
use riskstream_pipeline::log::TopicIdentity;
use riskstream_pipeline::{StageState, Stores};

/// How many caches a stage has. The service has one for each partition of a stage, a backfill has no partitions.
const CACHES: usize = 4;

/// See the module.
pub(super) struct Chain(Vec<StageState>);

impl Chain {
    /// The stages of `plan`, with new, empty states.
    pub(super) fn open(plan: &Plan, stores: &mut dyn Stores) -> Result<Chain, StateError> {
        let stages = plan.stages.iter().enumerate().map(|(number, stage)| {
            let store = stores.open(&stage.entity, 0, &stage.fingerprint)?;
            Ok(StageState::new(plan, number, store, TopicIdentity::default()))
        });
        Ok(Chain(stages.collect::<Result<_, StateError>>()?))
    }

    /// Takes the event through the stages that it goes to.
    pub(super) fn apply(&mut self, engine: &mut Engine, event: &mut Event) -> Result<(), StageError> {
        for (number, stage) in self.0.iter_mut().enumerate() {
            if !engine.travels(number, event) {
                break;
            }
            stage.apply(engine, event)?;
        }
        Ok(())
    }

    /// Moves entities that do not fit the caches to the stores.
    pub(super) fn spill(&mut self) -> Result<(), StateError> {
        self.0.iter_mut().try_for_each(|stage| stage.spill(CACHES))
    }
}
