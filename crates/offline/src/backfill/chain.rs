//! The stages of a pipeline one after the other, each with a state of its own.

use riskstream_engine::plan::Plan;
use riskstream_engine::{Engine, Event, StageError};
use riskstream_features::state::StateError;
use riskstream_pipeline::progress::SourceProgress;
use riskstream_pipeline::{StageState, Stores, TaskError};

/// See the module.
pub(super) struct Chain(Vec<StageState>);

impl Chain {
    /// The stages of `plan`, with new, empty states.
    pub(super) fn open(plan: &Plan, stores: &mut dyn Stores) -> Result<Chain, StateError> {
        let stages = plan.stages.iter().enumerate().map(|(number, stage)| {
            let store = stores.open(&stage.entity, 0, &stage.fingerprint)?;
            Ok(StageState::new(plan, number, store))
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

    /// Writes what was changed since the last write, so that entities can leave memory. `applied` is the number of events
    /// so far.
    pub(super) fn write(&mut self, applied: u64) -> Result<(), TaskError> {
        for stage in &mut self.0 {
            stage.collect(SourceProgress::default());
            stage.write(applied as i64)?;
        }
        Ok(())
    }
}
