//! An aggregation's own keys: window, `k`, `q`, half-life.

use super::FeatureCompiler;
use crate::diagnostics::{Diagnostic, enumerate};
use crate::duration;
use crate::feature::{Feature, Window};
use crate::node::{Key, Span};
use riskstream_features::Aggregation;

impl FeatureCompiler<'_, '_> {
    pub(super) fn parameters(&mut self, name: &Key, feature: &Feature, word: &str) -> Option<Aggregation> {
        let k = feature.k.as_ref().map(|k| (k.value as usize, &k.span));
        let q = feature.q.as_ref().map(|q| (q.value, &q.span));
        let half_life = feature
            .half_life
            .as_ref()
            .map(|half_life| (half_life.value.0, &half_life.span));
        self.superfluous("k", k.map(|k| k.1), &["last_k", "top_k"], word);
        self.superfluous("q", q.map(|q| q.1), &["quantile"], word);
        self.superfluous(
            "half_life",
            half_life.map(|h| h.1),
            &["decayed_count", "decayed_sum"],
            word,
        );
        let place = (&name.span, feature.is_flawed);
        Some(match word {
            "count" => Aggregation::Count,
            "sum" => Aggregation::Sum,
            "mean" => Aggregation::Mean,
            "min" => Aggregation::Min,
            "max" => Aggregation::Max,
            "variance" => Aggregation::Variance,
            "standard_deviation" => Aggregation::StandardDeviation,
            "distinct" => Aggregation::Distinct,
            "first" => Aggregation::First,
            "last" => Aggregation::Last,
            "time_since_last" => Aggregation::TimeSinceLast,
            "last_k" => Aggregation::LastK(self.parameter(word, "k", "5", k, place, |k| (1..=1_000).contains(&k))?),
            "top_k" => Aggregation::TopK(self.parameter(word, "k", "3", k, place, |k| (1..=1_000).contains(&k))?),
            "quantile" => {
                Aggregation::Quantile(self.parameter(word, "q", "0.95", q, place, |q| (0.0..=1.0).contains(&q))?)
            }
            "decayed_count" | "decayed_sum" => {
                let half_life = self.parameter(word, "half_life", "1d", half_life, place, |h| h > 0)?;
                if word == "decayed_count" {
                    Aggregation::DecayedCount { half_life }
                } else {
                    Aggregation::DecayedSum { half_life }
                }
            }
            _ => unreachable!("every aggregation of the syntax is listed"),
        })
    }

    pub(super) fn superfluous(&mut self, key: &str, span: Option<&Span>, only: &[&str], word: &str) {
        if let Some(span) = span.filter(|_| !only.contains(&word)) {
            self.diagnostics.add(
                Diagnostic::new(format!("`{word}` takes no `{key}`"), span.clone())
                    .help(format!("`{key}` belongs to {}", enumerate(only.iter().copied()))),
            );
        }
    }

    pub(super) fn parameter<T: Copy>(
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
                    _ => "a half-life is longer than nothing",
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

    /// The window: `Some(None)` if unlimited.
    pub(super) fn window(
        &mut self,
        name: &Key,
        feature: &Feature,
        aggregation: Option<Aggregation>,
    ) -> Option<Option<i64>> {
        let Some(window) = &feature.window else {
            let aggregation = aggregation?;
            let unlimited = matches!(
                aggregation,
                Aggregation::Last | Aggregation::LastK(_) | Aggregation::TimeSinceLast
            );
            if unlimited || aggregation.is_decayed() {
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
                "remove `window:`: what is old fades away by itself",
            ),
            (Window::Limited(0), _) => wrong("a window is longer than nothing".to_owned(), duration::FORM),
            (Window::Unlimited, Some(aggregation)) if !aggregation.allows_no_window() => wrong(
                format!("`{}` needs a limited window", aggregation.name()),
                "write how far back it reaches: `window: 30d`",
            ),
            (Window::Unlimited, _) => Some(None),
            (Window::Limited(window), _) => Some(Some(window)),
        }
    }
}
