//! What roll-outs are compiled against, besides the plan.

use super::examples::Known;
use super::identifiers::identifiers;
use super::inputs::ResolvedInput;
use super::names::Names;
use super::outcomes::DeclaredOutcomes;
use super::symbols::DecisionSlots;
use crate::syntax::read::{ExpressionText, Spanned};
use crate::syntax::{ListSection, PipelineFile};
use riskstream_events::Slot;
use riskstream_policy::PolicySpec;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// See the module.
#[derive(Clone, Debug)]
pub struct RolloutScope {
    /// The names that have values at the decision.
    pub names: Names<'static>,
    /// The slots of what rules know besides.
    pub slots: DecisionSlots,
    /// The pipeline's outcomes.
    pub outcomes: DeclaredOutcomes,
    /// The pipeline file's rules and thresholds.
    pub policy: PolicySpec,
    /// The pipeline file's expressions that are evaluated at the decision.
    pub expressions: Vec<DecisionExpression>,
    /// The pipeline file's lists of constants that are not only used to decide: their names, and what uses them.
    pub bound_lists: BTreeMap<String, String>,
    /// The names of all lists of the pipeline file, and whether they have constants.
    pub lists: BTreeMap<String, bool>,
    /// The names of all tables, and what is looked up in each.
    pub tables: BTreeMap<String, Vec<String>>,
    /// What examples may name.
    pub known: Known,
    /// Whether scores are explained.
    pub explains: bool,
    /// The names whose values are personal data. Reasons must not contain them.
    pub personal: BTreeSet<String>,
    /// Where models may lie.
    pub places: ModelPlaces,
}

/// An expression that is evaluated at the decision: no state depends on it.
#[derive(Clone, Debug)]
pub struct DecisionExpression {
    /// The name of its feature.
    pub name: String,
    /// Its slot.
    pub slot: Slot,
    /// Its text.
    pub source: String,
}

/// Where the models of roll-outs may lie.
#[derive(Clone, Debug)]
pub struct ModelPlaces {
    /// The directory of the pipeline file. Paths are relative to it.
    pub directory: PathBuf,
    /// The path of the pipeline file's own model.
    pub model: Option<PathBuf>,
}

/// The lists of the file, and whether they have constants.
pub fn all_lists(file: &PipelineFile) -> BTreeMap<String, bool> {
    let lists = file.lists.iter();
    let lists = lists.map(|(name, list)| (name.name.clone(), matches!(list, ListSection::Constants(_))));
    lists.collect()
}

/// The tables of the file, and what is looked up in each.
pub fn all_tables(file: &PipelineFile) -> BTreeMap<String, Vec<String>> {
    let tables = file.tables.iter().map(|(name, table)| {
        let keys = table.key.0.iter().chain(&table.also.0);
        (name.name.clone(), keys.map(|key| key.value.clone()).collect())
    });
    tables.collect()
}

/// What uses the lists of constants other than to decide: features before the decision, filters of inputs, and outputs.
pub fn bound_lists(
    file: &PipelineFile,
    inputs: &[&ResolvedInput],
    expressions: &[DecisionExpression],
) -> BTreeMap<String, String> {
    let mut bound = BTreeMap::new();
    let mut add = |source: &Spanned<ExpressionText>, user: &dyn Fn() -> String| {
        for name in identifiers(&source.value.0) {
            if file.lists.get(name).is_some() {
                bound.entry(name.to_owned()).or_insert_with(user);
            }
        }
    };
    let at_decision = |name: &str| expressions.iter().any(|expression| expression.name == name);
    for (key, feature) in file.features.iter().filter(|(key, _)| !at_decision(&key.name)) {
        for source in feature.sources() {
            add(source, &|| format!("the feature `{}`", key.name));
        }
    }
    for input in inputs {
        if let Some(source) = &input.filter {
            add(source, &|| format!("`where:` of the input `{}`", input.name));
        }
    }
    for (key, output) in file.outputs.0.iter().flat_map(|outputs| outputs.value.further.iter()) {
        if let Some(source) = &output.when.0 {
            add(source, &|| format!("the output `{}`", key.name));
        }
    }
    for (key, source) in file.headers.iter().flat_map(|headers| headers.value.fields.iter()) {
        add(source, &|| format!("the header `{}`", key.name));
    }
    bound
}
