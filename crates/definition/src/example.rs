//! `examples:`: a sequence of events, and what must come out of it.

use super::diagnostics::{Diagnostic, Diagnostics};
use super::node::{Key, Node, NodeValue};
use super::read::{Keys, List, Map, Raw, Read, Required, Spanned, expected, section};
use super::syntax::OutcomeWord;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

section! {
    /// A sequence of events and what must come out.
    pub struct Example {
        /// What it shows.
        pub name: Required<String>,
        /// The events in the order of their arrival: `- transactions: {…}`, with `expect:` beside it where something
        /// is expected.
        pub events: List<ExampleEvent>,
    }
}

section! {
    /// What a transaction's decision must hold. What is not mentioned may be anything.
    pub struct Expectation {
        /// The outcome.
        #[schemars(default)]
        pub outcome: Option<Spanned<OutcomeWord>>,
        /// The reason codes, all of them, in order.
        #[schemars(default)]
        pub reasons: Option<Spanned<List<String>>>,
        /// Some of the features.
        #[schemars(default)]
        pub features: Map<Raw>,
        /// The score, to a millionth; or `[lowest, highest]`.
        #[schemars(default)]
        pub score: Option<Spanned<ScoreRange>>,
        /// The flags, all of them: `[duplicate]`. `bootstrapping` need not be mentioned.
        #[schemars(default)]
        pub flags: Option<Spanned<List<String>>>,
        /// That it is not decided but becomes a dead letter, with this reason code: `missing_field`.
        #[schemars(default)]
        pub dead_letter: Option<Spanned<String>>,
    }
}

/// The range in which a score must lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// The smallest that is right.
    pub lowest: f64,
    /// The largest that is right.
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
    /// Which input it comes from.
    pub input: Key,
    /// The record.
    pub record: Node,
    /// What its decision must hold.
    pub expect: Option<Expectation>,
}

impl Read for ExampleEvent {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        const FORM: &str = "write `- transactions: {…}`, and `expect: {…}` beside it where something is expected";
        let NodeValue::Map(entries) = &node.value else {
            expected("an event", node, diagnostics);
            return None;
        };
        let known: Vec<&str> = entries.iter().map(|(key, _)| key.name.as_str()).collect();
        let keys = Keys::of(node, &known, diagnostics)?;
        let expect = keys.take::<Option<Expectation>>("expect", diagnostics)?;
        let events: Vec<_> = entries.iter().filter(|(key, _)| key.name != "expect").collect();
        let [(input, record)] = events.as_slice() else {
            diagnostics.add(Diagnostic::new("an example's event names one input", node.span.clone()).help(FORM));
            return None;
        };
        if !matches!(record.value, NodeValue::Map(_)) {
            expected("the record's fields", record, diagnostics);
            return None;
        }
        Some(ExampleEvent {
            input: input.clone(),
            record: record.clone(),
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
            "description": "An event by the name of its input, and what is expected of its decision.",
            "type": "object",
            "properties": { "expect": generator.subschema_for::<Expectation>() },
            "additionalProperties": { "type": "object" },
        })
    }
}
