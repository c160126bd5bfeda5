//! A decision record read back from JSON, for tools and tests.

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// A decision record as [`encode_json`](crate::encode_json) writes it. Times are RFC 3339 text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnedDecisionRecord {
    /// The same for the same event and pipeline name.
    pub decision_id: String,
    /// The transaction's id.
    pub event_id: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The version of the pipeline file.
    pub pipeline_version: String,
    /// The version of the program.
    pub binary_version: String,
    /// The model, if there is one.
    pub model: Option<OwnedModel>,
    /// The transaction's event time.
    pub event_time: String,
    /// Entities and their keys.
    #[serde(with = "pairs")]
    pub entities: Vec<(String, String)>,
    /// The model's score.
    pub score: Option<f64>,
    /// The outcome's word.
    pub outcome: String,
    /// The reasons.
    pub reasons: Vec<OwnedReason>,
    /// Features in the order of the plan.
    #[serde(with = "pairs")]
    pub features: Vec<(String, FeatureValue)>,
    /// The circumstances; see [`Flags`](crate::Flags).
    pub flags: Vec<String>,
    /// How far the event time is behind the source's watermark, in milliseconds.
    pub late_by_ms: Option<i64>,
    /// Names and scores of shadows.
    #[serde(with = "pairs")]
    pub shadow_scores: Vec<(String, Option<f64>)>,
    /// The shadow rules that would have fired.
    #[serde(default)]
    pub shadow_rules: Vec<OwnedReason>,
    /// Names and values of what rules set.
    #[serde(default, with = "pairs")]
    pub attributes: Vec<(String, String)>,
    /// The revision of the roll-out that chose the models; 0 for the pipeline file's own.
    #[serde(default)]
    pub rollout: u64,
    /// Names of lists, and for each the offset of the first record of its topic that the decision did not see.
    #[serde(default, with = "pairs")]
    pub lists: Vec<(String, i64)>,
    /// Wall-clock times. Only these may differ when the same input is decided again.
    pub latency: Option<OwnedLatency>,
}

impl OwnedDecisionRecord {
    /// Reads one decision record.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// A feature's value.
    pub fn feature(&self, name: &str) -> Option<&FeatureValue> {
        self.features
            .iter()
            .find(|(feature, _)| feature == name)
            .map(|(_, value)| value)
    }

    /// An entity's key.
    pub fn entity(&self, name: &str) -> Option<&str> {
        self.entities
            .iter()
            .find(|(entity, _)| entity == name)
            .map(|(_, key)| key.as_str())
    }
}

/// The model that gave the score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedModel {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The file's SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// A reason of a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnedReason {
    /// The reason code.
    pub code: String,
    /// The name of the rule or input.
    pub name: String,
    /// The word of the outcome that it asks for.
    pub outcome: String,
    /// What an analyst reads.
    pub description: Option<String>,
    /// By how much it moved the score.
    pub contribution: Option<f64>,
}

/// When a decision was made, as RFC 3339 text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedLatency {
    /// The log's timestamp of the event.
    pub ingested_at: String,
    /// When the decision was encoded.
    pub decided_at: String,
}

/// A feature's value in JSON. Times are text; NaN and infinities are null.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FeatureValue {
    /// Absent or not finite.
    Null(()),
    /// A boolean.
    Bool(bool),
    /// A number without a decimal point.
    Int(i64),
    /// A number with one.
    Float(f64),
    /// A text or a time.
    Text(String),
    /// A list.
    List(Vec<FeatureValue>),
}

/// Not derived: serde's code for untagged enums builds an error for each variant that it tries.
impl<'de> Deserialize<'de> for FeatureValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FeatureValueVisitor)
    }
}

struct FeatureValueVisitor;

impl<'de> Visitor<'de> for FeatureValueVisitor {
    type Value = FeatureValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a boolean, a number, a text or a list of such")
    }

    fn visit_unit<E>(self) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Null(()))
    }

    fn visit_bool<E>(self, bool: bool) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Bool(bool))
    }

    fn visit_i64<E>(self, int: i64) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Int(int))
    }

    fn visit_u64<E>(self, int: u64) -> Result<FeatureValue, E> {
        Ok(i64::try_from(int).map_or(FeatureValue::Float(int as f64), FeatureValue::Int))
    }

    fn visit_f64<E>(self, float: f64) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Float(float))
    }

    fn visit_str<E>(self, text: &str) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<FeatureValue, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(FeatureValue::List(values))
    }
}

impl FeatureValue {
    /// The number, if it is one; booleans count as 0 and 1.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            FeatureValue::Int(int) => Some(*int as f64),
            FeatureValue::Float(float) => Some(*float),
            FeatureValue::Bool(bool) => Some(f64::from(u8::from(*bool))),
            FeatureValue::Null(()) | FeatureValue::Text(_) | FeatureValue::List(_) => None,
        }
    }
}

/// Objects as lists of pairs, so that their order is kept.
mod pairs {
    use super::*;

    pub fn serialize<S: Serializer, T: Serialize>(pairs: &[(String, T)], serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(pairs.len()))?;
        for (name, value) in pairs {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }

    pub fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, T)>, D::Error> {
        deserializer.deserialize_map(Pairs(PhantomData))
    }

    struct Pairs<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
        type Value = Vec<(String, T)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }
}
