//! Checks whether a group's committed position belongs to the topic that now has this name. A topic that was deleted and
//! created again has other records at the same offsets; in one with another number of partitions, keys lie in other
//! partitions than their state (docs/adr/0020-identity-of-topics.md).

use crate::log::{LogTopic, TopicIdentity};
use crate::stop_reason::{StopCode, StopReason};
use std::sync::Arc;

/// The role of a topic for the task that reads it or writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keying {
    /// Its records are sent on by their keys: it may get more partitions.
    Free,
    /// Its partitions are those of the state: their number cannot change.
    ByState,
}

/// The identity of `topic`, called `name`, for the positions that a task of `chain` will commit.
///
/// # Errors
/// What was committed belongs to another topic of this name, or to other tasks: why, and what to do.
pub fn identify(name: &str, topic: &LogTopic, keying: Keying, chain: &Arc<str>) -> Result<TopicIdentity, StopReason> {
    for committed in &topic.committed {
        if let Some(before) = committed.chain.as_ref().filter(|before| *before != chain) {
            return Err(other_chain(name, before, chain));
        }
        if is_other(&topic.id, &committed.id) {
            return Err(created_again(name));
        }
        if keying == Keying::ByState && committed.partitions != 0 && committed.partitions != topic.partitions {
            return Err(StopCode::PartitionsChanged.because(format!(
                "{name} had {} partitions and now has {}: the state of its keys lies in the partitions that they had. Give the \
                 pipeline another name, so that it builds new state with new internal topics; or create the topic again \
                 with {0} partitions",
                committed.partitions, topic.partitions
            )));
        }
    }
    Ok(TopicIdentity {
        id: topic.id.clone(),
        partitions: topic.partitions,
        epoch: topic
            .committed
            .iter()
            .map(|committed| committed.epoch)
            .max()
            .unwrap_or(0),
        chain: Some(Arc::clone(chain)),
        sources: Vec::new(),
        cut_over: cut_over(topic),
    })
}

/// Whether topics of these names, which are written to a repartition topic, are those that were written to it before, or the
/// user has said that others are to be read. `committed`: what positions in the repartition topic say.
///
/// # Errors
/// One was created again.
pub fn check_sources(
    names: &[&str],
    sources: &[(Option<Arc<str>>, u32)],
    committed: &[TopicIdentity],
) -> Result<(), StopReason> {
    for before in committed {
        for ((name, now), before) in names.iter().zip(sources).zip(&before.sources) {
            if is_other(&now.0, &before.0) && now.1 <= before.1 {
                return Err(other_topic(name));
            }
        }
    }
    Ok(())
}

/// Whether both ids are known, and differ.
pub fn is_other(one: &Option<Arc<str>>, other: &Option<Arc<str>>) -> bool {
    one.is_some() && other.is_some() && one != other
}

/// Why a topic is not read that was created again, and what to do.
fn created_again(name: &str) -> StopReason {
    StopCode::OtherTopic.because(format!(
        "{name} was deleted and created again: its records are others than those that were read. {}",
        reset(name)
    ))
}

/// Why an input is not read that is another topic than the one from which state or rows come.
pub fn other_topic(name: &str) -> StopReason {
    StopCode::OtherTopic.because(format!(
        "{name} is another topic than the one that was read before: it was deleted and created again, or the pipeline file \
         names another one now. {}",
        reset(name)
    ))
}

/// Why a repartition topic is not read that is another topic than the one from which the state comes.
pub fn other_repartition_topic(name: &str) -> StopReason {
    StopCode::OtherTopic.because(format!(
        "its state comes from another topic than {name}, which was deleted and created again, or is new because {CHANGED}. \
         Rows on their way to the state may be lost. Give the pipeline another name, so that it builds new state"
    ))
}

fn reset(name: &str) -> String {
    format!(
        "To read it from its beginning, with the features as they are, end all copies: riskstream state reset PIPELINE --topic \
         {name}"
    )
}

/// What makes another chain of the same pipeline.
const CHANGED: &str = "`key:`, the inputs in use, the entities, their keys (the field, its type, whether it is personal), \
                       `rollout:`, `lists:` or tables with a topic have changed in the pipeline file";

/// Why a topic is not read that was read by other tasks.
fn other_chain(name: &str, before: &str, now: &str) -> StopReason {
    let words = |chain: &str| chain.replace('>', " > ").replace(':', " by ").replace('/', " as ");
    StopCode::OtherChain.because(format!(
        "{name} was read as {}, and would now be read as {}: {CHANGED}. Rows on their way would be lost, \
         and features would start from nothing. Give the pipeline another name, so that it builds new state; or restore the \
         pipeline file",
        words(before),
        words(now)
    ))
}

/// The identity of `topic` for positions from which it is read as another topic than before, in this epoch or a later one.
pub fn renew(topic: &LogTopic, epoch: u32) -> TopicIdentity {
    let before = topic.committed.iter().map(|committed| committed.epoch).max();
    TopicIdentity {
        id: topic.id.clone(),
        partitions: topic.partitions,
        epoch: before.map_or(epoch, |before| epoch.max(before.saturating_add(1))),
        chain: None,
        sources: Vec::new(),
        cut_over: cut_over(topic),
    }
}

