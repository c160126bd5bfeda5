//! The records of the roll-out topic: roll-outs, and that they were approved or applied.

use super::refused::refuse;
use crate::diagnostics::{Diagnostic, Diagnostics, Findings, Report};
use crate::syntax::read::Read;
use crate::syntax::{RolloutFile, RolloutStep};
use crate::text::{self, Node, NodeValue};
use sha2::{Digest, Sha256};

/// A record of the roll-out topic.
#[derive(Debug)]
pub enum RolloutRecord {
    /// A roll-out: a proposal if approvals are required.
    Rollout(Box<RolloutFile>),
    /// Someone approved one.
    Approval(AuthorAction),
    /// Someone applied one that was approved.
    Application(AuthorAction),
}

/// What someone did about a roll-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorAction {
    /// The roll-out's revision.
    pub revision: u64,
    /// The SHA-256 of its text: nothing else was approved.
    pub sha256: String,
    /// Who did it.
    pub author: String,
}

/// Reads the text of a record, without loading models. `name` is the name in messages.
///
/// # Errors
/// All diagnostics of the text.
pub fn read_record(name: &str, source: &str) -> Result<RolloutRecord, Report> {
    let mut diagnostics = Diagnostics::default();
    let read = parse(source, &mut diagnostics).and_then(|tree| match is_step(&tree) {
        true => RolloutStep::read(&tree, &mut diagnostics).and_then(|step| record(step, &mut diagnostics)),
        false => RolloutFile::read(&tree, &mut diagnostics).map(|file| RolloutRecord::Rollout(Box::new(file))),
    });
    match read {
        Some(record) if diagnostics.is_empty() => Ok(record),
        _ => Err(Report::new(Findings::Errors, diagnostics, name, source)),
    }
}

/// The tree of a text, without what cannot be rolled out, which is reported. No variables are replaced, since the text may come
/// over the network.
pub fn parse(source: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    let mut tree = text::parse(source, &|_| None, diagnostics)?;
    refuse(&mut tree, diagnostics);
    Some(tree)
}

fn is_step(tree: &Node) -> bool {
    let NodeValue::Map(entries) = &tree.value else {
        return false;
    };
    entries
        .iter()
        .any(|(key, _)| matches!(key.name.as_str(), "approves" | "applies"))
}

fn record(step: RolloutStep, diagnostics: &mut Diagnostics) -> Option<RolloutRecord> {
    let (sha256, author) = (step.sha256.0.as_ref()?, step.author.0.as_ref()?);
    let of = |revision: u32| AuthorAction {
        revision: revision.into(),
        sha256: sha256.value.to_ascii_lowercase(),
        author: author.value.clone(),
    };
    match (&step.approves, &step.applies) {
        (Some(approves), None) => Some(RolloutRecord::Approval(of(approves.value))),
        (None, Some(applies)) => Some(RolloutRecord::Application(of(applies.value))),
        // Reading it failed, which was reported.
        (None, None) if step.is_flawed => None,
        (_, applies) => {
            let place = applies.as_ref().map_or(0..0, |applies| applies.span.clone());
            diagnostics.add(Diagnostic::new(
                "a record approves or applies a roll-out, not both",
                place,
            ));
            None
        }
    }
}

/// The SHA-256 of a roll-out's text, in hexadecimal digits, as approvals name it.
pub fn sha256_of(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
