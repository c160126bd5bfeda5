//! Whether what a group has committed for a topic belongs to the topic that there is now. A topic that was deleted and created
//! again has other records at the same offsets; in one with another number of partitions, keys lie in other partitions than
//! their state (docs/adr/0020-identity-of-topics.md).

use crate::log::{Topic, TopicIdentity};

/// What a topic is to the task that reads it or writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keying {
    /// Its records are sent on by their keys: it may get more partitions.
    Free,
    /// Its partitions are those of the state: their number cannot change.
    ByState,
}

/// The identity of `topic`, called `name`, for the positions that will be committed.
///
/// # Errors
/// What was committed belongs to another topic of this name: why, and what to do.
pub fn identify(name: &str, topic: &Topic, keying: Keying) -> Result<TopicIdentity, String> {
    for committed in &topic.committed {
        if let (Some(now), Some(before)) = (&topic.id, &committed.id)
            && now != before
        {
            return Err(format!(
                "{name} was deleted and created again: the group's positions belong to the topic with the id {before}, this one \
                 has the id {now}. To read it from its beginning, with the features as they are: riskstream state reset PIPELINE \
                 --topic {name}"
            ));
        }
        if keying == Keying::ByState && committed.partitions != 0 && committed.partitions != topic.partitions {
            return Err(format!(
                "{name} had {} partitions and now has {}: the state of its keys lies in the partitions that they had. Give the \
                 pipeline another name, so that it builds its state anew with new internal topics; or create the topic again \
                 with {0} partitions",
                committed.partitions, topic.partitions
            ));
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
    })
}

/// The identity of `topic` for positions from which it is read as another topic than before.
pub fn renew(topic: &Topic) -> TopicIdentity {
    let epoch = topic.committed.iter().map(|committed| committed.epoch).max();
    TopicIdentity {
        id: topic.id.clone(),
        partitions: topic.partitions,
        epoch: epoch.map_or(1, |epoch| epoch.saturating_add(1)),
    }
}

/// Bits of an event's number that its offset has; those above hold the topic's epoch.
const OFFSET_BITS: u32 = 48;

/// The number of the event at `offset`, from 1. Events of a topic that was created again have larger numbers than those of the
/// former one, so none is mistaken for one that its reader has seen.
pub fn sequence(epoch: u16, offset: i64) -> i64 {
    (i64::from(epoch) << OFFSET_BITS) + offset + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(id: &str, partitions: i32, committed: &[(&str, i32, u16)]) -> Topic {
        let identity = |&(id, partitions, epoch): &(&str, i32, u16)| TopicIdentity {
            id: (!id.is_empty()).then(|| id.into()),
            partitions,
            epoch,
        };
        Topic {
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
            let identified = identify("payments", &topic(id, partitions, &committed), keying);
            match (expected, identified) {
                (Ok(epoch), Ok(identity)) => assert_eq!((identity.epoch, identity.partitions), (epoch, partitions)),
                (Err(word), Err(reason)) => assert!(reason.contains(word), "{reason}"),
                (expected, identified) => panic!("{expected:?}: {identified:?}"),
            }
        }
    }

    #[test]
    fn events_of_a_later_epoch_have_larger_numbers() {
        assert_eq!(sequence(0, 0), 1);
        assert!(sequence(1, 0) > sequence(0, 1 << 40));
    }
}
