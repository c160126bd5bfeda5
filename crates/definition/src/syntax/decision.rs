//! `rules:`, `decision:` and `explain:`.

use super::read::{ExpressionText, List, Map, Required, Spanned, Word, section, word};
use riskstream_events::Outcome;
use riskstream_policy::RuleMode;

section! {
    /// A rule. If it holds, its outcome counts and the decision lists its reason.
    pub struct Rule {
        /// The rule's name. Unique.
        pub name: Required<String>,
        /// The condition, over fields, features and `score`. A condition that is null does not hold.
        pub when: Required<ExpressionText>,
        /// `approve`, `review` or `decline`.
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

/// An outcome of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeWord(pub Outcome);

impl Word for OutcomeWord {
    const WHAT: &'static str = "an outcome";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("approve", OutcomeWord(Outcome::Approve)),
        ("review", OutcomeWord(Outcome::Review)),
        ("decline", OutcomeWord(Outcome::Decline)),
    ];
}
word!(OutcomeWord);

section! {
    /// The thresholds: conditions over `score`, fields and features.
    pub struct Thresholds {
        /// When to decline: `score >= 0.95`.
        #[schemars(default)]
        pub decline: Option<Spanned<ExpressionText>>,
        /// When to send to review if not declined: `score >= 0.7`.
        #[schemars(default)]
        pub review: Option<Spanned<ExpressionText>>,
        /// The reason code of the decline threshold.
        #[schemars(default, extend("default" = "SCORE_DECLINE"))]
        pub decline_reason: Option<Spanned<String>>,
        /// The reason code of the review threshold.
        #[schemars(default, extend("default" = "SCORE_REVIEW"))]
        pub review_reason: Option<Spanned<String>>,
        /// The mildest outcome if there is a model but no score. Thresholds over the score cannot hold then. The decision
        /// is flagged `degraded`.
        #[schemars(default, extend("default" = "review"))]
        pub without_score: Option<OutcomeWord>,
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
