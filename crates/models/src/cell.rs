//! The cells of a row, and the kinds of its columns.

use std::fmt;

/// The kind of a column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Numbers; NaN is a missing value.
    Number,
    /// Texts, as the codes of the model ([`Model::text_code`](crate::Model::text_code)).
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

/// A value of a row before [`Model::encode`](crate::Model::encode).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// A value for a column of numbers.
    Number(f64),
    /// A value for a column of texts.
    Text(&'a str),
    /// A missing value: encoded as NaN in a column of numbers, as the empty text in a column of texts.
    Missing,
}
