//! A roll-out file as it would be written: with its revision, its author and the sections that stay as they are in force.

use super::topics::{Topics, configuration};
use crate::commands::error::CommandError;
use crate::pipeline_file::read_rollout_text;
use crate::rollout::History;
use riskstream_definition::{Report, changes, completed, read_rollout, sections, with_key};
use std::path::Path;

/// Who does something.
#[derive(clap::Args)]
pub(super) struct Author {
    /// Who does it; by default the user of this computer
    #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
    pub(super) author: Option<String>,
}

/// Who does something, and why.
#[derive(clap::Args)]
pub(super) struct Signature {
    #[command(flatten)]
    pub(super) author: Author,
    /// Why, in a sentence; if the file does not say so
    #[arg(long, value_name = "TEXT")]
    pub(super) description: Option<String>,
}

impl Signature {
    /// The text with who and why, where it does not say so.
    pub(super) fn sign(&self, name: &str, text: &str) -> Result<String, CommandError> {
        let file = read_rollout(name, text)?;
        let mut signed = text.to_owned();
        if let Some(description) = &self.description {
            if file.description.is_some() {
                return Err(configuration(format!(
                    "{name} has a `description`: leave --description out"
                )));
            }
            signed = with_key(&signed, "description", &description.as_str().into());
        }
        if let (None, Some(author)) = (&file.author, &self.author.author) {
            signed = with_key(&signed, "author", &author.as_str().into());
        }
        Ok(signed)
    }
}

impl Author {
    /// The name.
    pub(super) fn name(&self) -> Result<&str, CommandError> {
        let name = self.author.as_deref().map(str::trim).filter(|name| !name.is_empty());
        name.ok_or_else(|| configuration("say who you are: --author NAME".to_owned()))
    }
}

/// A roll-out file as it would be written.
pub(super) struct Draft {
    pub(super) revision: u64,
    pub(super) text: String,
    /// The sections that stay as they are in force.
    kept: Vec<String>,
    /// What it changes.
    changes: Vec<String>,
}

/// Reads a roll-out file, and adds its revision, its author and the sections that stay.
pub(super) fn draft(
    topics: &Topics,
    history: &History,
    path: &Path,
    signature: &Signature,
) -> Result<Draft, CommandError> {
    let name = path.display().to_string();
    let typed = read_rollout_text(path).map_err(|error| Report::unreadable(&name, &error))?;
    let next = history.newest() + 1;
    let (revision, text) = match read_rollout(&name, &typed)?.revision {
        None => (next, with_key(&typed, "revision", &next.into())),
        Some(given) if u64::from(given.value) < next => {
            return Err(configuration(format!(
                "{name}: revision {} would have no effect, {} was rolled out already; write {next}, or leave `revision` out",
                given.value,
                next - 1
            )));
        }
        Some(given) => (given.value.into(), typed),
    };
    if sections(&text).is_empty() {
        return Err(configuration(format!(
            "{name} says nothing about deciding; to go back to the pipeline file: riskstream rollout back --to 0"
        )));
    }
    let in_force = history.text_in_force();
    let (text, kept) = completed(&text, in_force);
    let text = signature.sign(&name, &text)?;
    Ok(Draft {
        revision,
        changes: changes(&topics.pipeline, in_force, &text),
        text,
        kept,
    })
}

impl Draft {
    /// What it changes, and what stays.
    pub(super) fn print(&self) {
        if !self.kept.is_empty() {
            println!("  as in force: {}", self.kept.join(", "));
        }
        self.changes.iter().for_each(|line| println!("  {line}"));
    }
}
