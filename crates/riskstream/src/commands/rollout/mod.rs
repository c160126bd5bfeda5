//! `riskstream rollout`: changes what decides in a running pipeline.

mod describe;
mod topic;

use super::error::CommandError;
use super::target::Target;
use crate::pipeline_file::{self, read_rollout_text};
use crate::rollout::{History, PublishedRollout, by, is_same_person, restoring, with_key};
use anyhow::anyhow;
use describe::{describe, show_history};
use riskstream_definition::{Report, changes, completed, prepare, read_rollout, sections};
use std::path::{Path, PathBuf};
use topic::RolloutTopics;

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

/// Who does something.
#[derive(clap::Args)]
struct Author {
    /// Who does it; by default the user of this computer
    #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
    author: Option<String>,
}

/// Who does something, and why.
#[derive(clap::Args)]
struct Signature {
    #[command(flatten)]
    author: Author,
    /// Why, in a sentence; if the file does not say so
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

/// Runs the action.
///
/// # Errors
/// The pipeline file or the roll-out is wrong, or Kafka cannot be reached or refuses.
pub fn execute(args: Args) -> Result<(), CommandError> {
    match args.action {
        Action::Check { pipeline, rollout } => {
            let set = pipeline_file::load_rollout(&rollout, &pipeline_file::load(&pipeline)?)?;
            println!("{}: ok", rollout.display());
            print!("{}", describe(&set));
            Ok(())
        }
        Action::Apply {
            target,
            rollout,
            signature,
        } => {
            let topics = RolloutTopics::open(&target)?;
            match revision_of(&rollout) {
                Some(revision) => apply_approved(&topics, revision, &signature),
                None => apply(&topics, Path::new(&rollout), &signature),
            }
        }
        Action::Propose {
            target,
            rollout,
            signature,
        } => propose(&RolloutTopics::open(&target)?, &rollout, &signature),
        Action::Approve {
            target,
            revision,
            approver,
        } => approve(&RolloutTopics::open(&target)?, revision, &approver),
        Action::Back { target, to, signature } => back(&RolloutTopics::open(&target)?, to, &signature),
        Action::Diff { target, rollout, other } => diff(&RolloutTopics::open(&target)?, &rollout, other.as_deref()),
        Action::History { target } => {
            show_history(&RolloutTopics::open(&target)?.history()?);
            Ok(())
        }
        Action::Show { target, revision } => show(&RolloutTopics::open(&target)?.history()?, revision),
    }
}

/// The revision that an argument names, unless it is a file.
fn revision_of(argument: &str) -> Option<u64> {
    argument.parse().ok().filter(|_| !Path::new(argument).exists())
}

fn configuration(why: String) -> CommandError {
    CommandError::configuration(anyhow!(why))
}

impl Signature {
    /// The text with who and why, where it does not say so.
    fn sign(&self, name: &str, text: &str) -> Result<String, CommandError> {
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
    fn name(&self) -> Result<&str, CommandError> {
        let name = self.author.as_deref().map(str::trim).filter(|name| !name.is_empty());
        name.ok_or_else(|| configuration("say who you are: --author NAME".to_owned()))
    }
}

/// A roll-out file as it would be written.
struct Draft {
    revision: u64,
    text: String,
    /// The sections that stay as they are in force.
    kept: Vec<String>,
    /// What it changes.
    changes: Vec<String>,
}

/// Reads a roll-out file, and adds its revision, its author and the sections that stay.
fn draft(topics: &RolloutTopics, history: &History, path: &Path, signature: &Signature) -> Result<Draft, CommandError> {
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
    let in_force = history.in_force().map_or("", |rollout| rollout.text.as_str());
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
    fn print(&self) {
        if !self.kept.is_empty() {
            println!("  as in force: {}", self.kept.join(", "));
        }
        self.changes.iter().for_each(|line| println!("  {line}"));
    }
}

fn apply(topics: &RolloutTopics, path: &Path, signature: &Signature) -> Result<(), CommandError> {
    let history = topics.history()?;
    if history.required() > 0 {
        return Err(configuration(format!(
            "the pipeline requires {} of others: riskstream rollout propose, then approve, then apply REVISION",
            approvals(history.required())
        )));
    }
    let draft = draft(topics, &history, path, signature)?;
    let set = prepare(&path.display().to_string(), &draft.text, &topics.pipeline)?;
    topics.publish(draft.revision, &draft.text)?;
    println!("revision {} is on its way to every copy:", set.revision);
    print!("{}", describe(&set));
    draft.print();
    Ok(())
}

fn approvals(count: u32) -> String {
    match count {
        1 => "1 approval".to_owned(),
        many => format!("{many} approvals"),
    }
}

fn propose(topics: &RolloutTopics, path: &Path, signature: &Signature) -> Result<(), CommandError> {
    let history = topics.history()?;
    if history.required() == 0 {
        return Err(configuration(
            "the pipeline requires no approvals (`rollout: {approvals: 1}`): riskstream rollout apply".to_owned(),
        ));
    }
    let draft = draft(topics, &history, path, signature)?;
    let set = prepare(&path.display().to_string(), &draft.text, &topics.pipeline)?;
    if read_rollout("the roll-out", &draft.text)?.author.is_none() {
        return Err(configuration("say who you are: --author NAME".to_owned()));
    }
    topics.publish(draft.revision, &draft.text)?;
    println!("revision {} is proposed:", draft.revision);
    print!("{}", describe(&set));
    draft.print();
    println!(
        "it needs {}: riskstream rollout approve PIPELINE {}",
        approvals(history.required()),
        draft.revision
    );
    Ok(())
}

/// A proposal that has not taken effect and still can.
fn proposal(history: &History, revision: u64) -> Result<&PublishedRollout, CommandError> {
    let Some(rollout) = history.get(revision) else {
        return Err(configuration(format!(
            "there is no revision {revision}: riskstream rollout history"
        )));
    };
    let in_force = history.in_force().map_or(0, |rollout| rollout.revision);
    match revision {
        _ if history.takes_effect(rollout) => Err(configuration(format!("revision {revision} was applied already"))),
        revision if revision < in_force => Err(configuration(format!(
            "revision {in_force} is in force, and {revision} was proposed before it: propose it again"
        ))),
        _ => Ok(rollout),
    }
}

/// A record about a roll-out with just this text.
fn step(word: &str, rollout: &PublishedRollout, author: &str) -> String {
    let author = serde_json::Value::from(author);
    format!(
        "{word}: {}\nsha256: {}\nauthor: {author}\n",
        rollout.revision,
        rollout.sha256()
    )
}

fn approve(topics: &RolloutTopics, revision: u64, approver: &Author) -> Result<(), CommandError> {
    let history = topics.history()?;
    let (name, rollout) = (approver.name()?, proposal(&history, revision)?);
    let Some(author) = rollout.author() else {
        return Err(configuration(format!(
            "revision {revision} has no author: it cannot be approved"
        )));
    };
    if is_same_person(author, name) {
        return Err(configuration(format!(
            "revision {revision} is by {author}: someone else must approve it"
        )));
    }
    let before = history.approvals(rollout);
    if before.iter().any(|approval| is_same_person(&approval.author, name)) {
        return Err(configuration(format!(
            "{name} has approved revision {revision} already"
        )));
    }
    let in_force = history.in_force().map_or("", |rollout| rollout.text.as_str());
    topics.publish_approval(&step("approves", rollout, name))?;
    let count = before.len() + 1;
    println!(
        "{name} approves revision {revision} by {author}: {count} of {}",
        history.required()
    );
    changes(&topics.pipeline, in_force, &rollout.text)
        .iter()
        .for_each(|line| println!("  {line}"));
    if count >= history.required() as usize {
        println!("to put it in force: riskstream rollout apply PIPELINE {revision}");
    }
    Ok(())
}

fn apply_approved(topics: &RolloutTopics, revision: u64, signature: &Signature) -> Result<(), CommandError> {
    let history = topics.history()?;
    let rollout = proposal(&history, revision)?;
    if !history.is_approved(rollout) {
        return Err(configuration(format!(
            "revision {revision} has {} of {}: riskstream rollout approve",
            history.approvals(rollout).len(),
            approvals(history.required())
        )));
    }
    // Since it was proposed, models and the pipeline file may have changed.
    let set = prepare(&format!("revision {revision}"), &rollout.text, &topics.pipeline)?;
    topics.publish_application(&step("applies", rollout, signature.author.name()?))?;
    println!("revision {revision} is on its way to every copy:");
    print!("{}", describe(&set));
    Ok(())
}

fn back(topics: &RolloutTopics, to: Option<u64>, signature: &Signature) -> Result<(), CommandError> {
    let history = topics.history()?;
    let in_force = history.in_force().map_or(0, |rollout| rollout.revision);
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
    let text = match history.get(previous) {
        Some(rollout) if !history.takes_effect(rollout) => {
            return Err(configuration(format!("revision {previous} was never in force")));
        }
        Some(PublishedRollout { text, file, .. }) => restored(text, file, next, previous, signature)?,
        None if previous == 0 => signature.sign("the roll-out", &format!("revision: {next}\nrestores: 0\n"))?,
        None => {
            return Err(configuration(format!(
                "there is no revision {previous}: riskstream rollout history"
            )));
        }
    };
    let set = prepare(&format!("revision {previous}"), &text, &topics.pipeline)?;
    topics.publish(next, &text)?;
    let restored = match previous {
        0 => "the pipeline file".to_owned(),
        revision => format!("revision {revision}"),
    };
    println!("revision {next} restores {restored}:");
    print!("{}", describe(&set));
    Ok(())
}

/// The text of an earlier roll-out as another revision, by whoever restores it.
fn restored(
    text: &str,
    file: &riskstream_definition::syntax::RolloutFile,
    revision: u64,
    restores: u64,
    signature: &Signature,
) -> Result<String, CommandError> {
    let text = restoring(text, file, revision, restores);
    let Some(author) = &signature.author.author else {
        return Ok(text);
    };
    Ok(by(&text, &read_rollout("the roll-out", &text)?, author))
}

fn diff(topics: &RolloutTopics, rollout: &str, other: Option<&str>) -> Result<(), CommandError> {
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
        Some(revision) => history
            .get(revision)
            .map(|rollout| rollout.text.clone())
            .ok_or_else(|| configuration(format!("there is no revision {revision}: riskstream rollout history"))),
        None => {
            let text = read_rollout_text(Path::new(argument)).map_err(|error| Report::unreadable(argument, &error))?;
            read_rollout(argument, &text)?;
            Ok(completed(&text, in_force).0)
        }
    }
}

fn show(history: &History, revision: Option<u64>) -> Result<(), CommandError> {
    let wanted = revision.or_else(|| history.in_force().map(|rollout| rollout.revision));
    match wanted {
        None => println!("nothing was rolled out: the pipeline file decides"),
        Some(revision) => match history.get(revision) {
            Some(rollout) => print!("{}", rollout.text),
            None => {
                return Err(configuration(format!(
                    "there is no revision {revision}: riskstream rollout history"
                )));
            }
        },
    }
    Ok(())
}
