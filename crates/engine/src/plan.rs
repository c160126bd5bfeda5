//! The plan: a pipeline resolved to slots, stages and compiled expressions. riskstream-definition compiles it from the
//! pipeline file; the engine follows it.

use crate::explain::ExplainPlan;
use riskstream_events::{PublishedPseudonyms, Slot, ValueType};
use riskstream_expressions::{EntrySlots, Expression};
use riskstream_features::{EntityFeatures, Precision};
use riskstream_lists::RowTable;
use riskstream_policy::{Outcome, Policy};
use std::collections::HashSet;
use std::sync::Arc;

/// The slot of every row that holds the event time ([`ValueType::Timestamp`]), whatever the input calls it.
pub const EVENT_TIME: Slot = 0;
/// The slot of every row that holds the event's id ([`ValueType::Text`]), whatever the input calls it.
pub const EVENT_ID: Slot = 1;
/// The slot of every row that holds the input record's timestamp in the log ([`ValueType::Timestamp`]), null if it
/// had none. Latencies are computed from it; features and decisions do not depend on it.
pub const WRITTEN_AT: Slot = 2;
/// The first slots of every plan, in order. Every row on its way to a stage carries them.
pub const CANONICAL: [(Slot, &str, ValueType); 3] = [
    (EVENT_TIME, "event_time", ValueType::Timestamp),
    (EVENT_ID, "event_id", ValueType::Text),
    (WRITTEN_AT, "written_at", ValueType::Timestamp),
];
/// Input 0 is the transactions. Only they are decided on; all other inputs are labels or other events: see [`InputKind`].
pub const TRANSACTIONS: u8 = 0;

/// A whole pipeline.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The pipeline's name; part of every decision id.
    pub name: String,
    /// Identifies this plan: a hash of the pipeline file.
    pub version: String,
    /// All slots of a row, in order. The first are [`CANONICAL`].
    pub slots: Vec<SlotInfo>,
    /// The inputs; the first is the transactions.
    pub inputs: Vec<InputPlan>,
    /// The chain of stages, one for each entity, in order.
    pub stages: Vec<StagePlan>,
    /// How the pipeline file says that a transaction is decided after the last stage. A roll-out brings another one.
    pub decide: Arc<DecidePlan>,
    /// How far after its record's timestamp in the log an event time may lie, in microseconds.
    pub max_future: i64,
    /// Makes published pseudonyms of those in rows, if they are others. Expressions and lists know those in rows.
    pub published: Option<PublishedPseudonyms>,
}

impl Plan {
    /// What the records of an input are.
    #[inline]
    pub fn kind(&self, input: u8) -> InputKind {
        self.inputs[usize::from(input)].kind
    }
}

/// A slot's name and type.
#[derive(Clone, Debug)]
pub struct SlotInfo {
    /// The field's or feature's name.
    pub name: String,
    /// What it holds.
    pub value_type: ValueType,
    /// The type of the values in a list; without meaning for other types.
    pub element: ValueType,
    /// Whether its texts are pseudonyms.
    pub holds_pseudonyms: bool,
}

/// What the records of an input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// They are decided on.
    Transactions,
    /// Facts about transactions, whose ids they have. The first stage completes them with keys that they lack.
    Labels,
    /// Other things that happen to entities, with ids of their own. Entities whose key one lacks do not see it.
    Events,
    /// Rows that say what is known of an entity from their time on: of each entity the newest as of a transaction holds.
    Table,
}

/// What makes a record of a table a row, or the deletion of one.
#[derive(Clone, Debug)]
pub struct RowPlan {
    /// The slots of the columns, those of the key left out.
    pub columns: Vec<Slot>,
    /// A record for which this holds deletes the row of its key.
    pub deletion: Option<Expression>,
    /// Whether a record without a value deletes the row of the record's key.
    pub deletes_by_tombstones: bool,
}

