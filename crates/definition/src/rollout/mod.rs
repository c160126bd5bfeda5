//! Roll-outs: from the text of a roll-out file to what decides.

mod compile;
mod document;
mod features;
mod lists;
mod models;
mod paths;
mod record;
mod refused;
mod sections;

pub use document::DocumentError;
pub use record::{AuthorAction, RolloutRecord, read_record, sha256_of};
pub use sections::{changes, completed, sections, with_key};

use crate::compile::Compiled;
use crate::diagnostics::{Diagnostics, Findings, Report};
use crate::examples::run_as;
use crate::syntax::RolloutFile;
use crate::syntax::read::Read;
use compile::CompiledRollout;
use document::Document;
use riskstream_scoring::DecisionSet;
use std::sync::Arc;

/// Reads the text of a roll-out, without its models. `name` is the name in messages.
///
/// # Errors
/// All diagnostics of the text.
pub fn read_rollout(name: &str, source: &str) -> Result<RolloutFile, Report> {
    let mut diagnostics = Diagnostics::default();
    let file = read(source, &mut diagnostics);
    match file {
        Some(file) if diagnostics.is_empty() => Ok(file),
        _ => Err(Report::new(Findings::Errors, diagnostics, name, source)),
    }
}

/// Makes what decides in a roll-out: its models are loaded, checked and warmed up, and its examples hold, or else the pipeline
/// file's. `name` is the name in messages.
///
/// # Errors
/// All diagnostics of the text and the models, or all differences from what the examples expect.
pub fn prepare(name: &str, source: &str, pipeline: &Compiled) -> Result<DecisionSet, Report> {
    let mut rollout = compile_rollout(name, source, pipeline)?;
    let document = Document::new(source, rollout.own_models());
    let document = serde_json::to_string(&document).expect("text and hashes are JSON");
    let examples = rollout.examples.take();
    let set = rollout.into_set(&document);
    let mut tried = Compiled {
        decision: Arc::new(set.clone()),
        ..pipeline.clone()
    };
    let mut findings = Findings::DifferencesByRollout;
    if let Some(examples) = examples {
        tried.examples = examples;
        tried.file = name.into();
        tried.source = source.into();
        findings = Findings::Differences;
    }
    run_as(&tried, findings)?;
    Ok(set)
}

/// Makes what a document in the log stands for again. What it decides has been tried before: its examples are not run.
///
/// # Errors
/// The roll-out does not compile any more, or its model files have changed.
pub fn prepare_again(document: &str, pipeline: &Compiled) -> Result<DecisionSet, DocumentError> {
    let parsed: Document = serde_json::from_str(document)?;
    let rollout = compile_rollout("the roll-out", &parsed.text, pipeline)?;
    parsed.check(rollout.own_models())?;
    Ok(rollout.into_set(document))
}

/// The pipeline, in which a roll-out of this text decides. Its examples are not run.
///
/// # Errors
/// All diagnostics of the text and the models.
pub fn with_rollout(pipeline: &Compiled, source: &str) -> Result<Compiled, Report> {
    let set = compile_rollout("the roll-out", source, pipeline)?.into_set("");
    Ok(Compiled {
        plan: Arc::new(pipeline.plan.deciding_by(&set.decide)),
        decision: Arc::new(set),
        ..pipeline.clone()
    })
}

fn compile_rollout(name: &str, source: &str, pipeline: &Compiled) -> Result<CompiledRollout, Report> {
    let mut diagnostics = Diagnostics::default();
    let file = read(source, &mut diagnostics);
    let rollout = file.and_then(|file| compile::compile(&file, source, pipeline, &mut diagnostics));
    rollout.ok_or_else(|| Report::new(Findings::Errors, diagnostics, name, source))
}

fn read(source: &str, diagnostics: &mut Diagnostics) -> Option<RolloutFile> {
    let tree = record::parse(source, diagnostics)?;
    RolloutFile::read(&tree, diagnostics)
}
