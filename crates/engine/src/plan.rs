//! What is valid: the pipeline resolved to slots, stages and compiled parts. The binary makes it from
//! the pipeline file; the engine only follows it.

use crate::explain::ExplainPlan;
use riskstream_events::{Slot, ValueType};
use riskstream_expressions::Expression;
use riskstream_features::EntityFeatures;
use riskstream_policy::{Outcome, Policy};
use std::sync::Arc;

/// The slot of every row that holds the event time ([`ValueType::Timestamp`]), whatever the input calls it.
pub const EVENT_TIME: Slot = 0;
/// The slot of every row that holds the event's id ([`ValueType::Text`]), whatever the input calls it.
pub const EVENT_ID: Slot = 1;
/// The slot of every row that holds the input record's log timestamp ([`ValueType::Timestamp`]), null if it
/// had none. Only latencies are taken from it, never a feature or a decision.
pub const WRITTEN_AT: Slot = 2;
/// The slots that every plan begins with and every row on its way to a stage carries, in order.
pub const CANONICAL: [(Slot, &str, ValueType); 3] = [
    (EVENT_TIME, "event_time", ValueType::Timestamp),
    (EVENT_ID, "event_id", ValueType::Text),
    (WRITTEN_AT, "written_at", ValueType::Timestamp),
];
/// Input 0 is always the transactions: only they are decided upon.
pub const TRANSACTIONS: u8 = 0;

/// A whole pipeline.
#[derive(Debug)]
pub struct Plan {
    /// The pipeline's name; part of every decision id.
    pub name: String,
    /// Names this very plan: a hash of the pipeline file.
    pub version: String,
    /// All slots of a row, in order. The first are [`CANONICAL`].
    pub slots: Vec<SlotInfo>,
    /// The inputs; the first is the transactions, the others are labels.
    pub inputs: Vec<InputPlan>,
    /// The chain of stages, one for each entity, in order.
    pub stages: Vec<StagePlan>,
    /// What happens to a transaction after the last stage.
    pub decide: DecidePlan,
    /// How far ahead of its log timestamp an event time may be, in microseconds.
    pub max_future: i64,
}

/// A slot's name and type.
#[derive(Clone, Debug)]
pub struct SlotInfo {
    /// The field's or feature's name.
    pub name: String,
    /// What it holds.
    pub value_type: ValueType,
    /// What the values of a list in it are; of no meaning otherwise.
    pub element: ValueType,
}

/// What the engine needs to know of an input.
#[derive(Clone, Debug)]
pub struct InputPlan {
    /// `transactions`, `labels`, …
    pub name: String,
    /// The decoded field with the event's id (text or int).
    pub id: Slot,
    /// The decoded field with the event time.
    pub event_time: Slot,
    /// Fields that enter aggregates, with the units per 1.0: they must be finite and fit.
    pub numbers: Vec<(Slot, i64)>,
}

/// One stage: an entity, its features, and what a row must bring along.
#[derive(Debug)]
pub struct StagePlan {
    /// The entity's name.
    pub entity: String,
    /// For each input the field that holds this entity's key (text or int), or `None` if the input's
    /// events neither carry the key nor can be completed: then they do not come here.
    pub keys: Vec<Option<Slot>>,
    /// Expressions that this stage's features use as values or conditions, in order.
    pub before: Vec<SlotExpression>,
    /// The windows and their layout in state.
    pub features: Arc<EntityFeatures>,
    /// The longest reach back of a feature here (delay + window), in microseconds; 0 if unlimited.
    pub reach: i64,
    /// Whether later stages need keys of labels that only this stage's state knows.
    pub completes_labels: bool,
    /// The slots that rows on their way to this stage carry, in order. Unused by a first stage that reads
    /// the transactions topic itself.
    pub carries: Vec<(Slot, ValueType)>,
    /// Named by the state: a change of anything that the state's bytes depend on changes it.
    pub fingerprint: String,
}

/// An expression and where its value goes.
#[derive(Debug)]
pub struct SlotExpression {
    /// Where.
    pub slot: Slot,
    /// What.
    pub expression: Expression,
}

/// Expressions and policy of the decision. Which models score is said by the line-up in force, see riskstream-scoring.
#[derive(Debug)]
pub struct DecidePlan {
    /// Expressions over fields and features, in order of their dependencies.
    pub expressions: Vec<SlotExpression>,
    /// Which scores are explained, if any.
    pub explain: Option<ExplainPlan>,
    /// Where the score goes ([`ValueType::Float`]); null without a model.
    pub score: Slot,
    /// Rules and thresholds.
    pub policy: Policy,
    /// The mildest outcome when a model was to decide and none gave a score: thresholds cannot fire then.
    pub without_score: Outcome,
    /// What the decision lists under `features`, in order.
    pub features: Vec<(String, Slot)>,
    /// What the decision lists under `entities`: name and key.
    pub entities: Vec<(String, Slot)>,
}
