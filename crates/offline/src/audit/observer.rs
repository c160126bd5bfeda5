//! Notes what a worker does with one transaction, and with all events of its entities before it.

use super::locate::TargetTransaction;
use riskstream_engine::plan::Plan;
use riskstream_engine::{Engine, Event};
use riskstream_events::Value;
use riskstream_features::Applied;
use riskstream_features::history::{EntityHistory, WindowContent};
use riskstream_lists::ListSet;
use riskstream_pipeline::Observer;
use riskstream_scoring::{Decision, DecisionSet, InForce};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// The transaction at a stage.
pub(super) struct AppliedAtStage {
    pub(super) key: Value,
    pub(super) applied: Applied,
    /// Its windows, computed anew from the events of its entity.
    pub(super) windows: Vec<WindowContent>,
    /// What the state gave, in the order of the stage's features.
    pub(super) values: Vec<Value>,
}

/// The transaction as it was decided.
pub(super) struct DecidedTransaction {
    pub(super) event: Event,
    pub(super) set: Arc<DecisionSet>,
    pub(super) lists: Arc<ListSet>,
    pub(super) decision: Decision,
}

/// What was seen of the transaction, in order.
#[derive(Default)]
pub(super) struct Observations {
    /// By stage.
    pub(super) at_stages: Vec<Vec<AppliedAtStage>>,
    pub(super) decided: Vec<DecidedTransaction>,
}

/// See the module.
pub(super) struct AuditObserver {
    target: TargetTransaction,
    /// By stage and key.
    histories: Vec<HashMap<String, EntityHistory>>,
    key: String,
    seen: Arc<Mutex<Observations>>,
}

impl AuditObserver {
    /// Of the entities with these keys, by stage.
    pub(super) fn new(
        plan: &Plan,
        target: &TargetTransaction,
        keys: &[BTreeSet<String>],
    ) -> (AuditObserver, Arc<Mutex<Observations>>) {
        let seen = Arc::new(Mutex::new(Observations {
            at_stages: plan.stages.iter().map(|_| Vec::new()).collect(),
            decided: Vec::new(),
        }));
        let of_stage = |(stage, keys): (&riskstream_engine::plan::StagePlan, &BTreeSet<String>)| {
            let history = |key: &String| (key.clone(), EntityHistory::new(&stage.features));
            keys.iter().map(history).collect()
        };
        let observer = AuditObserver {
            target: target.clone(),
            histories: plan.stages.iter().zip(keys).map(of_stage).collect(),
            key: String::new(),
            seen: Arc::clone(&seen),
        };
        (observer, seen)
    }
}

impl Observer for AuditObserver {
    fn applied(&mut self, engine: &Engine, stage: usize, event: &Event, applied: &Applied, stream_time: i64) {
        let Some(key) = engine.key(stage, event, &mut self.key) else {
            return;
        };
        let Some(history) = self.histories[stage].get_mut(key) else {
            return;
        };
        if applied.inserted {
            history.add(event.input, event.id(), &event.row);
        }
        if self.target.is(event) {
            let plan = &engine.plan().stages[stage];
            let spec = plan.features.spec();
            let at_stage = AppliedAtStage {
                key: plan.keys[0].map_or(Value::Null, |slot| event.row[slot].clone()),
                applied: *applied,
                windows: history.windows(event.id(), &event.row, applied, stream_time),
                values: spec
                    .features
                    .iter()
                    .map(|feature| event.row[feature.output].clone())
                    .collect(),
            };
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.at_stages[stage].push(at_stage);
        }
    }

    fn decided(&mut self, in_force: &InForce, event: &Event, decision: &Decision) {
        if self.target.is(event) {
            let decided = DecidedTransaction {
                event: event.clone(),
                set: Arc::clone(in_force.set()),
                lists: Arc::clone(in_force.lists()),
                decision: decision.clone(),
            };
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.decided.push(decided);
        }
    }
}
