//! `lists:`.

use super::read::{List, Raw, Read, Required, Spanned, section};
use crate::diagnostics::Diagnostics;
use crate::text::{Node, NodeValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A list: constants, or entries that change while the pipeline runs.
#[derive(Clone, Debug)]
pub enum ListSection {
    /// `[DE, FR]`
    Constants(List<Raw>),
    /// `{key: card, topic: blocked-cards}`
    Entries(Spanned<EntryList>),
}

section! {
    /// A list whose entries change while the pipeline runs: [lists.md](lists.md).
    pub struct EntryList {
        /// What the keys of its entries are: a field of the transactions, or a feature. If the field is `personal`, the keys are
        /// its pseudonyms.
        pub key: Required<String>,
        /// The compacted topic that holds its entries. No other list, input or output may have it.
        pub topic: Required<String>,
        /// Further fields or features that are looked up in it: they hold the same as `key`.
        #[schemars(default)]
        pub also: List<String>,
    }
}

impl Read for ListSection {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            NodeValue::Map(_) => Spanned::read(node, diagnostics).map(ListSection::Entries),
            _ => {
                let constants: Required<List<Raw>> = Required::read(node, diagnostics)?;
                Some(ListSection::Constants(constants.0?.value))
            }
        }
    }
}

impl JsonSchema for ListSection {
    fn schema_name() -> Cow<'static, str> {
        "ListSection".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            generator.subschema_for::<List<Raw>>(),
            generator.subschema_for::<EntryList>(),
        ] })
    }
}
