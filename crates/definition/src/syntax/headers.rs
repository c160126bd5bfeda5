//! `headers:`.

use super::read::{ExpressionText, List, Map, Spanned, section};

section! {
    /// The headers of decisions, on the topic of decisions and on further outputs. Dead letters have their own.
    pub struct Headers {
        /// Headers of the transaction's record that its decision gets, with the same bytes: `[traceparent, correlation-id]`. Of
        /// several with one name, the last.
        #[schemars(default)]
        pub copy: List<String>,
        /// Headers with a value as text: expressions over all that the conditions of outputs know, as in `{outcome: outcome}`. Without
        /// a value the header is left out. Personal fields, and texts that are computed from them, are refused.
        #[schemars(default)]
        pub fields: Map<Spanned<ExpressionText>>,
    }
}
