//! The pipeline file: from its text to a compiled pipeline, or to a [`Report`] of all diagnostics, each with its place and
//! what to write instead.
//!
//! 1. `text`: text → tree of values with places.
//! 2. [`syntax`]: tree → what was typed, a struct per section.
//! 3. `compile`: what was typed → what is valid, phase by phase.
//!
//! Every step returns a value and adds to the diagnostics. `rollout` does the same for roll-out files. [`cards`] reads
//! model cards. `output` makes the JSON Schemas, the references and `riskstream check --explain`.
//!
//! The crate reads files beside the pipeline file: models, their cards and Avro schemas. It knows no broker, database,
//! clock or environment: the caller passes variables, the secret and the schema registry.
#![forbid(unsafe_code)]

pub mod cards;
mod compile;
mod diagnostics;
pub mod duration;
mod example_lists;
mod examples;
mod files;
mod output;
mod rollout;
pub mod syntax;
mod text;
mod topology;

pub use compile::{
    CheckpointSettings, Compiled, EntryListSettings, InputSettings, KafkaSettings, OutputTopic, RegistrySettings,
    RolloutSettings, Settings, TableSummary,
};
pub use diagnostics::{Finding, Report, Style, nearest};
pub use examples::run_examples;
pub use output::{
    EntitySize, entity_size, explain, reference, rollout_reference, rollout_schema, rollout_step_schema, schema,
};
pub use rollout::{
    AuthorAction, DocumentError, RolloutRecord, changes, completed, prepare, prepare_again, read_record, read_rollout,
    sections, sha256_of, with_key, with_rollout,
};
pub use syntax::{Delivery, Format};
pub use text::Environment;
pub use topology::{SchemaSources, TopologyError};

use compile::FileText;
use diagnostics::{Diagnostics, Findings};
use std::path::Path;
use syntax::PipelineFile;
use syntax::read::Read;

/// Reads and compiles a pipeline file. `environment` gives the values of `${NAME}`, and the secret for published pseudonyms.
///
/// # Errors
/// All diagnostics of the file, or that it cannot be read.
pub fn load(path: &Path, environment: Environment<'_>) -> Result<Compiled, Report> {
    load_reading(path, environment, &[])
}

/// [`load`], and reads these fields of the inputs as well, where they are declared. What is computed stays the same.
///
/// # Errors
/// All diagnostics of the file, or that it cannot be read.
pub fn load_reading(path: &Path, environment: Environment<'_>, fields: &[String]) -> Result<Compiled, Report> {
    let name = path.display().to_string();
    let source = files::read_text(path).map_err(|error| Report::unreadable(&name, &error))?;
    let directory = path.parent().unwrap_or(Path::new(""));
    compile_reading(&name, &source, directory, environment, fields)
}

/// Compiles the text of a pipeline file. `name` is its name in messages. Models, cards and schemas are relative to
/// `directory`. `environment` gives the values of `${NAME}`.
///
/// # Errors
/// All diagnostics of the file.
pub fn compile(name: &str, source: &str, directory: &Path, environment: Environment<'_>) -> Result<Compiled, Report> {
    compile_reading(name, source, directory, environment, &[])
}

fn compile_reading(
    name: &str,
    source: &str,
    directory: &Path,
    environment: Environment<'_>,
    fields: &[String],
) -> Result<Compiled, Report> {
    let mut diagnostics = Diagnostics::default();
    let text = FileText {
        name,
        source,
        directory,
        environment,
    };
    let compiled = text::parse(source, environment, &mut diagnostics)
        .and_then(|tree| PipelineFile::read(&tree, &mut diagnostics))
        .and_then(|file| compile::compile(&file, &text, fields, &mut diagnostics));
    compiled.ok_or_else(|| Report::new(Findings::Errors, diagnostics, name, source))
}
