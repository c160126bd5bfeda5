//! The keys of a feature, sorted by what they are for.

use crate::feature::Feature;
use crate::node::Span;
use crate::read::{ExpressionText, Spanned};
use riskstream_events::Slot;
use riskstream_features::{Aggregation, FeatureSpec};

/// The aggregations that name an input instead of a value.
pub const COUNTING: [&str; 3] = ["count", "time_since_last", "decayed_count"];

/// The keys that name an aggregation, given or not.
pub fn all_aggregations(feature: &Feature) -> [(&'static str, &Option<Spanned<ExpressionText>>); 16] {
    [
        ("count", &feature.count),
        ("sum", &feature.sum),
        ("mean", &feature.mean),
        ("min", &feature.min),
        ("max", &feature.max),
        ("variance", &feature.variance),
        ("standard_deviation", &feature.standard_deviation),
        ("distinct", &feature.distinct),
        ("first", &feature.first),
        ("last", &feature.last),
        ("last_k", &feature.last_k),
        ("time_since_last", &feature.time_since_last),
        ("top_k", &feature.top_k),
        ("quantile", &feature.quantile),
        ("decayed_count", &feature.decayed_count),
        ("decayed_sum", &feature.decayed_sum),
    ]
}

pub fn aggregations(feature: &Feature) -> impl Iterator<Item = (&'static str, &Spanned<ExpressionText>)> {
    all_aggregations(feature)
        .into_iter()
        .filter_map(|(word, source)| Some((word, source.as_ref()?)))
}

/// What a feature's values are: its expression, or what is aggregated.
pub fn value_source(feature: &Feature) -> Option<&Spanned<ExpressionText>> {
    let aggregated = aggregations(feature).map(|(_, source)| source).next();
    feature.expression.as_ref().or(aggregated)
}

/// Everything in a feature that is or may be an expression.
pub fn sources(feature: &Feature) -> impl Iterator<Item = &Spanned<ExpressionText>> {
    aggregations(feature)
        .map(|(_, source)| source)
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
    let is_fixed_point = |aggregation: Aggregation| {
        matches!(
            aggregation,
            Aggregation::Sum
                | Aggregation::Mean
                | Aggregation::Variance
                | Aggregation::StandardDeviation
                | Aggregation::Quantile(_)
                | Aggregation::DecayedSum { .. }
        )
    };
    stages
        .iter()
        .enumerate()
        .flat_map(|(stage, features)| features.iter().map(move |feature| (stage, feature)))
        .filter(move |(_, feature)| feature.input == input)
        .filter_map(move |(stage, feature)| Some((stage, feature.value?, is_fixed_point(feature.aggregation))))
}
