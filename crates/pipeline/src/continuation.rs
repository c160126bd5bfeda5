//! Decides whether a task can continue with a state: it continues at the position of the state if the state belongs to the
//! topic, is not ahead of the committed position, and the log still has the records after it.

use crate::identity;
use crate::log::TopicIdentity;
use crate::stop_reason::{StopCode, StopReason};
use crate::task_progress::TaskProgress;
use riskstream_features::state::{StateError, StateStore};
use std::sync::Arc;

/// The position of a state, and the topic that it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatePosition {
    /// The topic that it has read.
    pub topic: TopicIdentity,
    /// The offset of the first record that is not in it; none if it is new.
    pub position: Option<i64>,
}

impl StatePosition {
    /// How far the state in a store is.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn of(store: &dyn StateStore) -> Result<StatePosition, StateError> {
        Ok(StatePosition {
            topic: TaskProgress::read(store)?.topic,
            position: store.position()?,
        })
    }
}

/// What the log and the group hold of a partition whose task keeps state.
#[derive(Clone, Debug)]
pub struct Continuation {
    /// The topic's name.
    pub name: Arc<str>,
    /// Whether it is a repartition topic.
    pub is_repartition: bool,
    /// Whether its task decides.
    pub decides: bool,
    /// Which topic of this name there is now.
    pub topic: TopicIdentity,
    /// The first offset, and the offset of the next record to be written.
    pub bounds: (i64, i64),
    /// The group's position, if it has one.
    pub committed: Option<i64>,
}

impl Continuation {
    /// Whether a state that was restored from elsewhere may be of more use than this one: it is new although the topic was written to
    /// or states began with files, or the log no longer has what follows its position.
    pub fn needs_restoration(&self, state: &StatePosition) -> bool {
        if self.bounds.1 == 0 && self.topic.cut_over.is_none() {
            return false;
        }
        state.position.is_none_or(|position| {
            let is_of_this_topic = !identity::is_other(&self.topic.id, &state.topic.id);
            is_of_this_topic && state.topic.epoch == self.topic.epoch && position < self.bounds.0
        })
    }

    /// The topic, in the epoch that the state has read last, and where the task begins to read it.
    ///
    /// # Errors
    /// There would be a hole, or the state belongs to another topic: why, and what to do.
    pub fn start(&self, state: &StatePosition) -> Result<(TopicIdentity, i64), StopReason> {
        if state.position.is_none() && self.topic.cut_over.is_some() {
            return Err(StopCode::StateLost.because(BUILT));
        }
        let topic = self.topic_of_state(&state.topic)?;
        // State of a former topic of this name goes on with this one from its beginning.
        let position = state.position.filter(|_| state.topic.epoch == topic.epoch);
        match (position, self.committed) {
            (Some(position), Some(committed)) if position > committed => Err(self.is_ahead(position, committed)),
            (None, Some(committed)) if self.bounds.0 > 0 && committed > self.bounds.0 => Err(self.is_lost(committed)),
            _ => Ok((topic, start(position, self.committed, self.bounds)?)),
        }
    }

    /// Up to where records were decided, if the state is ahead of the group's position.
    pub fn decided_ahead(&self, state: &StatePosition) -> Option<i64> {
        let is_of_this_topic = !identity::is_other(&self.topic.id, &state.topic.id);
        let is_current = is_of_this_topic && state.topic.epoch == self.topic.epoch;
        state.position.filter(|position| {
            self.decides && is_current && self.committed.is_some_and(|committed| *position > committed)
        })
    }

    /// Why a task without state is not begun.
    fn is_lost(&self, committed: i64) -> StopReason {
        let low = self.bounds.0;
        let (how, cost) = match self.decides {
            true => (
                "riskstream state repeat PIPELINE",
                format!(
                    ", and the records from {low} to {committed} are decided a second time, with the flag `repeated`"
                ),
            ),
            false => ("set the group's offset of this partition to it", String::new()),
        };
        StopCode::StateLost.because(format!(
            "its state is lost, the group has committed up to {committed}, and the log now begins at {low}, so the state cannot be \
             rebuilt. Restore the state directory; or start from nothing at {low} ({how}): features then know nothing of what came \
             before{cost}"
        ))
    }

    /// Why a state at `position` is not used.
    fn is_ahead(&self, position: i64, committed: i64) -> StopReason {
        let cost = match self.decides {
            true => format!(
                "the records from {committed} to {position} are decided a second time, with the flag `repeated`"
            ),
            false => "nothing is decided a second time: rows that were read before are dropped".to_owned(),
        };
        StopCode::StateAhead.because(format!(
            "its state stands at {position}, ahead of the group's committed position {committed}: the offsets were set back. \
             Restore the offsets; or remove this task's state directory: it is then built again from the log, and {cost}"
        ))
    }

    /// The topic in the epoch that the state has read last (`before`): the group may have forgotten it.
    fn topic_of_state(&self, before: &TopicIdentity) -> Result<TopicIdentity, StopReason> {
        if identity::is_other(&self.topic.id, &before.id) && self.topic.epoch <= before.epoch {
            return Err(match self.is_repartition {
                true => identity::other_repartition_topic(&self.name),
                false => identity::other_topic(&self.name),
            });
        }
        Ok(TopicIdentity {
            epoch: self.topic.epoch.max(before.epoch),
            ..self.topic.clone()
        })
    }
}

