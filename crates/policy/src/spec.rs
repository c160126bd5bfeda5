//! The policy as it is written down, and what can be wrong with it.

use riskstream_events::Outcome;
use riskstream_expressions::ExpressionError;
use std::fmt;

/// A named rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSpec {
    /// Its name, unlike that of every other rule.
    pub name: String,
    /// When it fires: an expression of type bool.
    pub when: String,
    /// What it asks for.
    pub then: Outcome,
    /// The reason code that decisions carry: letters, digits, `_`, `-` and `.`.
    pub reason: String,
    /// What it is for, in words.
    pub description: Option<String>,
}

/// The rules and thresholds of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySpec {
    /// In the order in which decisions name them.
    pub rules: Vec<RuleSpec>,
    /// The threshold beyond which transactions are declined, such as `score >= 0.95`.
    pub decline: Option<String>,
    /// The threshold beyond which they are reviewed.
    pub review: Option<String>,
    /// The reason code of the decline threshold.
    pub decline_reason: String,
    /// The reason code of the review threshold.
    pub review_reason: String,
}

impl Default for PolicySpec {
    /// No rules and no thresholds: everything is approved.
    fn default() -> Self {
        PolicySpec {
            rules: Vec::new(),
            decline: None,
            review: None,
            decline_reason: "SCORE_DECLINE".to_owned(),
            review_reason: "SCORE_REVIEW".to_owned(),
        }
    }
}

/// The part of a policy that a problem is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The name of the rule with this index.
    RuleName(usize),
    /// The condition of the rule with this index.
    RuleWhen(usize),
    /// The reason code of the rule with this index.
    RuleReason(usize),
    /// The decline threshold.
    Decline,
    /// The review threshold.
    Review,
    /// The reason code of the decline threshold.
    DeclineReason,
    /// The reason code of the review threshold.
    ReviewReason,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::RuleName(index) => write!(f, "rules[{index}].name"),
            Place::RuleWhen(index) => write!(f, "rules[{index}].when"),
            Place::RuleReason(index) => write!(f, "rules[{index}].reason"),
            Place::Decline => f.write_str("decline"),
            Place::Review => f.write_str("review"),
            Place::DeclineReason => f.write_str("decline reason"),
            Place::ReviewReason => f.write_str("review reason"),
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyProblem {
    /// The condition is no valid expression, or not one of type bool. Its span counts within the condition.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// A rule without a name.
    #[error("the rule has no name")]
    EmptyName,
    /// A name that an earlier rule has.
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
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub problem: PolicyProblem,
}
