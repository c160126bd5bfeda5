//! What a row is made of.

use std::fmt;

/// What a column of a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Numbers; NaN is missing.
    Number,
    /// Texts, as the codes that a model gives them.
    Text,
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ColumnKind::Number => "number",
            ColumnKind::Text => "text",
        })
    }
}

/// A value of a row before [`crate::Model::encode`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// For a column of numbers.
    Number(f32),
    /// For a column of texts.
    Text(&'a str),
    /// Nothing: NaN, or the empty text.
    Missing,
}
