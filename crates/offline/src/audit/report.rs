//! What an audit of a decision gives. Personal values are published pseudonyms, times RFC 3339 text, other values as in decisions.

use riskstream_events::OwnedDecisionRecord;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The decisions on one transaction: one, or more if it was sent more than once.
#[derive(Clone, Debug, Serialize)]
pub struct AuditReport {
    /// The id of the decision.
    pub decision_id: String,
    /// The id of the transaction.
    pub event_id: String,
    /// Whether all decisions are the recorded ones, to the last bit but for latency stamps, and each feature is what its events give.
    pub is_confirmed: bool,
    /// What else the reader has to know.
    pub notes: Vec<String>,
    /// The decisions in the order in which they were made again.
    pub decisions: Vec<AuditedDecision>,
    /// Recorded decisions that were not made again.
    pub not_made_again: Vec<Recorded>,
}

/// A decision, and where it is recorded.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// The partition of the topic of decisions.
    pub partition: usize,
    /// Its offset there.
    pub offset: i64,
    /// The decision.
    pub decision: OwnedDecisionRecord,
}

/// A decision that was made again.
#[derive(Clone, Debug, Serialize)]
pub struct AuditedDecision {
    /// The recorded one; none if there is none that was not taken by another.
    pub recorded: Option<Recorded>,
    /// Whether it is the recorded one, to the last bit but for latency stamps and the version of riskstream.
    pub is_identical: bool,
    /// The fields that differ.
    pub differences: Vec<FieldDifference>,
    /// As it was made again. It has no latency stamps.
    pub decision: OwnedDecisionRecord,
    /// The stages, in order.
    pub stages: Vec<AuditedStage>,
    /// Expressions that the decision was made with, in order.
    pub expressions: Vec<AuditedExpression>,
    /// Rules, then thresholds.
    pub rules: Vec<AuditedRule>,
    /// What gave the score; none if rules alone decide.
    pub score: Option<AuditedScore>,
    /// The lists in force.
    pub lists: Vec<ListInForce>,
}

/// A field in which a decision differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldDifference {
    /// The field.
    pub field: String,
    /// What is recorded, as JSON; none if there is nothing.
    pub recorded: Option<String>,
    /// What was made again, as JSON; none if nothing was.
    pub again: Option<String>,
}

/// A stage: its entity, and the windows of its features.
#[derive(Clone, Debug, Serialize)]
pub struct AuditedStage {
    /// The entity.
    pub entity: String,
    /// The entity's key in the transaction.
    pub key: Option<String>,
    /// Why the windows of this stage are not listed, if they are not.
    pub left_out: Option<String>,
    /// Whether the id of the transaction was known already: its features are those of the first.
    pub is_duplicate: bool,
    /// Whether it came too late to be remembered.
    pub is_too_late: bool,
    /// The windows.
    pub windows: Vec<AuditedWindow>,
}

/// A window.
#[derive(Clone, Debug, Serialize)]
pub struct AuditedWindow {
    /// The input whose events it holds.
    pub input: String,
    /// Its width in seconds; none is unlimited.
    pub width_seconds: Option<f64>,
    /// How far its end lies behind the transaction, in seconds.
    pub delay_seconds: f64,
    /// Events after this time are in it; none if it is unlimited.
    pub after: Option<String>,
    /// Events up to this time are in it.
    pub through: String,
    /// Whether the transaction itself is in it.
    pub holds_itself: bool,
    /// Whether it begins or ends later than its width says, as the transaction came late and older events may have been dropped.
    pub is_cut: bool,
    /// Its events, the oldest first.
    pub events: Vec<AuditedEvent>,
    /// The features over it.
    pub features: Vec<AuditedFeature>,
}

/// An event of a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditedEvent {
    /// Its id.
    pub id: String,
    /// Its event time.
    pub time: String,
}

/// A feature, and what it was computed from.
#[derive(Clone, Debug, Serialize)]
pub struct AuditedFeature {
    /// Its name.
    pub name: String,
    /// The aggregation.
    pub aggregation: &'static str,
    /// `k`, `q` or `half_life_seconds`, if the aggregation has a parameter.
    pub parameter: Option<(&'static str, f64)>,
    /// The field or expression that is aggregated, if there is one.
    pub of: Option<String>,
    /// Which events count, if not all of the window do.
    pub when: Option<String>,
    /// For each event of the window the value that entered, 1 if events are counted; null if it does not count.
    pub entered: Vec<Value>,
    /// Its value, computed from these.
    pub from_events: Value,
    /// Its value in the state when the stage applied the transaction again.
    pub from_state: Value,
    /// Its value in the row that was decided on.
    pub decided_on: Value,
    /// Its value in the recorded decision; none if it is not there.
    pub recorded: Option<Value>,
    /// Whether all four are the same.
    pub is_confirmed: bool,
}

/// An expression and what it saw.
#[derive(Clone, Debug, Serialize)]
pub struct AuditedExpression {
    /// The name of its value.
    pub name: String,
    /// The expression.
    pub expression: String,
    /// The names and values that it read.
    pub read: BTreeMap<String, Value>,
    /// Its value.
    pub value: Value,
}

/// A rule or a threshold, and what it saw.
#[derive(Clone, Debug, Serialize)]
pub struct AuditedRule {
    /// Its name; the outcome for a threshold.
    pub name: String,
    /// Its reason code.
    pub code: String,
    /// The outcome that it asks for.
    pub outcome: String,
    /// `active` or `shadow`.
    pub mode: &'static str,
    /// Its condition.
    pub when: String,
    /// The names and values that it read.
    pub read: BTreeMap<String, Value>,
    /// Whether its condition holds.
    pub holds: bool,
    /// Whether it fired. A threshold does not if a more severe one does, or if a rule of the mildest outcome did.
    pub fired: bool,
}

/// The score.
#[derive(Clone, Debug, Serialize)]
pub struct AuditedScore {
    /// The model that was asked first.
    pub asked: Option<String>,
    /// The model that gave it.
    pub model: Option<String>,
    /// The SHA-256 of that model's file.
    pub sha256: Option<String>,
    /// The score.
    pub score: Option<f64>,
    /// Why the model that was asked first gave none.
    pub failure: Option<&'static str>,
    /// The space of the contributions, if the pipeline explains decisions: they and the baseline add up to the score there.
    pub space: Option<String>,
    /// What the model gives on average over its background rows, in that space.
    pub baseline: Option<f64>,
    /// What each input moved the score by, the largest first, whether or not the recorded decision carries it.
    pub contributions: Vec<AuditedContribution>,
    /// What shadows gave, by model.
    pub shadows: BTreeMap<String, Option<f64>>,
}

/// What an input moved the score by.
#[derive(Clone, Debug, Serialize)]
pub struct AuditedContribution {
    /// The input.
    pub input: String,
    /// Its value.
    pub value: Value,
    /// By how much.
    pub contribution: f64,
}

/// The version of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListInForce {
    /// Its name.
    pub list: String,
    /// Its topic.
    pub topic: String,
    /// The offset of the first record that it does not hold.
    pub offset: Option<i64>,
}
