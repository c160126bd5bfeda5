//! `decision:`, whose keys are outcomes.

use super::decision::OutcomeWord;
use super::read::{ExpressionText, Keys, Map, Read, Spanned};
use crate::diagnostics::Diagnostics;
use crate::text::{Key, Node, NodeValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

const WITHOUT_SCORE: &str = "without_score";
const REASON: &str = "_reason";

/// The thresholds: conditions over `score`, fields and features.
#[derive(Clone, Debug)]
pub struct Thresholds {
    /// The conditions under the words of their outcomes; empty ones are `None`.
    pub conditions: Map<Option<Spanned<ExpressionText>>>,
    /// The reason codes under the words of the outcomes and `_reason`.
    pub reasons: Map<Option<Spanned<String>>>,
    /// The mildest outcome if there is a model but no score.
    pub without_score: Option<Spanned<OutcomeWord>>,
}

impl Thresholds {
    /// The keys of the default outcomes, in the order of the reference.
    pub const KEYS: &[&'static str] = &["decline", "review", "decline_reason", "review_reason", WITHOUT_SCORE];

    /// Whether a key with this name is not a threshold.
    pub fn reserves(name: &str) -> bool {
        name == WITHOUT_SCORE || name.ends_with(REASON)
    }

    /// The threshold's condition and its reason code, as far as they are given.
    pub fn of(&self, outcome: &str) -> (Option<&Spanned<ExpressionText>>, Option<&Spanned<String>>) {
        let condition = self.conditions.get(outcome).and_then(|(_, condition)| condition);
        let reason = self.reasons.get(&reason_key(outcome)).and_then(|(_, reason)| reason);
        (condition.and_then(Option::as_ref), reason.and_then(Option::as_ref))
    }

    /// The keys that belong to no outcome.
    pub fn unknown(&self, outcomes: &[&str]) -> Vec<&Key> {
        let is_known = |key: &str| outcomes.contains(&key.strip_suffix(REASON).unwrap_or(key));
        let conditions = self.conditions.0.iter().map(|(key, _)| key);
        let keys = conditions.chain(self.reasons.0.iter().map(|(key, _)| key));
        keys.filter(|key| !is_known(&key.name)).collect()
    }

    /// The keys of thresholds for these outcomes.
    pub fn keys_of(outcomes: &[&str]) -> Vec<String> {
        let conditions = outcomes.iter().map(|outcome| (*outcome).to_owned());
        let reasons = outcomes.iter().map(|outcome| reason_key(outcome));
        conditions.chain(reasons).chain([WITHOUT_SCORE.to_owned()]).collect()
    }
}

fn reason_key(outcome: &str) -> String {
    format!("{outcome}{REASON}")
}

impl Read for Thresholds {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let entries: &[(Key, Node)] = match &node.value {
            NodeValue::Map(entries) => entries,
            _ => &[],
        };
        let names: Vec<&str> = entries.iter().map(|(key, _)| key.name.as_str()).collect();
        let keys = Keys::of(node, &names, diagnostics)?;
        let (mut conditions, mut reasons) = (Map::default(), Map::default());
        for (key, _) in entries.iter().filter(|(key, _)| key.name != WITHOUT_SCORE) {
            if Self::reserves(&key.name) {
                reasons.0.push((key.clone(), keys.take(&key.name, diagnostics)));
            } else {
                conditions.0.push((key.clone(), keys.take(&key.name, diagnostics)));
            }
        }
        Some(Thresholds {
            conditions,
            reasons,
            without_score: keys.take::<Option<Spanned<OutcomeWord>>>(WITHOUT_SCORE, diagnostics)?,
        })
    }
}

impl JsonSchema for Thresholds {
    fn schema_name() -> Cow<'static, str> {
        "Thresholds".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let described = |mut schema: Schema, description: &str, default: Option<&str>| {
            schema.insert("description".to_owned(), description.into());
            schema.insert("default".to_owned(), default.into());
            schema
        };
        let condition = generator.subschema_for::<Option<Spanned<ExpressionText>>>();
        let reason = generator.subschema_for::<Option<Spanned<String>>>();
        let outcome = generator.subschema_for::<Option<Spanned<OutcomeWord>>>();
        json_schema!({
            "description": "The thresholds: conditions over `score`, fields and features. Every outcome but the mildest can have \
                one, under its name. The most severe that holds counts.",
            "type": "object",
            "properties": {
                "decline": described(condition.clone(), "When to decline: `score >= 0.95`.", None),
                "review": described(condition.clone(), "When to send to review if not declined: `score >= 0.7`.", None),
                "decline_reason": described(
                    reason.clone(),
                    "The reason code of the decline threshold. For other outcomes likewise: `challenge_reason`.",
                    Some("SCORE_DECLINE"),
                ),
                "review_reason": described(reason.clone(), "The reason code of the review threshold.", Some("SCORE_REVIEW")),
                "without_score": described(
                    outcome,
                    "The mildest outcome if there is a model but no score. Thresholds over the score cannot hold then. The \
                        decision is flagged `degraded`. **Required** if there is a model and no outcome is called `review`.",
                    Some("review"),
                ),
            },
            "patternProperties": { "_reason$": reason },
            "additionalProperties": condition,
        })
    }
}
