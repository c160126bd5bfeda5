//! Roll-outs: from the text of a roll-out file to a line-up of loaded models.

mod compile;
mod document;
mod paths;

pub use document::DocumentError;

use crate::compile::Compiled;
use crate::diagnostics::{Diagnostics, Findings, Report};
use crate::syntax::RolloutFile;
use crate::syntax::read::Read;
use crate::text;
use compile::CompiledRollout;
use document::Document;
use riskstream_scoring::Lineup;

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

/// Makes the line-up of a roll-out. Its models are loaded, checked and warmed up. `name` is the name in messages.
///
/// # Errors
/// All diagnostics of the text and the models.
pub fn prepare(name: &str, source: &str, pipeline: &Compiled) -> Result<Lineup, Report> {
    let rollout = compile_rollout(name, source, pipeline)?;
    let document = Document::new(source, rollout.own_models());
    let document = serde_json::to_string(&document).expect("text and hashes are JSON");
    Ok(rollout.into_lineup(&document))
}

/// Makes the line-up of a document in the log again.
///
/// # Errors
/// The roll-out does not compile any more, or its model files have changed.
pub fn prepare_again(document: &str, pipeline: &Compiled) -> Result<Lineup, DocumentError> {
    let parsed: Document = serde_json::from_str(document)?;
    let rollout = compile_rollout("the roll-out", &parsed.text, pipeline)?;
    parsed.check(rollout.own_models())?;
    Ok(rollout.into_lineup(document))
}

fn compile_rollout(name: &str, source: &str, pipeline: &Compiled) -> Result<CompiledRollout, Report> {
    let mut diagnostics = Diagnostics::default();
    let file = read(source, &mut diagnostics).filter(|_| diagnostics.is_empty());
    let rollout = file.and_then(|file| compile::compile(&file, source, pipeline, &mut diagnostics));
    rollout.ok_or_else(|| Report::new(Findings::Errors, diagnostics, name, source))
}

/// No variables are replaced, since the text may come over the network.
fn read(source: &str, diagnostics: &mut Diagnostics) -> Option<RolloutFile> {
    let tree = text::parse(source, &|_| None, diagnostics)?;
    RolloutFile::read(&tree, diagnostics)
}