/// The fields of an input that the engine reads.
#[derive(Clone, Debug)]
pub struct InputPlan {
    /// `transactions`, `labels`, …
    pub name: String,
    /// What its records are.
    pub kind: InputKind,
    /// The decoded field with the event's id (text or int); of a table the key.
    pub id: Slot,
    /// Of a table: its rows.
    pub rows: Option<RowPlan>,
    /// The decoded field with the event time, or [`WRITTEN_AT`].
    pub event_time: Slot,
    /// The earliest event time that is admitted, if the file says so.
    pub min_time: Option<i64>,
    /// Only records for which this holds are events.
    pub filter: Option<Expression>,
    /// Keys of entities that are computed from its fields.
    pub computed_keys: Vec<ComputedKey>,
    /// Fields and computed keys that an event must have. If there is no filter, decoders check the fields instead.
    pub required: Vec<Slot>,
    /// Keys of entities of which an event must have at least one; without any, it need not.
    pub any_of: Vec<Slot>,
    /// The slots of the headers of its records that decisions get.
    pub headers: Vec<Slot>,
    /// Whether records without a value are passed over.
    pub ignores_tombstones: bool,
    /// Float fields that features aggregate as they are: they must be finite and, if sums have a precision, fit it.
    pub numbers: Vec<(Slot, Option<Precision>)>,
    /// Of labels: how long after its event time one may wait for its transaction, in microseconds of stream time.
    pub arrives_within: i64,
}

impl InputPlan {
    /// Whether an event time is most likely a number in another unit, since it lies before the year 2000: epoch seconds that
    /// are read as milliseconds lie in January 1970. Not if the file says with `min_time:` that such times are meant.
    pub fn is_implausible(&self, event_time: i64) -> bool {
        self.min_time.is_none() && event_time < YEAR_2000
    }
}

/// 2000-01-01T00:00:00Z.
const YEAR_2000: i64 = 946_684_800_000_000;

/// An entity's key that is computed from fields.
#[derive(Clone, Debug)]
pub struct ComputedKey {
    /// The slot that it fills ([`ValueType::Text`]).
    pub slot: Slot,
    /// Its parts (text or int). The key is null if one of them is.
    pub parts: Vec<Expression>,
}

/// One stage: an entity, its features, and the slots that its rows carry.
#[derive(Clone, Debug)]
pub struct StagePlan {
    /// The entity's name.
    pub entity: String,
    /// For each input the slot of this entity's key (text or int); `None` if the input's events have no such key and
    /// cannot be completed with one, or no feature of this stage uses them. This stage's state does not change with such events.
    pub keys: Vec<Option<Slot>>,
    /// Expressions that this stage's features use as values or conditions, in order of their dependencies.
    pub before: Vec<SlotExpression>,
    /// The windows and their layout in state.
    pub features: Arc<EntityFeatures>,
    /// How far back a feature of this stage looks at most (delay + window), in microseconds; 0 if none has a window.
    pub reach: i64,
    /// Whether this stage completes labels with the keys of later stages, out of the transactions in its state.
    pub completes_labels: bool,
    /// The slots that rows on their way to this stage carry, in order. Unused by a first stage that reads
    /// the transactions topic itself.
    pub carries: Vec<(Slot, ValueType)>,
    /// Stored with the state. It changes with anything that the state's bytes depend on.
    pub fingerprint: String,
}

/// An expression and the slot that it fills.
#[derive(Clone, Debug)]
pub struct SlotExpression {
    /// The slot.
    pub slot: Slot,
    /// The expression.
    pub expression: Expression,
}

/// How a transaction is decided that has all features: all but the models, which riskstream-scoring knows. A roll-out replaces
/// it as a whole.
#[derive(Clone, Debug)]
pub struct DecidePlan {
    /// All slots of a row that is decided on, in order: the plan's, then those that a roll-out adds.
    pub slots: Vec<SlotInfo>,
    /// What is computed and looked up before models and rules, in order of the dependencies.
    pub steps: Vec<DecisionStep>,
    /// Which decisions are explained, if any.
    pub explain: Option<ExplainPlan>,
    /// The slot of the score ([`ValueType::Float`]); null without a score.
    pub score: Slot,
    /// The slot of how far the event time is behind the source's watermark, in seconds ([`ValueType::Float`]), if a rule reads it.
    pub late_by: Option<Slot>,
    /// The slot of the words of the event's flags (a list), if a rule reads it.
    pub flags: Option<Slot>,
    /// Rules and thresholds.
    pub policy: Policy,
    /// The mildest outcome if a model was asked and none gave a score. Thresholds cannot fire then.
    pub without_score: Outcome,
    /// Which decisions go to further outputs.
    pub outputs: OutputPlan,
    /// The names of the tables that are from topics, and of the lists whose entries change, in the order of the versions in force.
    pub lists: Vec<String>,
    /// Names and slots of what the decision record lists under `features`, in order.
    pub features: Vec<(String, Slot)>,
    /// Names and key slots of what the decision record lists under `entities`, in order.
    pub entities: Vec<(String, Slot)>,
}

