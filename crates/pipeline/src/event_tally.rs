//! What became of other events, by input and entity: for metrics and summaries.

use riskstream_engine::Event;
use riskstream_engine::plan::{InputKind, Plan};
use riskstream_features::Applied;
use std::collections::BTreeMap;

/// What became of the events of an input at an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Events that features of the entity count from now on.
    pub counted: u64,
    /// Events whose id was seen within the entity's `dedupe`.
    pub duplicate: u64,
    /// Events that came later than the entity's `lateness`.
    pub too_late: u64,
}

impl EventCounts {
    /// The counts with their names in metrics.
    pub fn named(&self) -> [(&'static str, u64); 3] {
        [
            ("counted", self.counted),
            ("duplicate", self.duplicate),
            ("too_late", self.too_late),
        ]
    }

    fn merge(&mut self, other: EventCounts) {
        self.counted += other.counted;
        self.duplicate += other.duplicate;
        self.too_late += other.too_late;
    }
}

/// Counts by input and by the stage of the entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventTally(BTreeMap<(u8, usize), EventCounts>);

impl EventTally {
    /// Counts an event that a stage has passed, if it is one of an input of other events. `applied`: what became of it; none if it
    /// has no key of the entity, or no feature of the stage uses it.
    pub fn add(&mut self, plan: &Plan, stage: usize, event: &Event, applied: Option<&Applied>) {
        let Some(applied) = applied.filter(|_| plan.kind(event.input) == InputKind::Events) else {
            return;
        };
        let counts = self.0.entry((event.input, stage)).or_default();
        if applied.duplicate {
            counts.duplicate += 1;
        } else if applied.too_late {
            counts.too_late += 1;
        } else {
            counts.counted += 1;
        }
    }

    /// Adds all counts of another one.
    pub fn merge(&mut self, other: &EventTally) {
        for (key, counts) in &other.0 {
            self.0.entry(*key).or_default().merge(*counts);
        }
    }

    /// Inputs, stages and their counts, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, usize, EventCounts)> {
        self.0.iter().map(|(&(input, stage), counts)| (input, stage, *counts))
    }
}
