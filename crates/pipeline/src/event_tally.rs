//! What became of other events and of rows, by input and entity: for metrics and summaries.

use riskstream_engine::Event;
use riskstream_engine::plan::{InputKind, Plan};
use riskstream_features::Applied;
use std::collections::BTreeMap;

/// What became of the events, or the rows, of an input at an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Events that features of the entity count from now on; rows that came before any transaction from which on they hold.
    pub counted: u64,
    /// Events whose id was seen within the entity's `dedupe`.
    pub duplicate: u64,
    /// Events that came later than the entity's `lateness`; rows for which that is true and whose place another one had taken.
    pub too_late: u64,
    /// Rows that came after a transaction from which on they hold: it was decided without them.
    pub late: u64,
}

impl EventCounts {
    /// The counts of events with their names in metrics.
    pub fn of_events(&self) -> [(&'static str, u64); 3] {
        [
            ("counted", self.counted),
            ("duplicate", self.duplicate),
            ("too_late", self.too_late),
        ]
    }

    /// The counts of rows with their names in metrics.
    pub fn of_rows(&self) -> [(&'static str, u64); 3] {
        [
            ("in_time", self.counted),
            ("late", self.late),
            ("superseded", self.too_late),
        ]
    }

    fn merge(&mut self, other: EventCounts) {
        self.counted += other.counted;
        self.duplicate += other.duplicate;
        self.too_late += other.too_late;
        self.late += other.late;
    }
}

/// Counts by input and by the stage of the entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventTally(BTreeMap<(u8, usize), EventCounts>);

impl EventTally {
    /// Counts an event that a stage has passed, if it is one of an input of other events, or a row. `applied`: what became of it;
    /// none if it has no key of the entity, or no feature of the stage uses it.
    pub fn add(&mut self, plan: &Plan, stage: usize, event: &Event, applied: Option<&Applied>) {
        let kind = plan.kind(event.input);
        let is_counted = matches!(kind, InputKind::Events | InputKind::Table);
        let Some(applied) = applied.filter(|_| is_counted) else {
            return;
        };
        let counts = self.0.entry((event.input, stage)).or_default();
        if applied.duplicate {
            counts.duplicate += 1;
        } else if applied.too_late {
            counts.too_late += 1;
        } else if applied.overtaken {
            counts.late += 1;
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