impl DecidePlan {
    /// The expressions among the steps.
    pub fn expressions(&self) -> impl Iterator<Item = &SlotExpression> {
        self.steps.iter().filter_map(|step| match step {
            DecisionStep::Compute(expression) => Some(expression),
            DecisionStep::LookUp(_) => None,
        })
    }

    /// The look-ups among the steps.
    pub fn lookups(&self) -> impl Iterator<Item = &Lookup> {
        self.steps.iter().filter_map(|step| match step {
            DecisionStep::Compute(_) => None,
            DecisionStep::LookUp(lookup) => Some(lookup),
        })
    }
}

/// Something that is done for each transaction before models and rules.
#[derive(Clone, Debug)]
pub enum DecisionStep {
    /// An expression.
    Compute(SlotExpression),
    /// A look-up in a list or table.
    LookUp(Lookup),
}

/// The steps of these expressions, which are in order of their dependencies, and these look-ups: each as soon as its value is
/// there.
pub fn decision_steps(
    expressions: impl IntoIterator<Item = SlotExpression>,
    lookups: impl IntoIterator<Item = Lookup>,
) -> Vec<DecisionStep> {
    let expressions: Vec<SlotExpression> = expressions.into_iter().collect();
    let computed: HashSet<Slot> = expressions.iter().map(|expression| expression.slot).collect();
    let (mut waiting, first): (Vec<Lookup>, Vec<Lookup>) =
        lookups.into_iter().partition(|lookup| computed.contains(&lookup.key));
    let mut steps: Vec<DecisionStep> = first.into_iter().map(DecisionStep::LookUp).collect();
    for expression in expressions {
        let slot = expression.slot;
        steps.push(DecisionStep::Compute(expression));
        let ready = waiting.extract_if(.., |lookup| lookup.key == slot);
        steps.extend(ready.map(DecisionStep::LookUp));
    }
    steps
}

/// A value that is looked up in a list or a table.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// What it is looked up in.
    pub within: Within,
    /// The slot of the value (text or int).
    pub key: Slot,
    /// The slots of what is said of it.
    pub entry: EntrySlots,
}

/// What a value is looked up in.
#[derive(Clone, Debug)]
pub enum Within {
    /// The list at this index of the versions in force.
    List(usize),
    /// The table at this index of the versions in force.
    TableInForce(usize),
    /// A table that belongs to the pipeline's version.
    Table(RowTable),
}

/// The conditions of further outputs, and the headers of decisions.
#[derive(Clone, Debug, Default)]
pub struct OutputPlan {
    /// The slots of what the conditions read of the decision.
    pub facts: Vec<(Slot, Fact)>,
    /// The condition of each output, in the order of the pipeline file.
    pub conditions: Vec<Expression>,
    /// The headers that decisions get from their transactions, in the order of [`InputPlan::headers`].
    pub copied: Vec<CopiedHeader>,
    /// The headers that are computed once the decision is made.
    pub computed: Vec<ComputedHeader>,
}

impl OutputPlan {
    /// All expressions that are evaluated once the decision is made.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.conditions
            .iter()
            .chain(self.computed.iter().map(|header| &header.value))
    }
}

/// A header that a decision gets from its transaction.
#[derive(Clone, Debug)]
pub struct CopiedHeader {
    /// Its name.
    pub name: String,
    /// The slot of its bytes, as [`header_text`](riskstream_events::header::header_text) keeps them.
    pub slot: Slot,
}

/// A header whose value is computed.
#[derive(Clone, Debug)]
pub struct ComputedHeader {
    /// Its name.
    pub name: String,
    /// Its value; without one the header is left out.
    pub value: Expression,
}

/// Something that is known once the decision is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The outcome's word ([`ValueType::Text`]).
    Outcome,
    /// The names of the rules and thresholds that fired (a list).
    Rules,
    /// The names of the shadow rules that would have fired (a list).
    ShadowRules,
    /// What rules set under this name ([`ValueType::Text`]).
    Attribute(String),
}
