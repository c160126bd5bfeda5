//! The decision record: a decision as it is on the topic, as a view that copies nothing.

use crate::flags::Flags;
use crate::outcome::{Outcome, Outcomes};
use crate::pseudonym::hex32;
use crate::value::{Row, Slot, Value};
use sha2::{Digest, Sha256};

/// The model that gave the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelRef<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The file's SHA-256 in hexadecimal digits.
    pub sha256: &'a str,
}

/// A reason of a decision: a rule or threshold that fired, a model that gave no score, or an input that moved the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecisionReason<'a> {
    /// The reason code, such as R101.
    pub code: &'a str,
    /// The name of the rule or input.
    pub name: &'a str,
    /// The outcome that it asks for.
    pub outcome: Outcome,
    /// What an analyst reads.
    pub description: Option<&'a str>,
    /// By how much it moved the score.
    pub contribution: Option<f64>,
}

/// When a decision was made, by the wall clock. Only this may differ when the same input is decided again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// The log's timestamp of the event, in microseconds since the epoch.
    pub ingested_at: i64,
    /// When the decision was encoded, in microseconds since the epoch.
    pub decided_at: i64,
}

/// A decision as it is on the topic, borrowed from the plan, the row and the decision.
#[derive(Clone, Copy, Debug)]
pub struct DecisionRecord<'a> {
    /// See [`DecisionId`].
    pub decision_id: &'a str,
    /// The transaction's id.
    pub event_id: &'a str,
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// The version of the pipeline file.
    pub pipeline_version: &'a str,
    /// The version of this program.
    pub binary_version: &'a str,
    /// The model, if there is one.
    pub model: Option<ModelRef<'a>>,
    /// In microseconds since the epoch.
    pub event_time: i64,
    /// The row that `entities` and `features` point into.
    pub row: &'a Row,
    /// Names of entities and the slots of their keys. Null keys are left out.
    pub entities: &'a [(String, Slot)],
    /// The score, if a model gave one.
    pub score: Option<f64>,
    /// The outcome.
    pub outcome: Outcome,
    /// The pipeline's outcomes, with their words.
    pub outcomes: &'a Outcomes,
    /// The reasons.
    pub reasons: &'a [DecisionReason<'a>],
    /// Names of features and their slots, in the order of the plan.
    pub features: &'a [(String, Slot)],
    /// The circumstances.
    pub flags: Flags,
    /// How far the event time is behind the source's watermark, in milliseconds; `None` if it is not.
    pub late_by_ms: Option<i64>,
    /// Names and scores of shadows.
    pub shadow_scores: &'a [(&'a str, f64)],
    /// The shadow rules that would have fired.
    pub shadow_rules: &'a [DecisionReason<'a>],
    /// Names and values of what rules set.
    pub attributes: &'a [(&'a str, &'a str)],
    /// The revision of the roll-out that chose the models; 0 for the pipeline file's own.
    pub rollout: u64,
    /// Names of lists, and for each the offset of the first record of its topic that the decision did not see.
    pub lists: &'a [(&'a str, i64)],
    /// `None` where there is no clock: decisions over files.
    pub latency: Option<Latency>,
}

/// Identifies a decision: the first 16 bytes of SHA-256 over the length of the pipeline's name (8 bytes, big
/// endian), the name and the event's id, in hexadecimal digits. The same event has the same decision id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecisionId([u8; 32]);

impl DecisionId {
    /// The id of the decision on `event_id`.
    pub fn new(pipeline: &str, event_id: &str) -> Self {
        let digest = Sha256::new()
            .chain_update((pipeline.len() as u64).to_be_bytes())
            .chain_update(pipeline)
            .chain_update(event_id)
            .finalize();
        DecisionId(hex32(&digest))
    }

    /// 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }
}

/// Lends an entity's key as text; empty if the value is no key.
pub(super) fn with_key_text(key: &Value, use_text: impl FnOnce(&str)) {
    match key {
        Value::Text(text) => use_text(text),
        Value::Int(int) => use_text(&compact_str::ToCompactString::to_compact_string(int)),
        _ => use_text(""),
    }
}