/// Why a task without state is not begun whose state began with files.
const BUILT: &str = "its state is lost. It was built from files (riskstream state build), so it cannot be rebuilt from the topics \
                     alone. Restore the state directory or a checkpoint; or build the states again from the same files and with the same \
                     --until: riskstream state build PIPELINE --input FILE --until OFFSETS";

/// Where a stage begins to read its topic: at the position of its state, which is never ahead of what was committed. There is
/// none if the state is new, or belongs to a former topic of this name: it goes on with this one from its beginning.
fn start(position: Option<i64>, committed: Option<i64>, (low, end): (i64, i64)) -> Result<i64, StopReason> {
    let position = match (position, committed) {
        (Some(position), _) => position,
        (None, Some(committed)) if committed > end => committed,
        (None, Some(committed)) => return Ok(low.min(committed)),
        (None, None) => low,
    };
    within(position, low, end)?;
    Ok(position)
}

/// Whether a log from `low` to `end` holds what follows `position`.
pub(crate) fn within(position: i64, low: i64, end: i64) -> Result<(), StopReason> {
    if position < low {
        return Err(position_gone(position, low));
    }
    if position > end {
        return Err(StopCode::PositionBeyondEnd.because(format!(
            "its position {position} is beyond the end of the log at {end}: records were lost on the broker, for example by an \
             unclean election, or the offsets were set forward. Restore the log or the offsets; or, for an input, \
             riskstream state reset PIPELINE --topic TOPIC reads the topic again from its beginning"
        )));
    }
    Ok(())
}

/// Why a log that now begins at `low` is not read from `position`.
pub(crate) fn position_gone(position: i64, low: i64) -> StopReason {
    StopCode::PositionGone.because(format!(
        "its position {position} is gone: the log now begins at {low}, {} records are missing. Give the topic a longer retention. To go \
         on with the hole, set the group's offset of this partition to {low} and remove its state directory: its features then know \
         nothing of what came before",
        low - position
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(id: &str, epoch: u32, position: Option<i64>) -> StatePosition {
        let topic = TopicIdentity {
            id: Some(id.into()),
            partitions: 1,
            epoch,
            ..TopicIdentity::default()
        };
        StatePosition { topic, position }
    }

    fn continuation(bounds: (i64, i64), committed: Option<i64>) -> Continuation {
        Continuation {
            name: "payments".into(),
            is_repartition: false,
            decides: true,
            topic: state("A", 1, None).topic,
            bounds,
            committed,
        }
    }

    #[test]
    fn a_state_goes_on_if_nothing_is_missing_behind_its_position() {
        let new = StatePosition::default();
        let cases = [
            // (bounds, committed, state, whether another may be of more use, start or a word of the reason)
            ((0, 0), None, new.clone(), false, Ok(0)),
            ((0, 9), Some(5), new.clone(), true, Ok(0)),
            ((3, 9), Some(5), new.clone(), true, Err("its state is lost")),
            ((3, 9), Some(5), state("A", 1, Some(3)), false, Ok(3)),
            (
                (3, 9),
                Some(5),
                state("A", 1, Some(2)),
                true,
                Err("1 records are missing"),
            ),
            (
                (3, 9),
                Some(5),
                state("A", 1, Some(6)),
                false,
                Err("ahead of the group's"),
            ),
            ((3, 9), None, state("A", 1, Some(6)), false, Ok(6)),
            ((0, 9), None, state("A", 1, Some(10)), false, Err("beyond the end")),
            // Another topic of this name, and one of which the user has said that it is to be read.
            ((3, 9), Some(5), state("B", 1, Some(2)), false, Err("another topic")),
            ((0, 9), Some(0), state("B", 0, Some(7)), false, Ok(0)),
        ];
        for (bounds, committed, state, needs, expected) in cases {
            let continuation = continuation(bounds, committed);
            assert_eq!(continuation.needs_restoration(&state), needs, "{state:?} {bounds:?}");
            match (expected, continuation.start(&state)) {
                (Ok(start), Ok((topic, found))) => assert_eq!((found, topic.epoch), (start, 1)),
                (Err(word), Err(reason)) => assert!(reason.detail.contains(word), "{reason}"),
                (expected, found) => panic!("{expected:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_state_that_began_with_files_is_not_begun_from_the_log_alone() {
        for bounds in [(0, 0), (0, 9)] {
            let mut continuation = continuation(bounds, Some(0));
            continuation.topic.cut_over = Some("0123abcd".into());
            let new = StatePosition::default();
            assert!(continuation.needs_restoration(&new));
            assert!(
                continuation
                    .start(&new)
                    .unwrap_err()
                    .detail
                    .contains("riskstream state build")
            );
            let built = state("A", 1, Some(0));
            assert!(!continuation.needs_restoration(&built));
            assert_eq!(continuation.start(&built).unwrap().1, 0);
        }
    }
}
