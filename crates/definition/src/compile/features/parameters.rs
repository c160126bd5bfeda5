//! The parameters of aggregations: window, `k`, `q` and half-life.

use super::FeatureCompiler;
use super::units::find_rounded;
use crate::compile::precision::precision;
use crate::diagnostics::{Diagnostic, Span};
use crate::duration;
use crate::syntax::read::{ExpressionText, Spanned};
use crate::syntax::{Feature, Window, enumerate_where};
use crate::text::Key;
use riskstream_events::{Slot, ValueType};
use riskstream_features::{Aggregation, Constructor, Definition, Precision, WindowRule};

impl FeatureCompiler<'_, '_, '_> {
    /// The aggregation with its parameter.
    pub(super) fn parameters(&mut self, name: &Key, feature: &Feature, definition: &Definition) -> Option<Aggregation> {
        let k = feature.k.as_ref().map(|k| (k.value as usize, &k.span));
        let q = feature.q.as_ref().map(|q| (q.value, &q.span));
        let half_life = feature.half_life.as_ref();
        let half_life = half_life.map(|half_life| (half_life.value.0, &half_life.span));
        self.superfluous("k", k.map(|k| k.1), definition);
        self.superfluous("q", q.map(|q| q.1), definition);
        self.superfluous("half_life", half_life.map(|half_life| half_life.1), definition);
        let (word, place) = (definition.name, (&name.span, feature.is_flawed));
        Some(match definition.constructor {
            Constructor::Plain(aggregation) => aggregation,
            Constructor::K(of) => of(self.parameter(word, "k", "5", k, place, |k| (1..=1_000).contains(&k))?),
            Constructor::Q(of) => of(self.parameter(word, "q", "0.95", q, place, |q| (0.0..=1.0).contains(&q))?),
            Constructor::HalfLife(of) => of(self.parameter(word, "half_life", "1d", half_life, place, |h| h > 0)?),
        })
    }

    fn superfluous(&mut self, key: &str, span: Option<&Span>, definition: &Definition) {
        let takes_key = |definition: &Definition| definition.constructor.key() == Some(key);
        if let Some(span) = span.filter(|_| !takes_key(definition)) {
            self.diagnostics.add(
                Diagnostic::new(format!("`{}` takes no `{key}`", definition.name), span.clone())
                    .help(format!("`{key}` belongs to {}", enumerate_where(takes_key))),
            );
        }
    }

    fn parameter<T: Copy>(
        &mut self,
        word: &str,
        key: &str,
        example: &str,
        given: Option<(T, &Span)>,
        (place, flawed): (&Span, bool),
        fits: impl Fn(T) -> bool,
    ) -> Option<T> {
        match given {
            Some((value, _)) if fits(value) => Some(value),
            Some((_, span)) => {
                let range = match key {
                    "k" => "`k` lies between 1 and 1000",
                    "q" => "`q` lies between 0 and 1",
                    _ => "a half-life must be longer than 0",
                };
                self.diagnostics
                    .add(Diagnostic::new(range, span.clone()).help(format!("write `{key}: {example}`")));
                None
            }
            None if flawed => None,
            None => {
                self.diagnostics.add(
                    Diagnostic::new(format!("`{word}` needs `{key}`"), place.clone())
                        .help(format!("add `{key}: {example}`")),
                );
                None
            }
        }
    }

    /// The unit of the feature's sums: its own, or its entity's.
    pub(super) fn precision(
        &mut self,
        feature: &Feature,
        aggregation: Aggregation,
        value: Option<Slot>,
        stage: usize,
    ) -> Option<Precision> {
        let Some(given) = &feature.precision else {
            return Some(self.entities[stage].precision);
        };
        let value_type = value.map(|value| self.names.slots()[value].value_type);
        let why = match value_type {
            _ if !aggregation.is_fixed_point() => format!("`{}` takes numbers as they are", aggregation.name()),
            Some(ValueType::Float) => return precision(given, self.diagnostics),
            other => {
                let name = other.map_or("no number", ValueType::name);
                format!("sums of {name} are exact")
            }
        };
        let diagnostic = Diagnostic::new(why, given.span.clone());
        self.diagnostics
            .add(diagnostic.help("remove `precision:`: only sums of floats have one"));
        None
    }

    /// Warns if an aggregated expression is not in the unit of its entity's sums.
    pub(super) fn warn_of_rounding(
        &mut self,
        feature: &Feature,
        source: &Spanned<ExpressionText>,
        aggregation: Aggregation,
        value: Option<Slot>,
        stage: usize,
    ) {
        let step = self.compiled.steps.iter().find(|step| Some(step.slot) == value);
        let Some(step) = step.filter(|_| aggregation.is_fixed_point() && feature.precision.is_none()) else {
            return;
        };
        let entity = &self.entities[stage];
        let is_field = |slot: Slot| self.provenances.of(slot).fields.contains(&slot);
        let Some(rounded) = find_rounded(&step.expression, self.names, entity.precision, is_field) else {
            return;
        };
        let message = format!("`{}` is not in multiples of {}", source.value.0, entity.precision);
        let event = if rounded.event.is_empty() {
            "it is".to_owned()
        } else {
            format!("for {} it is", rounded.event)
        };
        self.diagnostics.warn(
            Diagnostic::new(message, source.span.clone())
                .label(format!(
                    "{event} {}, of which {} is summed",
                    rounded.value, rounded.summed
                ))
                .help(format!(
                    "give the feature a finer precision than `{}` has: `precision: {}`",
                    entity.name, rounded.precision
                )),
        );
    }

    /// The window: `Some(None)` if unlimited.
    pub(super) fn window(
        &mut self,
        name: &Key,
        feature: &Feature,
        aggregation: Option<Aggregation>,
    ) -> Option<Option<i64>> {
        let Some(window) = &feature.window else {
            let aggregation = aggregation?;
            let rule = aggregation.definition().window;
            if matches!(rule, WindowRule::UnlimitedByDefault | WindowRule::HalfLife) {
                return Some(None);
            }
            if feature.is_flawed {
                return None;
            }
            let unlimited = if aggregation.allows_no_window() {
                ", or `window: unlimited`"
            } else {
                ""
            };
            self.diagnostics.add(
                Diagnostic::new(format!("`{}` has no window", name.name), name.span.clone())
                    .label(format!("`{}` needs `window:`", aggregation.name()))
                    .help(format!("add how far back it reaches: `window: 7d`{unlimited}")),
            );
            return None;
        };
        let mut wrong = |message: String, help: &str| {
            self.diagnostics
                .add(Diagnostic::new(message, window.span.clone()).help(help));
            None
        };
        match (window.value, aggregation) {
            (_, Some(aggregation)) if aggregation.is_decayed() => wrong(
                format!("`{}` takes a half-life, not a window", aggregation.name()),
                "remove `window:`: the weight of an event halves with each `half_life`",
            ),
            (Window::Limited(0), _) => wrong("a window must be longer than 0".to_owned(), duration::FORM),
            (Window::Unlimited, Some(aggregation)) if !aggregation.allows_no_window() => wrong(
                format!("`{}` needs a limited window", aggregation.name()),
                "write how far back it reaches: `window: 30d`",
            ),
            (Window::Unlimited, _) => Some(None),
            (Window::Limited(window), _) => Some(Some(window)),
        }
    }
}
