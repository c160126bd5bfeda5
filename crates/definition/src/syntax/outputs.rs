//! `outputs:`, whose further keys are names.

use super::input::Format;
use super::read::{ExpressionText, Keys, Map, Read, Required, Spanned, section};
use crate::diagnostics::{Diagnostics, nearest};
use crate::text::{Key, Node, NodeValue};
use schemars::JsonSchema;

/// The topics of results. Any other key is the name of a further topic that gets some of the decisions.
#[derive(Clone, Debug, JsonSchema)]
pub struct Outputs {
    /// The topic of the decisions.
    pub decisions: Required<String>,
    /// The topic of records that cannot be processed. Headers give the reason and the origin.
    pub dead_letters: Required<String>,
    /// The encoding of decisions: `json`, `avro` (Confluent's wire format, with the `registry`) or `avro_plain`.
    #[schemars(default, extend("default" = "json"))]
    pub format: Option<Spanned<Format>>,
    /// Further outputs by name.
    #[schemars(flatten)]
    pub further: Map<Output>,
}

section! {
    /// A further topic of decisions: `alerts: {topic: risk-alerts, when: 'outcome == "review"'}`. It gets the records of some
    /// decisions, in the same transaction.
    pub struct Output {
        /// The topic. No input and no other output may have it.
        pub topic: Required<String>,
        /// Which decisions it gets: a condition over the decision (`outcome`, `rules`, `shadow_rules`, `attributes.NAME`) and all
        /// that rules know.
        pub when: Required<ExpressionText>,
    }
}

impl Outputs {
    /// The keys that are no names.
    pub const KEYS: &[&'static str] = &["decisions", "dead_letters", "format"];
}

impl Read for Outputs {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let entries: &[(Key, Node)] = match &node.value {
            NodeValue::Map(entries) => entries,
            _ => &[],
        };
        let further: Vec<&Key> = entries
            .iter()
            .filter(|entry| is_further(entry))
            .map(|(key, _)| key)
            .collect();
        let names = further.iter().map(|key| key.name.as_str());
        let known: Vec<&str> = Self::KEYS.iter().copied().chain(names).collect();
        let keys = Keys::of(node, &known, diagnostics)?;
        Some(Outputs {
            decisions: keys.take("decisions", diagnostics)?,
            dead_letters: keys.take("dead_letters", diagnostics)?,
            format: keys.take("format", diagnostics)?,
            further: Map(further
                .into_iter()
                .map(|key| (key.clone(), keys.take(&key.name, diagnostics)))
                .collect()),
        })
    }
}

/// A misspelt key has a text as its value, as the known ones have.
fn is_further((key, node): &(Key, Node)) -> bool {
    let name = key.name.as_str();
    let is_misspelt = || nearest(name, Outputs::KEYS.iter().copied()).is_some();
    !Outputs::KEYS.contains(&name) && (matches!(node.value, NodeValue::Map(_)) || !is_misspelt())
}
