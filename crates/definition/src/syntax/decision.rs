//! `rules:` and `explain:`.

use super::read::{ExpressionText, List, Map, Read, Required, Spanned, Word, expected, section, word};
use crate::diagnostics::Diagnostics;
use crate::text::{Node, NodeValue};
use riskstream_policy::RuleMode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

section! {
    /// A rule. If it holds, its outcome counts and the decision lists its reason.
    pub struct Rule {
        /// The rule's name. Unique.
        pub name: Required<String>,
        /// The condition, over fields, features and `score`. A condition that is null does not hold.
        pub when: Required<ExpressionText>,
        /// The outcome: `approve`, `review` or `decline`, unless the file lists others under `outcomes`. A rule of the mildest
        /// outcome sets the thresholds aside.
        pub then: Required<OutcomeWord>,
        /// The reason code in the decision: letters, digits, `_`, `-` and `.`. The rule's name by default.
        #[schemars(default)]
        pub reason: Option<Spanned<String>>,
        /// What the rule is for, in words. Decisions contain it.
        #[schemars(default)]
        pub description: Option<String>,
        /// `active`, or `shadow`: decisions list the rule under `shadow_rules` if it holds, and it decides nothing.
        #[schemars(default, extend("default" = "active"))]
        pub mode: Option<RuleModeWord>,
        /// The rule applies to this share of an entity's keys only, from 0 to 1: `0.05` tries it on 5 %. A larger share includes
        /// the keys of a smaller one, and models' challengers and other rules divide the keys alike. To all by default.
        #[schemars(default)]
        pub share: Option<Spanned<f64>>,
        /// The entity whose keys are divided. The first by default.
        #[schemars(default)]
        pub entity: Option<Spanned<String>>,
        /// Texts that decisions contain under `attributes` if the rule holds: `{queue: high_value}`. If several rules set the
        /// same, the one with the most severe outcome does, of those the first in the file. A shadow sets nothing.
        #[schemars(default)]
        pub set: Map<String>,
    }
}

/// Whether a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleModeWord(pub RuleMode);

impl Word for RuleModeWord {
    const WHAT: &'static str = "a mode of rules";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("active", RuleModeWord(RuleMode::Active)),
        ("shadow", RuleModeWord(RuleMode::Shadow)),
    ];
}
word!(RuleModeWord);

/// The word for an outcome. Which there are is known when the whole file has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeWord(pub String);

impl Read for OutcomeWord {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            NodeValue::Text(word) => Some(OutcomeWord(word.clone())),
            _ => {
                expected("an outcome", node, diagnostics);
                None
            }
        }
    }
}

impl JsonSchema for OutcomeWord {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OutcomeWord".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Editors propose the default outcomes and accept others.
        json_schema!({ "anyOf": [
            { "type": "string", "enum": ["approve", "review", "decline"] },
            { "type": "string" },
        ] })
    }
}

section! {
    /// Which decisions are explained: those that meet one of `outcomes`, `score` and `sample`. The model needs a card,
    /// `NAME.card.yaml` beside the model's file, with `background` rows to compare the score with.
    pub struct Explain {
        /// Decisions of these outcomes: `[decline, review]`.
        #[schemars(default)]
        pub outcomes: List<OutcomeWord>,
        /// Decisions with at least this score.
        #[schemars(default)]
        pub score: Option<Spanned<f64>>,
        /// A share of all decisions, from 0 to 1, sampled by decision id.
        #[schemars(default)]
        pub sample: Option<Spanned<f64>>,
        /// The most inputs that a decision names: those that raised the score most.
        #[schemars(default, extend("default" = 3))]
        pub top: Option<Spanned<u32>>,
    }
}
