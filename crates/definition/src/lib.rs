//! The pipeline file: what was typed ([`syntax::PipelineFile`]) becomes what is valid ([`Compiled`]), or a
//! [`Report`] of all that is wrong with it, each diagnostic with its place and what to write instead.
#![forbid(unsafe_code)]

mod avro_types;
pub mod card;
mod compile;
pub mod compiled;
mod diagnostics;
pub mod duration;
pub mod example;
mod examples;
mod explain;
pub mod feature;
pub mod field;
pub mod node;
mod place;
pub mod read;
mod reference;
pub mod rollout;
mod rollout_document;
mod schema;
mod settings;
mod sizes;
pub mod syntax;
pub mod yaml;

pub use compiled::{Compiled, InputSettings, KafkaSettings, RegistrySettings, SchemaSources, Settings, TopologyError};
pub use diagnostics::{Report, Style};
pub use examples::run_examples;
pub use explain::explain;
pub use reference::{reference, rollout_reference};
pub use rollout_document::{DocumentError, prepare, prepare_again};
pub use schema::{rollout_schema, schema};
pub use sizes::{EntitySize, entity_size};
pub use syntax::{Delivery, Format};

use diagnostics::Diagnostics;
use read::Read;
use riskstream_scoring::Lineup;
use rollout::RolloutFile;
use std::path::Path;
use syntax::PipelineFile;
use yaml::Environment;

/// Reads and compiles a pipeline file. `environment` gives the values of `${NAME}`.
///
/// # Errors
/// All diagnostics at once, or that the file cannot be read.
pub fn load(path: &Path, environment: Environment<'_>) -> Result<Compiled, Report> {
    let name = path.display().to_string();
    let source = std::fs::read_to_string(path).map_err(|error| Report::unreadable(&name, &error))?;
    let directory = path.parent().unwrap_or(Path::new(""));
    compile(&name, &source, directory, environment)
}

/// Reads the text of a roll-out, without looking at its models.
///
/// # Errors
/// All diagnostics at once.
pub fn read_rollout(name: &str, source: &str) -> Result<RolloutFile, Report> {
    let mut diagnostics = Diagnostics::default();
    let file =
        yaml::parse(source, &|_| None, &mut diagnostics).and_then(|tree| RolloutFile::read(&tree, &mut diagnostics));
    match file {
        Some(file) if diagnostics.is_empty() => Ok(file),
        _ => Err(diagnostics.into_report(name, source)),
    }
}

/// Compiles the text of a roll-out for a pipeline: loads and checks its models. `name` is what messages call it. Nothing is
/// taken from the environment: the text may have come over the network.
///
/// # Errors
/// All diagnostics at once.
pub fn compile_rollout(name: &str, source: &str, pipeline: &Compiled) -> Result<(RolloutFile, Lineup), Report> {
    let file = read_rollout(name, source)?;
    let mut diagnostics = Diagnostics::default();
    let lineup = pipeline
        .rollout
        .compile(&file, source, &pipeline.plan, &pipeline.lineup, &mut diagnostics);
    match lineup {
        Some(lineup) if diagnostics.is_empty() => Ok((file, lineup)),
        _ => Err(diagnostics.into_report(name, source)),
    }
}

/// Compiles the text of a pipeline file. `name` is what messages call it; other files are looked for in `directory`.
///
/// # Errors
/// All diagnostics at once.
pub fn compile(name: &str, source: &str, directory: &Path, environment: Environment<'_>) -> Result<Compiled, Report> {
    let mut diagnostics = Diagnostics::default();
    let compiled = yaml::parse(source, environment, &mut diagnostics)
        .and_then(|tree| PipelineFile::read(&tree, &mut diagnostics))
        .and_then(|file| compile::compile(&file, source, directory, &mut diagnostics));
    match compiled {
        Some(compiled) if diagnostics.is_empty() => Ok(Compiled {
            file: name.into(),
            ..compiled
        }),
        _ => Err(diagnostics.into_report(name, source)),
    }
}
