//! The specification of a policy, and the problems that it can have.

use riskstream_events::{KeyShare, Outcome, Outcomes};
use riskstream_expressions::ExpressionError;
use std::fmt;

/// The effect of a rule that fires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleMode {
    /// Its outcome counts.
    #[default]
    Active,
    /// It is listed and counted, and decides nothing.
    Shadow,
}

impl RuleMode {
    /// The word for it in pipeline files and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            RuleMode::Active => "active",
            RuleMode::Shadow => "shadow",
        }
    }
}

/// A named rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSpec {
    /// Its name; no two rules have the same.
    pub name: String,
    /// When it fires: an expression of type bool.
    pub when: String,
    /// Its outcome.
    pub then: Outcome,
    /// The reason code in decision records: letters, digits, `_`, `-` and `.`.
    pub reason: String,
    /// Its description, which decisions contain.
    pub description: Option<String>,
    /// Whether it decides.
    pub mode: RuleMode,
    /// It applies to these keys only; to all if there is none.
    pub share: Option<KeyShare>,
    /// Names and values of what it sets in decisions that it takes part in.
    pub set: Vec<(String, String)>,
}

/// A condition over the score that asks for an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThresholdSpec {
    /// Its outcome. No two thresholds have the same; none has the mildest.
    pub outcome: Outcome,
    /// When it fires, such as `score >= 0.95`.
    pub when: String,
    /// The reason code in decision records.
    pub reason: String,
}

/// The rules and thresholds of a pipeline. By default there are none: every transaction gets the mildest outcome.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicySpec {
    /// The pipeline's outcomes.
    pub outcomes: Outcomes,
    /// In the order in which decision records name them.
    pub rules: Vec<RuleSpec>,
    /// In any order.
    pub thresholds: Vec<ThresholdSpec>,
}

/// The part of a policy that has a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The name of the rule with this index.
    RuleName(usize),
    /// The condition of the rule with this index.
    RuleWhen(usize),
    /// The reason code of the rule with this index.
    RuleReason(usize),
    /// The condition of the threshold with this index.
    Threshold(usize),
    /// The reason code of the threshold with this index.
    ThresholdReason(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::RuleName(index) => write!(f, "rules[{index}].name"),
            Place::RuleWhen(index) => write!(f, "rules[{index}].when"),
            Place::RuleReason(index) => write!(f, "rules[{index}].reason"),
            Place::Threshold(index) => write!(f, "thresholds[{index}]"),
            Place::ThresholdReason(index) => write!(f, "thresholds[{index}].reason"),
        }
    }
}

/// What is wrong with a part of a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyProblem {
    /// The condition is no valid expression, or not one of type bool. Its span counts within the condition.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// A rule without a name.
    #[error("the rule has no name")]
    EmptyName,
    /// An earlier rule has the same name.
    #[error("rule {first} has this name already: {name}")]
    DuplicateName {
        /// The name.
        name: String,
        /// The index of the earlier rule.
        first: usize,
    },
    /// A reason code that is empty or has other characters than letters, digits, `_`, `-` and `.`.
    #[error("a reason code is made of letters, digits, _, - and . (at most 64): {0:?}")]
    BadReason(String),
}

/// A problem in a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct PolicyError {
    /// The part that has it.
    pub place: Place,
    /// The problem.
    pub problem: PolicyProblem,
}
