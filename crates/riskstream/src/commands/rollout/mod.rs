//! `riskstream rollout`: changes what decides in a running pipeline.

mod approvals;
mod describe;
mod draft;
mod look;
mod topics;

use super::error::CommandError;
use super::target::Target;
use crate::pipeline_file;
use crate::rollout::{PublishedRollout, because, by, restoring};
use approvals::{apply_approved, approvals, approve, propose};
use describe::{describe, show_history};
use draft::{Author, Signature, draft};
use look::{diff, revision_of, show};
use riskstream_definition::{prepare, read_rollout};
use std::path::{Path, PathBuf};
use topics::{Topics, configuration, published};

/// The arguments of `riskstream rollout`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Check a roll-out file: all that it says, its models and examples; change nothing
    Check {
        /// The pipeline file
        pipeline: PathBuf,
        /// The roll-out file
        rollout: PathBuf,
    },
    /// Check a roll-out file and put it in force, or put a proposed revision in force that was approved
    ///
    /// Sections that the file does not name stay as they are in force.
    Apply {
        #[command(flatten)]
        target: Target,
        /// The roll-out file, or the number of an approved revision; a file without `revision` gets the next one
        #[arg(value_name = "FILE|REVISION")]
        rollout: String,
        #[command(flatten)]
        signature: Signature,
    },
    /// Check a roll-out file and propose it to those who approve it
    Propose {
        #[command(flatten)]
        target: Target,
        /// The roll-out file; if it has no `revision`, the next one is added
        rollout: PathBuf,
        #[command(flatten)]
        signature: Signature,
    },
    /// Approve a proposed revision of someone else
    Approve {
        #[command(flatten)]
        target: Target,
        /// The revision, as `riskstream rollout history` shows it
        revision: u64,
        #[command(flatten)]
        approver: Author,
    },
    /// Take the last roll-out back: what was in force before decides again
    Back {
        #[command(flatten)]
        target: Target,
        /// Go back to this revision; 0 is the pipeline file
        #[arg(long, value_name = "REVISION")]
        to: Option<u64>,
        #[command(flatten)]
        signature: Signature,
    },
    /// Show what a roll-out changes, or two of them
    Diff {
        #[command(flatten)]
        target: Target,
        /// A roll-out file or a revision; compared with what is in force, or with the next argument
        #[arg(value_name = "FILE|REVISION")]
        rollout: String,
        /// What the first is changed to
        #[arg(value_name = "FILE|REVISION")]
        other: Option<String>,
    },
    /// List the roll-outs: who proposed, approved and applied what, when and why
    History {
        #[command(flatten)]
        target: Target,
    },
    /// Print the text of a roll-out
    Show {
        #[command(flatten)]
        target: Target,
        /// The revision; by default the one in force
        revision: Option<u64>,
    },
}

/// Runs the action.
///
/// # Errors
/// The pipeline file or the roll-out is wrong, or Kafka cannot be reached or refuses.
pub fn execute(args: Args) -> Result<(), CommandError> {
    match args.action {
        Action::Check { pipeline, rollout } => {
            let set = pipeline_file::load_draft(&rollout, &pipeline_file::load(&pipeline)?)?;
            println!("{}: ok", rollout.display());
            print!("{}", describe(&set));
            Ok(())
        }
        Action::Apply {
            target,
            rollout,
            signature,
        } => {
            let topics = Topics::open(&target)?;
            match revision_of(&rollout) {
                Some(revision) => apply_approved(&topics, revision, &signature),
                None => apply(&topics, Path::new(&rollout), &signature),
            }
        }
        Action::Propose {
            target,
            rollout,
            signature,
        } => propose(&Topics::open(&target)?, &rollout, &signature),
        Action::Approve {
            target,
            revision,
            approver,
        } => approve(&Topics::open(&target)?, revision, &approver),
        Action::Back { target, to, signature } => back(&Topics::open(&target)?, to, &signature),
        Action::Diff { target, rollout, other } => diff(&Topics::open(&target)?, &rollout, other.as_deref()),
        Action::History { target } => {
            show_history(&Topics::open(&target)?.history()?);
            Ok(())
        }
        Action::Show { target, revision } => show(&Topics::open(&target)?.history()?, revision),
    }
}

fn apply(topics: &Topics, path: &Path, signature: &Signature) -> Result<(), CommandError> {
    let history = topics.history()?;
    if history.required() > 0 {
        return Err(configuration(format!(
            "the pipeline requires {} of others: riskstream rollout propose, then approve, then apply REVISION",
            approvals(history.required())
        )));
    }
    let draft = draft(topics, &history, path, signature)?;
    let set = prepare(&path.display().to_string(), &draft.text, &topics.pipeline)?;
    topics.records.publish(draft.revision, &draft.text)?;
    println!("revision {} is on its way to every copy:", set.revision);
    print!("{}", describe(&set));
    draft.print();
    Ok(())
}

fn back(topics: &Topics, to: Option<u64>, signature: &Signature) -> Result<(), CommandError> {
    let history = topics.history()?;
    let in_force = history.revision_in_force();
    let previous = match to {
        Some(revision) if revision == in_force => None,
        Some(revision) => Some(revision),
        None => history.previous(),
    };
    let Some(previous) = previous else {
        return Err(configuration(
            "there is nothing to go back to: that is in force".to_owned(),
        ));
    };
    let next = history.newest() + 1;
    let text = match previous {
        0 => signature.sign("the roll-out", &format!("revision: {next}\nrestores: 0\n"))?,
        _ => {
            let rollout = published(&history, previous)?;
            if !history.takes_effect(rollout) {
                return Err(configuration(format!("revision {previous} was never in force")));
            }
            restored(rollout, next, signature)?
        }
    };
    let set = prepare(&format!("revision {previous}"), &text, &topics.pipeline)?;
    topics.records.publish(next, &text)?;
    let restored = match previous {
        0 => "the pipeline file".to_owned(),
        revision => format!("revision {revision}"),
    };
    println!("revision {next} restores {restored}:");
    print!("{}", describe(&set));
    Ok(())
}

/// The text of an earlier roll-out as another revision, by whoever restores it.
fn restored(rollout: &PublishedRollout, revision: u64, signature: &Signature) -> Result<String, CommandError> {
    let restores = rollout.revision;
    let text = restoring(&rollout.text, &rollout.file, revision, restores);
    let default = || format!("back to revision {restores}");
    let description = signature.description.clone().unwrap_or_else(default);
    let text = because(&text, &read_rollout("the roll-out", &text)?, &description);
    let Some(author) = &signature.author.author else {
        return Ok(text);
    };
    Ok(by(&text, &read_rollout("the roll-out", &text)?, author))
}