/// The cut-over that the group's positions in a topic name, if states began with files.
pub fn cut_over(topic: &LogTopic) -> Option<Arc<str>> {
    topic.committed.iter().find_map(|committed| committed.cut_over.clone())
}

/// Bits of an event's number that its offset has; those above hold the topic's epoch.
const OFFSET_BITS: u32 = 40;

/// The number of the event at `offset`, from 1. Events of a topic that was created again have larger numbers than those of the
/// former one, so none is mistaken for one that its reader has seen.
pub fn sequence(epoch: u32, offset: i64) -> i64 {
    (i64::from(epoch) << OFFSET_BITS) + offset + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(id: &str, partitions: i32, committed: &[(&str, i32, u32)]) -> LogTopic {
        let identity = |&(id, partitions, epoch): &(&str, i32, u32)| TopicIdentity {
            id: (!id.is_empty()).then(|| id.into()),
            partitions,
            epoch,
            ..TopicIdentity::default()
        };
        LogTopic {
            id: (!id.is_empty()).then(|| id.into()),
            partitions,
            committed: committed.iter().map(identity).collect(),
        }
    }

    #[test]
    fn a_topic_that_was_created_again_or_has_grown_under_state_is_refused() {
        let cases = [
            // (id, partitions, committed, keying, epoch or a word of the reason)
            ("A", 4, vec![], Keying::ByState, Ok(0)),
            ("A", 4, vec![("A", 4, 2), ("A", 4, 0)], Keying::ByState, Ok(2)),
            ("", 4, vec![("A", 4, 0)], Keying::ByState, Ok(0)),
            ("A", 4, vec![("", 0, 0)], Keying::ByState, Ok(0)),
            ("B", 4, vec![("A", 4, 0)], Keying::Free, Err("created again")),
            ("A", 4, vec![("A", 1, 0)], Keying::Free, Ok(0)),
            (
                "A",
                4,
                vec![("A", 1, 0)],
                Keying::ByState,
                Err("had 1 partitions and now has 4"),
            ),
        ];
        for (id, partitions, committed, keying, expected) in cases {
            let chain = "card:card_id/text>decisions".into();
            let identified = identify("payments", &topic(id, partitions, &committed), keying, &chain);
            match (expected, identified) {
                (Ok(epoch), Ok(identity)) => assert_eq!((identity.epoch, identity.partitions), (epoch, partitions)),
                (Err(word), Err(reason)) => assert!(reason.detail.contains(word), "{reason}"),
                (expected, identified) => panic!("{expected:?}: {identified:?}"),
            }
        }
    }

    #[test]
    fn positions_of_another_chain_are_refused() {
        let chain = |chain: &str| Some(Arc::from(chain));
        let now: Arc<str> = "ingest>card:card_id/text>decisions".into();
        for (before, is_refused) in [
            (None, false),
            (chain("ingest>card:card_id/text>decisions"), false),
            (chain("card:card_id/text>decisions"), true),
        ] {
            let mut topic = topic("B", 4, &[("B", 4, 0)]);
            topic.committed[0].chain = before;
            match identify("payments", &topic, Keying::Free, &now) {
                Ok(identity) => assert_eq!((is_refused, identity.chain), (false, Some(Arc::clone(&now)))),
                Err(reason) => {
                    assert!(is_refused, "{reason}");
                    let ways = "card by card_id as text > decisions, and would now be read as ingest > card by card_id as text > decisions";
                    assert!(reason.detail.contains(ways), "{reason}");
                    assert!(!reason.detail.contains("created again"), "{reason}");
                }
            }
        }
    }

    #[test]
    fn a_source_that_was_created_again_is_refused_until_its_epoch_grows() {
        let id = |id: &str| Some(Arc::from(id));
        let before = TopicIdentity {
            sources: vec![(id("A"), 0), (id("L"), 7)],
            ..TopicIdentity::default()
        };
        let check = |payments: (Option<Arc<str>>, u32), labels: (Option<Arc<str>>, u32)| {
            let names = ["payments", "labels"];
            check_sources(&names, &[payments, labels], std::slice::from_ref(&before))
        };
        assert_eq!(check((id("A"), 0), (id("L"), 0)), Ok(()));
        assert_eq!(check((id("B"), 1), (None, 0)), Ok(()));
        assert!(
            check((id("B"), 0), (id("L"), 7))
                .unwrap_err()
                .detail
                .contains("payments")
        );
        assert!(check((id("A"), 0), (id("M"), 7)).unwrap_err().detail.contains("labels"));
    }

    #[test]
    fn events_of_a_later_epoch_have_larger_numbers() {
        assert_eq!(sequence(0, 0), 1);
        assert!(sequence(1, 0) > sequence(0, 1 << 39));
    }
}
