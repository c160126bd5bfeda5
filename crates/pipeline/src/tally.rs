//! Counts of one batch, for metrics.

use crate::event_tally::EventTally;
use crate::log::TopicPartition;
use crate::model_tally::ModelTally;
use crate::rule_tally::RuleTally;
use riskstream_events::Outcome;
use std::collections::BTreeMap;

/// Counts of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events applied, or sent on by an ingest task.
    pub events: u64,
    /// Decisions by outcome.
    pub decisions: BTreeMap<Outcome, u64>,
    /// Decisions made without the score of the model that was to decide.
    pub degraded: u64,
    /// What each model did.
    pub models: ModelTally,
    /// What each rule did.
    pub rules: RuleTally,
    /// Decisions flagged as duplicates.
    pub duplicates: u64,
    /// Decisions flagged as late.
    pub late: u64,
    /// Rows of repartition topics that were dropped because they were read before.
    pub repeated_rows: u64,
    /// Events of which a feature leaves out a number, or rounds it to 0. Labels and other events are among them, which get
    /// no decision.
    pub inexact: u64,
    /// Labels that no feature of an entity counts, as they came later than its lateness; by the entity's stage.
    pub too_late_labels: BTreeMap<usize, u64>,
    /// What became of other events at the entities that use them.
    pub other_events: EventTally,
    /// Records that a filter of their input left out, and ignored tombstones.
    pub filtered: u64,
    /// Events whose time is doubtful, see [`InputPlan::is_implausible`](riskstream_engine::plan::InputPlan::is_implausible).
    pub doubtful_times: u64,
    /// Where the first of them was read.
    pub first_doubtful: Option<(TopicPartition, i64)>,
    /// Events with another key than their topic is keyed by, see [`KeyRule`](crate::KeyRule), and records before which a
    /// partition was stopped because of their key.
    pub key_mismatches: u64,
    /// Microseconds from the input record's log timestamp to the decision, one for each decision.
    pub latencies: Vec<i64>,
}

impl Tally {
    /// Counts an event whose time is doubtful.
    pub(crate) fn add_doubtful(&mut self, at: &TopicPartition, offset: i64) {
        self.doubtful_times += 1;
        self.first_doubtful.get_or_insert_with(|| (at.clone(), offset));
    }
}
