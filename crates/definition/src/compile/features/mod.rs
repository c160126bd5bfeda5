//! Features: in order of their dependencies, typed, each with its slot.

mod aggregation;
mod keys;
mod order;
mod parameters;
mod value;

pub use keys::{aggregated_slots, sources, value_source};

use super::inputs::ResolvedInput;
use super::names::Names;
use super::provenance::Provenances;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::feature::Feature;
use crate::node::{Key, Span};
use crate::read::{ExpressionText, Map, Spanned};
use keys::{aggregations, all_aggregations, keys_of_aggregations};
use riskstream_events::Slot;
use riskstream_expressions::Expression;
use riskstream_features::FeatureSpec;
use std::collections::{BTreeMap, HashMap};

/// A stage's entity, as far as features need to know it.
#[derive(Clone, Debug)]
pub struct StageEntity {
    /// Its name.
    pub name: String,
    /// How late events may be, in microseconds.
    pub lateness: i64,
    /// How long events may be kept at most, and where that is said.
    pub retention: Option<(i64, Span)>,
}

/// An expression and the slot of its value.
#[derive(Clone, Debug)]
pub struct PlannedExpression {
    /// Where.
    pub slot: Slot,
    /// What.
    pub expression: Expression,
}

/// All features, compiled.
#[derive(Debug, Default)]
pub struct CompiledFeatures {
    /// Each stage's aggregations.
    pub stages: Vec<Vec<FeatureSpec>>,
    /// Expressions in order of their dependencies: those that are features, and values of aggregations.
    pub steps: Vec<PlannedExpression>,
    /// Feature names and slots in the order of the file.
    pub listed: Vec<(String, Slot)>,
}

/// Compiles features.
pub struct FeatureCompiler<'a, 's> {
    /// The names, to which features are added.
    pub names: &'a mut Names<'s>,
    /// Where slots come from.
    pub provenances: &'a mut Provenances,
    /// All inputs that are not broken.
    pub inputs: &'a [ResolvedInput],
    /// The index in the plan of each input that is used.
    pub input_index: &'a BTreeMap<String, u8>,
    /// The stages' entities.
    pub entities: &'a [StageEntity],
    /// The names of all entities of the file.
    pub entity_names: &'a [String],
    /// Where diagnostics go.
    pub diagnostics: &'a mut Diagnostics,
    compiled: CompiledFeatures,
    values: HashMap<String, Slot>,
}

impl<'a, 's> FeatureCompiler<'a, 's> {
    /// A compiler over what is known so far.
    pub fn new(
        names: &'a mut Names<'s>,
        provenances: &'a mut Provenances,
        inputs: &'a [ResolvedInput],
        input_index: &'a BTreeMap<String, u8>,
        entities: &'a [StageEntity],
        entity_names: &'a [String],
        diagnostics: &'a mut Diagnostics,
    ) -> FeatureCompiler<'a, 's> {
        let compiled = CompiledFeatures {
            stages: vec![Vec::new(); entities.len()],
            ..CompiledFeatures::default()
        };
        FeatureCompiler {
            names,
            provenances,
            inputs,
            input_index,
            entities,
            entity_names,
            diagnostics,
            compiled,
            values: HashMap::new(),
        }
    }

    /// Compiles all features of the file.
    pub fn compile(mut self, features: &Map<Feature>) -> CompiledFeatures {
        for name in features
            .0
            .iter()
            .filter(|(_, feature)| feature.is_none())
            .map(|(name, _)| name)
        {
            self.names.declare_broken(&name.name);
        }
        for (name, feature) in self.in_order(features) {
            if self.feature(name, feature).is_none() {
                self.names.declare_broken(&name.name);
            }
        }
        for name in features.names() {
            if let Some(symbol) = self.names.get(name)
                && !self.names.is_broken(name)
            {
                self.compiled.listed.push((name.to_owned(), symbol.slot));
            }
        }
        self.compiled
    }

    /// A name that is taken goes on meaning what it meant.
    fn is_free(&mut self, name: &Key) -> bool {
        let free = self.names.check_free(&name.name, &name.span, self.diagnostics);
        if free && name.name.contains('.') {
            let diagnostic = Diagnostic::new(format!("`{}` is not a name", name.name), name.span.clone());
            self.diagnostics
                .add(diagnostic.help("the name of a feature has no dots"));
            return false;
        }
        free
    }

    fn feature(&mut self, name: &Key, feature: &Feature) -> Option<()> {
        let aggregations: Vec<_> = aggregations(feature).collect();
        match (&feature.expression, aggregations.as_slice()) {
            (Some(source), []) => self.expression(name, feature, source),
            (None, [(word, source)]) => self.aggregation(name, feature, word, source),
            (None, []) if feature.is_flawed => None,
            (None, []) => {
                let words: Vec<&str> = all_aggregations(feature).iter().map(|(word, _)| *word).collect();
                self.diagnostics.add(
                    Diagnostic::new(
                        format!("`{}` does not say what to compute", name.name),
                        name.span.clone(),
                    )
                    .help(format!("add `expression:` or one of {}", enumerate(words))),
                );
                None
            }
            (expression, several) => {
                let mut diagnostic = Diagnostic::new(
                    format!("`{}` says more than one thing to compute", name.name),
                    name.span.clone(),
                )
                .help("keep one of them; put the others into features of their own");
                let expression = expression.as_ref().map(|source| ("expression", source));
                for (word, source) in expression.into_iter().chain(several.iter().copied()) {
                    diagnostic = diagnostic.also(source.span.clone(), word);
                }
                self.diagnostics.add(diagnostic);
                None
            }
        }
    }

    fn expression(&mut self, name: &Key, feature: &Feature, source: &Spanned<ExpressionText>) -> Option<()> {
        for (key, span) in keys_of_aggregations(feature) {
            self.diagnostics.add(
                Diagnostic::new(format!("an expression takes no `{key}`"), span)
                    .help("remove it, or replace `expression:` by an aggregation such as `mean:`"),
            );
        }
        let expression = self.names.compile(source, self.diagnostics)?;
        let value_type = expression.value_type();
        let slot = self
            .names
            .declare(&name.name, value_type, expression.element_type(), name.span.clone());
        self.provenances.expression(slot, expression.slots());
        self.compiled.steps.push(PlannedExpression { slot, expression });
        Some(())
    }
}
