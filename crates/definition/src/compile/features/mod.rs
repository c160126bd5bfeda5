//! Compiles features in order of their dependencies. Each gets a type and a slot.

mod aggregation;
mod order;
mod parameters;
mod provenance;
mod rows;
mod tables;
mod units;
mod value;

use super::declare::Declared;
use super::entities::PlannedEntity;
use super::inputs::ResolvedInput;
use super::lists::EntryListSettings;
use super::names::Names;
use super::symbols::{DecisionSlots, Symbols};
use super::tables::LoadedTable;
use super::usage::Usage;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::syntax::read::{ExpressionText, Map, Spanned};
use crate::syntax::{Aggregations, Feature, PipelineFile};
use crate::text::Key;
use provenance::Provenances;
use riskstream_engine::plan::Lookup;
use riskstream_events::{Slot, ValueType};
use riskstream_expressions::Expression;
use riskstream_features::FeatureSpec;
use std::collections::{BTreeMap, HashMap};

/// A compiled expression and the slot that its value is written to.
#[derive(Clone, Debug)]
pub struct PlannedExpression {
    /// The slot.
    pub slot: Slot,
    /// The expression.
    pub expression: Expression,
}

/// The compiled features.
#[derive(Debug, Default)]
pub struct CompiledFeatures {
    /// Each stage's aggregations.
    pub stages: Vec<Vec<FeatureSpec>>,
    /// Expressions in order of their dependencies: expression features, and aggregated expressions.
    pub steps: Vec<PlannedExpression>,
    /// The look-ups in tables.
    pub lookups: Vec<Lookup>,
    /// The tables that are from topics, in the order of their indices.
    pub topic_tables: Vec<EntryListSettings>,
    /// Feature names and slots in the order of the file.
    pub listed: Vec<(String, Slot)>,
}

/// Compiles all features. Returns them, and the names of `declared` with theirs added.
pub fn compile<'s>(
    file: &PipelineFile,
    inputs: &[ResolvedInput],
    usage: &Usage<'_>,
    entities: &[PlannedEntity],
    tables: &[LoadedTable<'_>],
    declared: Declared<'s>,
    diagnostics: &mut Diagnostics,
) -> (Symbols<'s>, CompiledFeatures) {
    let Declared { mut names, fields } = declared;
    let used = usage.inputs.iter().map(|input| input.name.clone());
    let compiler = FeatureCompiler {
        names: &mut names,
        fields: &fields,
        provenances: Provenances::of_fields(&fields),
        inputs,
        input_index: used.zip(0..).collect(),
        entities,
        tables: tables.iter().collect(),
        entity_names: file.entities.names().map(str::to_owned).collect(),
        compiled: CompiledFeatures {
            stages: vec![Vec::new(); entities.len()],
            ..CompiledFeatures::default()
        },
        values: HashMap::new(),
        diagnostics,
    };
    let features = compiler.compile(&file.features, usage);
    let decision = DecisionSlots {
        score: names.slot("score", ValueType::Float),
        late_by: names.slot("late_by", ValueType::Float),
        flags: names.slot_of_list("flags", ValueType::Text),
    };
    let symbols = Symbols {
        names,
        fields,
        decision,
    };
    (symbols, features)
}

/// Compiles features.
struct FeatureCompiler<'a, 'f, 's> {
    /// All names. Features are added to them.
    names: &'a mut Names<'s>,
    /// The slots of fields.
    fields: &'a BTreeMap<String, Slot>,
    /// The provenance of slots.
    provenances: Provenances,
    /// All inputs without errors.
    inputs: &'a [ResolvedInput],
    /// The index in the plan of each input that is used.
    input_index: BTreeMap<String, u8>,
    /// The stages' entities.
    entities: &'a [PlannedEntity],
    /// The tables whose look-ups are not planned yet.
    tables: Vec<&'f LoadedTable<'f>>,
    /// The names of all entities of the file.
    entity_names: Vec<String>,
    /// The features so far.
    compiled: CompiledFeatures,
    /// The slots of values of aggregations, by the text of their expression.
    values: HashMap<String, Slot>,
    /// Diagnostics are added here.
    diagnostics: &'a mut Diagnostics,
}

impl FeatureCompiler<'_, '_, '_> {
    /// Compiles all features.
    fn compile(mut self, features: &Map<Feature>, usage: &Usage<'_>) -> CompiledFeatures {
        self.declare_tables_of_rows(&usage.broken_tables);
        let columns: Vec<(String, Slot)> = usage.tables.iter().flat_map(|table| self.columns(table)).collect();
        for name in features
            .0
            .iter()
            .filter(|(_, feature)| feature.is_none())
            .map(|(name, _)| name)
        {
            self.names.declare_broken(&name.name);
        }
        for (name, feature) in self.in_order(features) {
            self.plan_tables_of(feature);
            if self.feature(name, feature).is_none() {
                self.names.declare_broken(&name.name);
            }
        }
        self.plan_other_tables();
        for name in features.names() {
            if let Some(symbol) = self.names.get(name)
                && !self.names.is_broken(name)
            {
                self.compiled.listed.push((name.to_owned(), symbol.slot));
            }
        }
        self.compiled.listed.extend(columns);
        self.compiled
    }

    /// Whether a feature may have this name. Reports it if not; a name that is taken keeps its meaning.
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
        match (&feature.expression, feature.aggregations.0.as_slice()) {
            (Some(source), []) => self.expression(name, feature, source),
            (None, [aggregated]) => self.aggregation(name, feature, aggregated),
            (None, []) if feature.is_flawed => None,
            (None, []) => {
                let words = Aggregations::KEYS.iter().copied();
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
                let several = several.iter().map(|other| (other.definition.name, &other.source));
                for (word, source) in expression.into_iter().chain(several) {
                    diagnostic = diagnostic.also(source.span.clone(), word);
                }
                self.diagnostics.add(diagnostic);
                None
            }
        }
    }

    fn expression(&mut self, name: &Key, feature: &Feature, source: &Spanned<ExpressionText>) -> Option<()> {
        for (key, span) in feature.keys_of_aggregations() {
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
        if expression.holds_pseudonyms() {
            self.names.mark_pseudonym(slot);
        }
        self.provenances.expression(slot, expression.slots());
        self.compiled.steps.push(PlannedExpression { slot, expression });
        Some(())
    }
}
