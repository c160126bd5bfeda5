//! Errors in expressions and scopes.

use std::ops::Range;

/// An error in an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// What is wrong, without a full stop.
    pub message: String,
    /// The bytes of the source that it is about; empty at the place where something is missing.
    pub span: Range<usize>,
    /// What to write instead, if the checker knows.
    pub help: Option<String>,
}

impl ExpressionError {
    pub(crate) fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        ExpressionError {
            message: message.into(),
            span,
            help: None,
        }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A name or a constant list that a [`Scope`](crate::Scope) does not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A constant list mixes types that cannot be compared with each other.
    #[error("the list {name} holds both {first} and {second}: a list holds values of one type")]
    MixedList {
        /// The list.
        name: String,
        /// The type of its first value.
        first: &'static str,
        /// The type that does not fit.
        second: &'static str,
    },
    /// A constant list holds an absent value or another list.
    #[error("the list {name} holds {what}: a list holds bool, int, float, text or timestamp values")]
    BadElement {
        /// The list.
        name: String,
        /// `null` or `a list`.
        what: &'static str,
    },
}

/// The known name nearest to a mistyped one, if it is near enough to be the one that was meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = ((name.chars().count() + 1) / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by(|(distance_a, a), (distance_b, b)| {
            // Of equally distant names the one with the more similar beginning.
            let alike = |candidate| strsim::jaro_winkler(name, candidate);
            distance_a.cmp(distance_b).then_with(|| alike(b).total_cmp(&alike(a)))
        })
        .map(|(_, candidate)| candidate)
}
