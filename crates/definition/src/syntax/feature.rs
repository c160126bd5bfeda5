//! `features:`: each is one aggregation, or an expression.

use super::aggregations::Aggregations;
use super::read::{Duration, ExpressionText, Read, Spanned, section};
use crate::diagnostics::{Diagnostics, Span};
use crate::text::{Node, NodeValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

section! {
    /// A feature: one of the aggregations with its entity, or an `expression`.
    pub struct Feature {
        /// The entity whose events are aggregated.
        #[schemars(default)]
        pub entity: Option<Spanned<String>>,
        /// An expression over fields and other features, instead of an aggregation.
        #[schemars(default)]
        pub expression: Option<Spanned<ExpressionText>>,
        [aggregations: Aggregations]
        /// The input whose events are aggregated.
        #[schemars(default, extend("default" = "transactions"))]
        pub of: Option<Spanned<String>>,
        /// How far back the window reaches: `90s`, `1h`, `30d`, or `unlimited`. For an event at t and a delay D it covers
        /// (t − D − window, t − D].
        #[schemars(default)]
        pub window: Option<Spanned<Window>>,
        /// How long before the event the window ends.
        #[schemars(default, extend("default" = "0s"))]
        pub delay: Option<Spanned<Duration>>,
        /// Only events for which this holds: `when: channel == "online"`.
        #[schemars(default)]
        pub when: Option<Spanned<ExpressionText>>,
        /// Whether the event itself is in its own window, unless there is a delay.
        #[schemars(default, extend("default" = true))]
        pub include_current: Option<Spanned<bool>>,
        /// The value of an empty window, and where the aggregation is undefined, such as the variance of one value.
        #[schemars(default)]
        pub empty: Option<Spanned<f64>>,
        /// The feature's numbers are rounded to multiples of this in sums. By default the precision of its entity. For values
        /// in another unit than the entity's other sums: `mean: amount / 1000` with `precision: 0.00001`.
        #[schemars(default)]
        pub precision: Option<Spanned<f64>>,
        /// How many values a list holds.
        #[schemars(default)]
        pub k: Option<Spanned<u32>>,
        /// Which quantile, from 0 to 1: 0.5 is the median.
        #[schemars(default)]
        pub q: Option<Spanned<f64>>,
        /// After how long an event counts half.
        #[schemars(default)]
        pub half_life: Option<Spanned<Duration>>,
        /// What the feature means, in a sentence. It has no effect.
        #[schemars(default)]
        pub description: Option<String>,
    }
}

impl Feature {
    /// The text of its expression, or of what it aggregates.
    pub fn value_source(&self) -> Option<&Spanned<ExpressionText>> {
        let aggregated = self.aggregations.0.first().map(|aggregated| &aggregated.source);
        self.expression.as_ref().or(aggregated)
    }

    /// All texts that are or may be expressions.
    pub fn sources(&self) -> impl Iterator<Item = &Spanned<ExpressionText>> {
        let aggregated = self.aggregations.0.iter().map(|aggregated| &aggregated.source);
        aggregated.chain(&self.expression).chain(&self.when)
    }

    /// The inputs that it names: `of`, and what aggregations of events aggregate.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        let aggregated = self.aggregations.0.iter();
        let of_events = aggregated.filter(|aggregated| aggregated.definition.operand.is_events());
        let of_events = of_events.map(|aggregated| aggregated.source.value.0.as_str());
        of_events.chain(self.of.as_ref().map(|of| of.value.as_str()))
    }

    /// The given keys that only aggregations take, with their places.
    pub fn keys_of_aggregations(&self) -> impl Iterator<Item = (&'static str, Span)> {
        [
            ("entity", self.entity.as_ref().map(|value| &value.span)),
            ("of", self.of.as_ref().map(|value| &value.span)),
            ("window", self.window.as_ref().map(|value| &value.span)),
            ("delay", self.delay.as_ref().map(|value| &value.span)),
            ("when", self.when.as_ref().map(|value| &value.span)),
            (
                "include_current",
                self.include_current.as_ref().map(|value| &value.span),
            ),
            ("empty", self.empty.as_ref().map(|value| &value.span)),
            ("precision", self.precision.as_ref().map(|value| &value.span)),
            ("k", self.k.as_ref().map(|value| &value.span)),
            ("q", self.q.as_ref().map(|value| &value.span)),
            ("half_life", self.half_life.as_ref().map(|value| &value.span)),
        ]
        .into_iter()
        .filter_map(|(key, span)| Some((key, span?.clone())))
    }
}

/// How far back a window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// So many microseconds.
    Limited(i64),
    /// To the very first event.
    Unlimited,
}

impl Read for Window {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            NodeValue::Text(text) if text == "unlimited" => Some(Window::Unlimited),
            _ => Duration::read(node, diagnostics).map(|duration| Window::Limited(duration.0)),
        }
    }
}

impl JsonSchema for Window {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Window".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^(unlimited|([0-9]+(ms|s|m|h|d|w))+|.*\$\{.*)$" })
    }
}
