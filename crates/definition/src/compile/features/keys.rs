//! The keys of a feature, by purpose.

use crate::diagnostics::Span;
use crate::syntax::Feature;
use crate::syntax::read::{ExpressionText, Spanned};
use riskstream_events::Slot;
use riskstream_features::FeatureSpec;

/// The text of a feature's expression, or of what it aggregates.
pub fn value_source(feature: &Feature) -> Option<&Spanned<ExpressionText>> {
    let aggregated = feature.aggregations.0.first().map(|aggregated| &aggregated.source);
    feature.expression.as_ref().or(aggregated)
}

/// All texts in a feature that are or may be expressions.
pub fn sources(feature: &Feature) -> impl Iterator<Item = &Spanned<ExpressionText>> {
    let aggregated = feature.aggregations.0.iter();
    aggregated
        .map(|aggregated| &aggregated.source)
        .chain(&feature.expression)
        .chain(&feature.when)
}

/// The given keys that only aggregations take, with their places.
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

/// The slots of an input that features aggregate, each with the stage and whether it enters in fixed point.
pub fn aggregated_slots(stages: &[Vec<FeatureSpec>], input: u8) -> impl Iterator<Item = (usize, Slot, bool)> {
    stages
        .iter()
        .enumerate()
        .flat_map(|(stage, features)| features.iter().map(move |feature| (stage, feature)))
        .filter(move |(_, feature)| feature.input == input)
        .filter_map(|(stage, feature)| Some((stage, feature.value?, feature.aggregation.is_fixed_point())))
}
