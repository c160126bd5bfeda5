//! Roll-outs that others must approve: proposed, approved, applied.

use super::describe::describe;
use super::draft::{Author, Signature, draft};
use super::topics::{Topics, configuration, published};
use crate::commands::error::CommandError;
use crate::rollout::{History, PublishedRollout, is_same_person};
use riskstream_definition::{changes, prepare, read_rollout};
use std::path::Path;

pub(super) fn approvals(count: u32) -> String {
    match count {
        1 => "1 approval".to_owned(),
        many => format!("{many} approvals"),
    }
}

pub(super) fn propose(topics: &Topics, path: &Path, signature: &Signature) -> Result<(), CommandError> {
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
    topics.records.publish(draft.revision, &draft.text)?;
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
    let rollout = published(history, revision)?;
    let in_force = history.revision_in_force();
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
        rollout.revision, rollout.sha256
    )
}

pub(super) fn approve(topics: &Topics, revision: u64, approver: &Author) -> Result<(), CommandError> {
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
    let in_force = history.text_in_force();
    topics.records.publish_approval(&step("approves", rollout, name))?;
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

pub(super) fn apply_approved(topics: &Topics, revision: u64, signature: &Signature) -> Result<(), CommandError> {
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
    topics
        .records
        .publish_application(&step("applies", rollout, signature.author.name()?))?;
    println!("revision {revision} is on its way to every copy:");
    print!("{}", describe(&set));
    Ok(())
}
