//! The specification of an entity's features, as the plan states them.

use crate::aggregation::Aggregation;
use crate::precision::Precision;
use riskstream_events::{ReasonCode, Slot, Value, ValueType};
use riskstream_expressions::Expression;

/// Microseconds in a day.
const DAY: i64 = 86_400_000_000;

/// One windowed feature of an entity.
///
/// For a transaction at event time t the window covers (t − delay − window, t − delay]: open on the left,
/// closed on the right. Of entries with equal times, those earlier in the log count as older.
#[derive(Clone, Debug)]
pub struct FeatureSpec {
    /// The feature's name; used in error messages only.
    pub name: String,
    /// The slot in rows of input 0 that the value is written to.
    pub output: Slot,
    /// The aggregation.
    pub aggregation: Aggregation,
    /// The input whose events are aggregated: 0 for the transactions, 1 and up for the label inputs.
    pub input: u8,
    /// The slot of the aggregated value in rows of `input`: a field, or an expression evaluated before.
    /// Aggregations of values skip nulls. [`Aggregation::Count`] ignores the value.
    pub value: Option<Slot>,
    /// Events count only if they meet the condition. It is evaluated once, when the event arrives.
    pub condition: Option<Expression>,
    /// The window's width in microseconds. `None` is an unlimited window, for aggregations that need no expiry.
    pub window: Option<i64>,
    /// How far the window's end lies behind the event, in microseconds.
    pub delay: i64,
    /// Whether the evaluated transaction counts itself. Has no effect with a delay or a label input.
    pub include_current: bool,
    /// The value when nothing in the window counts. By default 0 for counts and sums, null for all others.
    pub empty: Option<Value>,
    /// The unit of floats in sums. Has no effect on aggregations that take floats as they are.
    pub precision: Precision,
}

impl FeatureSpec {
    /// The unit in which floats enter; `None` if they enter as they are.
    pub(crate) fn fixed_point(&self) -> Option<Precision> {
        self.aggregation.is_fixed_point().then_some(self.precision)
    }
}

/// An entity's features, and how its state is kept. Times are in microseconds.
#[derive(Clone, Debug)]
pub struct EntitySpec {
    /// The entity's name; used in error messages only.
    pub name: String,
    /// The features. All of them, including those over labels, are evaluated when a transaction is applied.
    pub features: Vec<FeatureSpec>,
    /// For each input, the slots that its log needs. Input 0 is the transactions.
    pub inputs: Vec<InputSpec>,
    /// How far behind stream time an event may be and still be inserted.
    pub lateness: i64,
    /// For how long behind stream time an id is recognised as a duplicate; 0 turns that off.
    pub dedupe: i64,
    /// The least time behind stream time for which transactions are kept, so that labels can be completed.
    pub keep: i64,
    /// Slots of input 0 whose values are stored with each entry, for [`crate::EntityStates::complete`].
    pub carried: Vec<Slot>,
    /// Size of the cache of decoded entities, in bytes. Entities of the current batch come on top.
    pub cache_bytes: usize,
}

impl Default for EntitySpec {
    fn default() -> Self {
        EntitySpec {
            name: String::new(),
            features: Vec::new(),
            inputs: Vec::new(),
            lateness: DAY,
            dedupe: DAY,
            keep: 0,
            carried: Vec::new(),
            cache_bytes: 64 << 20,
        }
    }
}

/// The slots of an input's rows that its log needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputSpec {
    /// The event time ([`ValueType::Timestamp`], or [`ValueType::Int`] in microseconds).
    pub event_time: Slot,
    /// The event's id (text or int; 42 and "42" are the same), by which duplicates are recognised.
    /// With `None`, or where it is null, none are.
    pub id: Option<Slot>,
}

/// An error of an [`EntitySpec`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FeatureError {
    /// The aggregation needs a value and none is named.
    #[error("feature {feature}: {aggregation} needs a value")]
    NeedsValue {
        /// The feature.
        feature: String,
        /// The aggregation's name.
        aggregation: &'static str,
    },
    /// The aggregation does not accept values of this type.
    #[error("feature {feature}: no {aggregation} of {}", value_type.name())]
    WrongType {
        /// The feature.
        feature: String,
        /// The aggregation's name.
        aggregation: &'static str,
        /// The value's type.
        value_type: ValueType,
    },
    /// The aggregation needs a window.
    #[error("feature {feature}: {aggregation} needs a window")]
    NeedsWindow {
        /// The feature.
        feature: String,
        /// The aggregation's name.
        aggregation: &'static str,
    },
    /// The aggregation takes a half-life and no window.
    #[error("feature {feature}: {aggregation} takes a half-life in place of a window")]
    NoWindow {
        /// The feature.
        feature: String,
        /// The aggregation's name.
        aggregation: &'static str,
    },
    /// The value for an empty window is not of the feature's type.
    #[error("feature {feature}: its value when empty must be {}, as the feature is", value_type.name())]
    WrongEmpty {
        /// The feature.
        feature: String,
        /// The feature's type.
        value_type: ValueType,
    },
    /// A number out of its range.
    #[error("feature {feature}: {what}")]
    BadParameter {
        /// The feature.
        feature: String,
        /// What is wrong.
        what: &'static str,
    },
    /// An input that the entity does not have.
    #[error("feature {feature}: the entity has no input {input}")]
    NoSuchInput {
        /// The feature.
        feature: String,
        /// The input's index.
        input: u8,
    },
    /// A slot that a row does not have, or not of the type that is needed.
    #[error("entity {entity}: slot {slot} ({role}) {what}")]
    BadSlot {
        /// The entity.
        entity: String,
        /// The slot.
        slot: Slot,
        /// What the slot is used for.
        role: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// A setting of the entity is out of its range.
    #[error("entity {entity}: {what}")]
    BadEntity {
        /// The entity.
        entity: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// Why a value cannot enter state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueReason {
    /// Not of the slot's declared type.
    WrongType,
    /// The event time is missing.
    Missing,
}

impl From<ValueReason> for ReasonCode {
    fn from(reason: ValueReason) -> Self {
        match reason {
            ValueReason::WrongType => ReasonCode::WrongType,
            ValueReason::Missing => ReasonCode::MissingField,
        }
    }
}
