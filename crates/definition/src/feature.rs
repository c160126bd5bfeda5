//! `features:`: each is one aggregation, or an expression.

use super::diagnostics::Diagnostics;
use super::node::{Node, NodeValue};
use super::read::{Duration, ExpressionText, Read, Spanned, section};
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
        /// How many events: `count: transactions`.
        #[schemars(default)]
        pub count: Option<Spanned<ExpressionText>>,
        /// The sum of a number: `sum: amount`.
        #[schemars(default)]
        pub sum: Option<Spanned<ExpressionText>>,
        /// The mean of a number; of true and false the share of true: `mean: fraud`.
        #[schemars(default)]
        pub mean: Option<Spanned<ExpressionText>>,
        /// The least number or time.
        #[schemars(default)]
        pub min: Option<Spanned<ExpressionText>>,
        /// The greatest number or time.
        #[schemars(default)]
        pub max: Option<Spanned<ExpressionText>>,
        /// The sample variance of a number; null for fewer than two.
        #[schemars(default)]
        pub variance: Option<Spanned<ExpressionText>>,
        /// The square root of the variance.
        #[schemars(default)]
        pub standard_deviation: Option<Spanned<ExpressionText>>,
        /// How many different values: `distinct: terminal_id`.
        #[schemars(default)]
        pub distinct: Option<Spanned<ExpressionText>>,
        /// The oldest value within the window.
        #[schemars(default)]
        pub first: Option<Spanned<ExpressionText>>,
        /// The newest value within the window.
        #[schemars(default)]
        pub last: Option<Spanned<ExpressionText>>,
        /// The newest `k` values, the newest first.
        #[schemars(default)]
        pub last_k: Option<Spanned<ExpressionText>>,
        /// Seconds since the newest event before this one: `time_since_last: transactions`.
        #[schemars(default)]
        pub time_since_last: Option<Spanned<ExpressionText>>,
        /// The `k` most frequent values, the most frequent first.
        #[schemars(default)]
        pub top_k: Option<Spanned<ExpressionText>>,
        /// The quantile `q` of a number: `quantile: amount` with `q: 0.95`.
        #[schemars(default)]
        pub quantile: Option<Spanned<ExpressionText>>,
        /// How many events, each counting half after every `half_life`.
        #[schemars(default)]
        pub decayed_count: Option<Spanned<ExpressionText>>,
        /// The sum of a number, each counting half after every `half_life`.
        #[schemars(default)]
        pub decayed_sum: Option<Spanned<ExpressionText>>,
        /// The input whose events are aggregated.
        #[schemars(default, extend("default" = "transactions"))]
        pub of: Option<Spanned<String>>,
        /// How far back the window reaches: `90s`, `1h`, `30d`, or `unlimited`. For an event at t and a delay D it covers
        /// (t − D − window, t − D]. `last`, `last_k` and `time_since_last` are unlimited unless given; decayed ones take
        /// a `half_life` instead.
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
        /// The value of an empty window; 0 for counts and sums, null for the others, unless given.
        #[schemars(default)]
        pub empty: Option<Spanned<f64>>,
        /// How many values `last_k` and `top_k` hold.
        #[schemars(default)]
        pub k: Option<Spanned<u32>>,
        /// Which quantile, from 0 to 1: 0.5 is the median.
        #[schemars(default)]
        pub q: Option<Spanned<f64>>,
        /// After how long an event counts half.
        #[schemars(default)]
        pub half_life: Option<Spanned<Duration>>,
        /// What the feature means, in a sentence. For people.
        #[schemars(default)]
        pub description: Option<String>,
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
