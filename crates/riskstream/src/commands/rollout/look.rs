//! What roll-outs say, and what they change.

use super::topics::{Topics, published};
use crate::commands::error::CommandError;
use crate::pipeline_file::read_rollout_text;
use crate::rollout::History;
use riskstream_definition::{Report, changes, completed, read_rollout};
use std::path::Path;

/// The revision that an argument names, unless it is a file.
pub(super) fn revision_of(argument: &str) -> Option<u64> {
    argument.parse().ok().filter(|_| !Path::new(argument).exists())
}

pub(super) fn diff(topics: &Topics, rollout: &str, other: Option<&str>) -> Result<(), CommandError> {
    let history = topics.history()?;
    let in_force = history
        .in_force()
        .map_or("", |rollout| rollout.text.as_str())
        .to_owned();
    let text = |argument: &str| text_of(&history, argument, &in_force);
    let (before, after) = match other {
        None => (in_force.clone(), text(rollout)?),
        Some(other) => (text(rollout)?, text(other)?),
    };
    let lines = changes(&topics.pipeline, &before, &after);
    lines.iter().for_each(|line| println!("{line}"));
    if lines.is_empty() {
        println!("no difference in what decides");
    }
    Ok(())
}

/// The text of a revision, or of a file with the sections that would stay.
fn text_of(history: &History, argument: &str, in_force: &str) -> Result<String, CommandError> {
    match revision_of(argument) {
        Some(0) => Ok(String::new()),
        Some(revision) => Ok(published(history, revision)?.text.clone()),
        None => {
            let text = read_rollout_text(Path::new(argument)).map_err(|error| Report::unreadable(argument, &error))?;
            read_rollout(argument, &text)?;
            Ok(completed(&text, in_force).0)
        }
    }
}

pub(super) fn show(history: &History, revision: Option<u64>) -> Result<(), CommandError> {
    let wanted = revision.or_else(|| history.in_force().map(|rollout| rollout.revision));
    match wanted {
        None => eprintln!("nothing was rolled out: the pipeline file decides"),
        Some(revision) => print!("{}", published(history, revision)?.text),
    }
    Ok(())
}
