//! `tables:`.

use super::field::FieldType;
use super::read::{List, Map, Required, Spanned, Word, section, word};
use riskstream_lists::RowKeys;

section! {
    /// A reference table, whose rows are looked up when a transaction is decided: [tables.md](tables.md).
    pub struct TableSection {
        /// What is looked up in it: a field of the transactions, or a feature. A text or an int; a text if `match` is `network`.
        pub key: Required<String>,
        /// The CSV file of its rows, relative to the pipeline file. Its content belongs to the pipeline's version. The first line
        /// names the columns: `key`, or `from` and `to`, or `network`, as `match` says, and those of `columns`. Others are not
        /// read. Required unless there is a `topic`.
        #[schemars(default)]
        pub file: Option<Spanned<String>>,
        /// The compacted topic of its rows, which change while the pipeline runs. No other table, list, input or output may have it.
        #[schemars(default)]
        pub topic: Option<Spanned<String>>,
        /// How a value finds its row. `exact`: the row's `key` is equal. `range`: the whole number lies between the row's `from` and
        /// `to`, both included; ranges must not overlap. `network`: the address lies in the row's IP network (4 or 6), as in
        /// `192.0.2.0/24`; of several the one with the longest prefix counts.
        #[schemars(default, extend("default" = "exact"))]
        pub r#match: Option<MatchWord>,
        /// The columns that can be read, and their types: `{country: text, rate: float}`. An empty cell is null.
        #[schemars(default)]
        pub columns: Map<FieldType>,
        /// Further fields or features that are looked up in it: they hold the same as `key`.
        #[schemars(default)]
        pub also: List<String>,
    }
}

/// How a value finds its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchWord(pub RowKeys);

impl Word for MatchWord {
    const WHAT: &'static str = "a way to find a row";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("exact", MatchWord(RowKeys::Exact)),
        ("range", MatchWord(RowKeys::Range)),
        ("network", MatchWord(RowKeys::Network)),
    ];
}
word!(MatchWord);
