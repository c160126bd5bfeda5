//! The keys of a feature, sorted by what they are for.

use crate::feature::Feature;
use crate::node::Span;
use crate::read::{ExpressionText, Spanned};
use riskstream_events::Slot;
use riskstream_features::FeatureSpec;

/// What a feature's values are: its expression, or what is aggregated.
pub fn value_source(feature: &Feature) -> Option<&Spanned<ExpressionText>> {
    let aggregated = feature.aggregations.0.first().map(|aggregated| &aggregated.source);
    feature.expression.as_ref().or(aggregated)
}

/// Everything in a feature that is or may be an expression.
pub fn sources(feature: &Feature) -> impl Iterator<Item = &Spanned<ExpressionText>> {
    let aggregated = feature.aggregations.0.iter();
    aggregated
        .map(|aggregated| &aggregated.source)
        .chain(&feature.expression)
        .chain(&feature.when)
}

/// The keys that only an aggregation takes and that are there.
pub fn keys_of_aggregations(feature: &Feature) -> impl Iterator<Item = (&'static str, Span)> {
    [
        ("entity", feature.entity.as_ref().map(|value| &value.span)),
        ("of", feature.of.as_ref().map(|value| &value.span)),
        ("window", feature.window.as_ref().map(|value| &value.span)),
        ("delay", feature.delay.as_ref().map(|value| &value.span)),
        ("when", feature.when.as_ref().map(|value| &value.span)),
        (
            "include_current",
            feature.include_current.as_ref().map(|value| &value.span),
        ),
        ("empty", feature.empty.as_ref().map(|value| &value.span)),
        ("k", feature.k.as_ref().map(|value| &value.span)),
        ("q", feature.q.as_ref().map(|value| &value.span)),
        ("half_life", feature.half_life.as_ref().map(|value| &value.span)),
    ]
    .into_iter()
    .filter_map(|(key, span)| Some((key, span?.clone())))
}

/// The slots that features aggregate, by the input they come from: at which stage, and whether in fixed point.
pub fn aggregated_slots(stages: &[Vec<FeatureSpec>], input: u8) -> impl Iterator<Item = (usize, Slot, bool)> {
    stages
        .iter()
        .enumerate()
        .flat_map(|(stage, features)| features.iter().map(move |feature| (stage, feature)))
        .filter(move |(_, feature)| feature.input == input)
        .filter_map(|(stage, feature)| Some((stage, feature.value?, feature.aggregation.is_fixed_point())))
}
