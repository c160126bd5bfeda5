//! `examples:`.

use super::decision::OutcomeWord;
use super::read::{Keys, List, Map, Raw, Read, Required, Spanned, Time, expected, section};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::text::{Key, Node, NodeValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

section! {
    /// A sequence of events and the expected decisions.
    pub struct Example {
        /// What it shows.
        pub name: Required<String>,
        /// The entries of lists: `lists: {blocked_cards: [{key: "4000…", reason: stolen}]}`. A list that is not named has none.
        #[schemars(default)]
        pub lists: Map<List<ExampleEntry>>,
        /// The rows of tables that are from topics: `tables: {rates: [{key: USD, rate: 0.92}]}`, with `key`, or `from` and `to`, or
        /// `network`, as the table's `match` says, and columns. A table that is not named has none.
        #[schemars(default)]
        pub tables: Map<List<Raw>>,
        /// The events in the order of their arrival: `- transactions: {…}`, with `expect:` beside a transaction whose
        /// decision is compared.
        pub events: List<ExampleEvent>,
    }
}

section! {
    /// An entry of a list in an example.
    pub struct ExampleEntry {
        /// The key, in clear.
        pub key: Required<Raw>,
        /// Its value.
        #[schemars(default)]
        pub value: Option<Raw>,
        /// Its reason.
        #[schemars(default)]
        pub reason: Option<String>,
        /// Its author.
        #[schemars(default)]
        pub author: Option<String>,
        /// The event time from which on it counts no longer.
        #[schemars(default)]
        pub until: Option<Time>,
    }
}

section! {
    /// The expected decision of a transaction. Only the given keys are compared.
    pub struct Expectation {
        /// The outcome.
        #[schemars(default)]
        pub outcome: Option<Spanned<OutcomeWord>>,
        /// The reason codes, all of them, in order.
        #[schemars(default)]
        pub reasons: Option<Spanned<List<String>>>,
        /// The reason codes of the shadow rules that hold, all of them, in order.
        #[schemars(default)]
        pub shadow_rules: Option<Spanned<List<String>>>,
        /// What rules set: all names and values.
        #[schemars(default)]
        pub attributes: Option<Spanned<Map<String>>>,
        /// The names of the further outputs that the decision goes to, all of them, in the order of the file.
        #[schemars(default)]
        pub outputs: Option<Spanned<List<String>>>,
        /// Some features and their values. A number may be a range: `[69.9, 70.1]`.
        #[schemars(default)]
        pub features: Map<Raw>,
        /// The score, within 0.000001; or `[lowest, highest]`.
        #[schemars(default)]
        pub score: Option<Spanned<ScoreRange>>,
        /// The flags, all of them: `[duplicate]`. `bootstrapping` may be left out.
        #[schemars(default)]
        pub flags: Option<Spanned<List<String>>>,
        /// The reason code, if the record becomes a dead letter instead of getting a decision: `missing_field`.
        #[schemars(default)]
        pub dead_letter: Option<Spanned<String>>,
    }
}

/// The range in which a score must lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// The smallest expected score.
    pub lowest: f64,
    /// The largest expected score.
    pub highest: f64,
}

impl Read for ScoreRange {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        const CLOSE: f64 = 1e-6;
        if let NodeValue::List(ends) = &node.value
            && let [lowest, highest] = ends.as_slice()
        {
            return Some(ScoreRange {
                lowest: f64::read(lowest, diagnostics)?,
                highest: f64::read(highest, diagnostics)?,
            });
        }
        if matches!(node.value, NodeValue::Int(_) | NodeValue::Float(_)) {
            let score = f64::read(node, diagnostics)?;
            return Some(ScoreRange {
                lowest: score - CLOSE,
                highest: score + CLOSE,
            });
        }
        expected("a score or `[lowest, highest]`", node, diagnostics);
        None
    }
}

impl JsonSchema for ScoreRange {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ScoreRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "number" },
            { "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 },
        ] })
    }
}

/// One event of an example.
#[derive(Clone, Debug)]
pub struct ExampleEvent {
    /// The name of its input.
    pub input: Key,
    /// The record; null if it has no value: it deletes the row of a table.
    pub record: Node,
    /// The record's key, if it says more than its field.
    pub key: Option<Spanned<Raw>>,
    /// The record's timestamp, for inputs whose event time it is.
    pub at: Option<Spanned<Time>>,
    /// The expected decision.
    pub expect: Option<Expectation>,
}

impl Read for ExampleEvent {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        const FORM: &str = "write `- transactions: {…}`, and `expect: {…}` beside it to compare the decision";
        let NodeValue::Map(entries) = &node.value else {
            expected("an event", node, diagnostics);
            return None;
        };
        let known: Vec<&str> = entries.iter().map(|(key, _)| key.name.as_str()).collect();
        let keys = Keys::of(node, &known, diagnostics)?;
        let expect = keys.take::<Option<Expectation>>("expect", diagnostics)?;
        let at = keys.take::<Option<Spanned<Time>>>("at", diagnostics)?;
        let is_event = |key: &Key| !["expect", "at"].contains(&key.name.as_str());
        let events: Vec<_> = entries.iter().filter(|(key, _)| is_event(key)).collect();
        // Beside an input, `key:` is that of the record. Alone it may be the name of an input.
        let (keys_of_records, events): (Vec<_>, Vec<_>) = match events.as_slice() {
            [_] => (Vec::new(), events),
            _ => events.into_iter().partition(|(key, _)| key.name == "key"),
        };
        let [(input, record)] = events.as_slice() else {
            diagnostics.add(
                Diagnostic::new("an event of an example must have exactly one input", node.span.clone()).help(FORM),
            );
            return None;
        };
        let key = match keys_of_records.first() {
            Some((_, node)) => Some(Spanned::<Raw>::read(node, diagnostics)?),
            None => None,
        };
        let is_deletion = key.is_some() && matches!(record.value, NodeValue::Null);
        if !is_deletion && !matches!(record.value, NodeValue::Map(_)) {
            expected("the record's fields", record, diagnostics);
            return None;
        }
        Some(ExampleEvent {
            input: input.clone(),
            record: record.untyped(),
            key,
            at,
            expect,
        })
    }
}

impl JsonSchema for ExampleEvent {
    fn schema_name() -> Cow<'static, str> {
        "ExampleEvent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An event under the name of its input, and the expected decision.",
            "type": "object",
            "properties": {
                "at": generator.subschema_for::<Time>(),
                "expect": generator.subschema_for::<Expectation>(),
            },
            "additionalProperties": { "type": ["object", "null", "string", "number"] },
        })
    }
}
