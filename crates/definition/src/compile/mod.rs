//! Compiles the sections of a pipeline file in phases.
//!
//! A phase is a function of the results of earlier ones. It returns its own result and adds to the diagnostics. The phase
//! that finds an error reports it and leaves the broken part out; later phases do not report its uses.

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
mod lists;
mod models;
mod names;
mod outcomes;
mod outputs;
mod policy;
mod precision;
mod reads;
mod settings;
mod share;
mod stages;
mod symbols;
mod topics;
mod usage;

pub use compiled::{
    CheckpointSettings, Compiled, InputSettings, KafkaSettings, OutputTopic, RegistrySettings, RolloutScope,
    RolloutSettings, Settings,
};
pub use file_text::FileText;
pub use lists::EntryListSettings;
pub use models::{ModelCompiler, TextNames};
pub use names::Names;
pub use share::share_of;

use crate::cards::Cards;
use crate::diagnostics::Diagnostics;
use crate::syntax::PipelineFile;
use assemble::Phases;
use stages::StageContext;

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
    let entities = entities::compile(file, &inputs, diagnostics);
    let usage = usage::find(file, also_read, &inputs, &entities, &cards);
    inputs::check_places(&usage, diagnostics);
    let published = settings.published_pseudonyms(text.environment);
    let declared = declare::compile(file, text.source, published.as_ref(), &inputs, &usage, diagnostics);
    let filters = filters::compile(&usage, &declared, diagnostics);
    let (mut symbols, features) = features::compile(file, &inputs, &usage, &entities, declared, diagnostics);
    let lists = lists::compile(file, &inputs, &mut symbols, diagnostics);
    let models = models::compile(file, &inputs, &symbols.names, &outcomes, &cards, diagnostics);
    let policy = policy::compile(file, &symbols, &outcomes, diagnostics);
    let without_score = policy::without_score(file, &outcomes, diagnostics);
    let outputs = outputs::compile(file, &mut symbols, &outcomes.outcomes, diagnostics);
    let context = StageContext {
        usage: &usage,
        entities: &entities,
        symbols: &symbols,
        features: &features,
        decision_reads: &reads::of_decision(
            &entities,
            &symbols,
            &models.lineup,
            policy.as_ref(),
            outputs.as_ref(),
            &lists.lookups,
        ),
        cache_bytes: settings.cache_bytes,
    };
    let stages = stages::compile(&context, diagnostics);
    let topics = topics::compile(file, &usage, &entities, diagnostics);
    let examples = examples::compile(file, &outcomes, diagnostics);
    if !diagnostics.is_empty() {
        return None;
    }
    let phases = Phases {
        file,
        text,
        settings,
        published,
        usage,
        entities,
        filters,
        symbols,
        features,
        models,
        policy: policy?,
        outputs: outputs?,
        lists,
        without_score,
        stages: stages?,
        topics: topics?,
        examples,
    };
    let mut compiled = phases.assemble()?;
    compiled.warnings = diagnostics.take_warnings().into();
    Some(compiled)
}
