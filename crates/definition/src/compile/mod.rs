//! Compiles the sections of a pipeline file in phases.
//!
//! A phase is a function of the results of earlier ones. It returns its own result and adds to the diagnostics. The phase
//! that finds an error reports it and leaves the broken part out; later phases do not report its uses.

mod advice;
mod assemble;
mod compiled;
mod declare;
mod entities;
mod examples;
mod features;
mod file_text;
mod filters;
mod headers;
mod identifiers;
mod inputs;
mod kafka_properties;
mod keys;
mod lists;
mod lookups;
mod models;
mod names;
mod outcomes;
mod outputs;
mod policy;
mod precision;
mod reads;
mod rollout_scope;
mod rows;
mod settings;
mod share;
mod stages;
mod symbols;
mod table_file;
mod tables;
mod topics;
mod topological;
mod usage;

pub use compiled::{
    CheckpointSettings, Compiled, InputSettings, KafkaSettings, OutputTopic, RegistrySettings, RolloutSettings,
    Settings,
};
pub use declare::constants;
pub use examples::compile as compile_examples;
pub use file_text::FileText;
pub use identifiers::identifiers;
pub use lists::EntryListSettings;
pub use models::{ModelCompiler, TextNames, compile_explain};
pub use names::Names;
pub use policy::{PolicySource, compile as compile_policy_of, without_score};
pub use rollout_scope::{DecisionExpression, ModelPlaces, RolloutScope};
pub use share::{EXAMPLE_OF_KEYS, divided_entity, share_of};
pub use tables::TableSummary;
pub use topological::in_order;

use crate::cards::Cards;
use crate::diagnostics::Diagnostics;
use crate::syntax::PipelineFile;
use assemble::CompiledParts;
use entities::PlannedEntity;
use outcomes::DeclaredOutcomes;
use riskstream_engine::plan::Lookup;
use riskstream_events::Outcome;
use riskstream_policy::{Policy, PolicySpec};
use stages::StageContext;
use symbols::Symbols;
use tables::LoadedTable;

/// Compiles the file. `also_read` names fields that are read although the file does not use them. `Some` only if there are no
/// diagnostics.
pub fn compile(
    file: &PipelineFile,
    text: &FileText<'_>,
    also_read: &[String],
    diagnostics: &mut Diagnostics,
) -> Option<Compiled> {
    let cards = Cards::new(text.directory);
    let settings = settings::compile(file, diagnostics);
    let outcomes = outcomes::compile(file, diagnostics);
    let inputs = inputs::compile(file, text.directory, diagnostics);
    let rows = rows::find(file, also_read, &inputs, &cards, diagnostics);
    let entities = entities::compile(file, &inputs, &rows.used, diagnostics);
    inputs::check_kinds(file, &inputs, diagnostics);
    let usage = usage::find(file, also_read, &inputs, &entities, rows, &cards);
    inputs::check_places(&usage, diagnostics);
    let published = settings.published_pseudonyms(text.environment);
    let mut declared = declare::compile(
        file,
        text.source,
        published.as_ref(),
        &inputs,
        &entities,
        &usage,
        diagnostics,
    );
    let tables = tables::load(file, text.directory, &mut declared.names, diagnostics);
    let filters = filters::compile(&usage, &declared, diagnostics);
    let keys = keys::compile(&entities, &declared, diagnostics);
    let (mut symbols, features) = features::compile(file, &inputs, &usage, &entities, &tables, declared, diagnostics);
    let lists = lists::compile(file, features.topic_tables.len(), &inputs, &mut symbols, diagnostics);
    let models = models::compile(file, &inputs, &symbols.names, &outcomes, &cards, diagnostics);
    let policy = compile_policy(file, &entities, &symbols, &outcomes, diagnostics);
    let without_score = compile_without_score(file, &outcomes, diagnostics);
    let outputs = outputs::compile(file, &mut symbols, &outcomes.outcomes, diagnostics);
    let topic_tables = features.topic_tables.clone();
    let lookups: Vec<Lookup> = features.lookups.iter().chain(&lists.lookups).cloned().collect();
    let context = StageContext {
        usage: &usage,
        entities: &entities,
        symbols: &symbols,
        features: &features,
        decision_reads: &reads::of_decision(
            &entities,
            &symbols,
            &models.lineup,
            policy.as_ref().map(|(_, policy)| policy),
            outputs.as_ref(),
            &lookups,
        ),
        lookups: &lookups,
        cache_bytes: settings.cache_bytes,
    };
    let stages = stages::compile(&context, diagnostics);
    let topics = topics::compile(file, &usage, &entities, diagnostics);
    let examples = examples::of_file(file, &features.listed, &outcomes, diagnostics);
    if !diagnostics.is_empty() {
        return None;
    }
    let phases = CompiledParts {
        file,
        text,
        settings,
        published,
        usage,
        entities,
        filters,
        keys,
        symbols,
        features,
        models,
        outcomes,
        policy: policy?,
        outputs: outputs?,
        lists: topic_tables.into_iter().chain(lists.lists).collect(),
        tables: tables.into_iter().filter_map(LoadedTable::into_summary).collect(),
        lookups,
        without_score,
        stages: stages?,
        topics: topics?,
        examples,
    };
    let mut compiled = phases.assemble()?;
    compiled.warnings = diagnostics.take_warnings().into();
    Some(compiled)
}

/// The rules and thresholds of the file.
fn compile_policy(
    file: &PipelineFile,
    entities: &[PlannedEntity],
    symbols: &Symbols<'_>,
    outcomes: &DeclaredOutcomes,
    diagnostics: &mut Diagnostics,
) -> Option<(PolicySpec, Policy)> {
    let source = PolicySource {
        rules: Some(&file.rules),
        thresholds: file.decision.as_ref(),
        entities: &entities::slots(entities, symbols),
        inherited: (&PolicySpec::default(), 0..0),
    };
    policy::compile(&source, &symbols.names, symbols.decision, outcomes, diagnostics)
}

/// The mildest outcome where no model gave a score.
fn compile_without_score(file: &PipelineFile, outcomes: &DeclaredOutcomes, diagnostics: &mut Diagnostics) -> Outcome {
    let scores = file.model.as_ref().map(|model| &model.span);
    let scores = scores.or(file.rollout.as_ref().map(|rollout| &rollout.span));
    policy::without_score(file.decision.as_ref(), scores, outcomes, diagnostics)
}
