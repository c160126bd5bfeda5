//! `entities:`.

use super::read::{Duration, ExpressionText, Read, Required, Spanned, section};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::text::{Node, NodeValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

section! {
    /// An entity for which features are computed.
    pub struct Entity {
        /// What identifies the entity: a field, such as `customer_id`; an expression over fields, such as `email.lowerAscii()`; or
        /// several of either, as in `[card, merchant]`. Text or int; 42 and "42" are the same. If one is null, there is no key.
        pub key: Required<EntityKey>,
        /// How late an event may arrive and still count in windows at its own time. Later ones are scored and flagged
        /// `too_late`, but not kept. A longer time takes more state.
        #[schemars(default, extend("default" = "1d"))]
        pub lateness: Option<Spanned<Duration>>,
        /// How long a transaction id is kept. A second transaction with the same id within this time does not count.
        #[schemars(default, extend("default" = "1d"))]
        pub dedupe: Option<Spanned<Duration>>,
        /// The longest time for which events of this entity may be kept. A feature that needs a longer one (delay + window
        /// + lateness) is an error. By default, as long as the features need.
        #[schemars(default)]
        pub retention: Option<Spanned<Duration>>,
        /// Numbers are rounded to multiples of this in sums, so that sums are exact: `0.01` for cents, `1e9` for amounts in wei.
        /// A feature can have its own.
        #[schemars(default, extend("default" = 0.000001))]
        pub precision: Option<Spanned<f64>>,
    }
}

/// What identifies an entity: one field or expression, or several.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityKey(pub Vec<Spanned<ExpressionText>>);

impl Read for EntityKey {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let NodeValue::List(items) = &node.value else {
            return Some(EntityKey(vec![Spanned::read(node, diagnostics)?]));
        };
        let parts: Option<Vec<_>> = items.iter().map(|item| Spanned::read(item, diagnostics)).collect();
        let parts: Vec<Spanned<ExpressionText>> = parts?;
        let repeated = (1..parts.len()).find(|at| parts[..*at].iter().any(|other| other.value == parts[*at].value));
        let (message, span) = match repeated {
            Some(at) => ("this part is in the key twice", parts[at].span.clone()),
            None if parts.len() < 2 => ("this key has fewer than two parts", node.span.clone()),
            None => return Some(EntityKey(parts)),
        };
        diagnostics.add(
            Diagnostic::new(message, span)
                .help("write several fields, as in `key: [card, merchant]`, or one without brackets"),
        );
        None
    }
}

impl JsonSchema for EntityKey {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "EntityKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" }, "minItems": 2, "uniqueItems": true },
        ] })
    }
}
