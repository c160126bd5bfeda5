//! The recorded decisions on a transaction, and the comparison with those that are made again.

use super::report::{FieldDifference, Recorded};
use crate::recording::{Manifest, Period, Records};
use crate::replay::decisions::{Compared, KeyAndHeaders};
use crate::replay::differences::of_json;
use crate::replay::{DecodeDecision, ReplayError};
use riskstream_events::{OwnedDecisionRecord, time};
use std::collections::BTreeSet;
use std::path::Path;

/// Records between two looks at whether to go on.
const RECORDS: u64 = 1024;

/// A recorded decision.
pub(super) struct RecordedDecision {
    pub(super) partition: usize,
    pub(super) offset: i64,
    /// When it was written, in milliseconds since the epoch.
    timestamp: Option<i64>,
    pub(super) decision: OwnedDecisionRecord,
    content: Vec<u8>,
    /// Whether it is the same as one that was made again.
    pub(super) is_repeated: bool,
}

/// A decision that was made again.
pub(super) struct ReplayedDecision {
    pub(super) decision: OwnedDecisionRecord,
    content: Vec<u8>,
}

/// The recorded decisions with this id, or on the event with this id, that were written in a period.
pub(super) fn find(
    directory: &Path,
    manifest: &Manifest,
    topic: &str,
    (id, period): (&str, Period),
    decode: &mut DecodeDecision<'_>,
    go_on: &mut dyn FnMut() -> Result<(), ReplayError>,
) -> Result<Vec<RecordedDecision>, ReplayError> {
    let mut found = Vec::new();
    // A text with one of these is written otherwise in JSON.
    let is_plain = !id.chars().any(|char| char.is_control() || char == '"' || char == '\\');
    let partitions = manifest.topic(topic).map_or(0, |topic| topic.partitions.len());
    for partition in 0..partitions {
        let mut records = Records::of(directory, manifest, topic, partition).written_in(period);
        let mut read = 0;
        while let Some(record) = records.read_next()? {
            read += 1;
            if read % RECORDS == 0 {
                go_on()?;
            }
            let value = record.value.as_deref().unwrap_or_default();
            if !period.holds(record.timestamp) || (is_plain && !contains(value, id.as_bytes())) {
                continue;
            }
            let Some(decision) = decode(value)? else { continue };
            if decision.decision_id != id && decision.event_id != id {
                continue;
            }
            let headers = record.headers.into_iter();
            let headers = headers.map(|(name, value)| (name, value.unwrap_or_default()));
            let compared = Compared::new(decision.clone(), (record.key.as_deref(), headers.collect()));
            found.push(RecordedDecision {
                partition,
                offset: record.offset,
                timestamp: record.timestamp,
                decision,
                content: compared.content,
                is_repeated: false,
            });
        }
    }
    Ok(found)
}

/// How far the clocks of those who write records may be apart, in milliseconds.
const CLOCKS: i64 = 600_000;

/// When the rows of these decisions were written, at the latest and at the earliest: between the record of the transaction and the
/// decision. All time if a decision does not say when its transaction was written.
pub(super) fn rows_written(recorded: &[RecordedDecision]) -> Period {
    let ingested = |recorded: &RecordedDecision| time::parse(&recorded.decision.latency.as_ref()?.ingested_at);
    let since: Option<Vec<i64>> = recorded.iter().map(ingested).collect();
    let until: Option<Vec<i64>> = recorded.iter().map(|recorded| recorded.timestamp).collect();
    let period = since.zip(until).and_then(|(since, until)| {
        let since = since.into_iter().min()?.div_euclid(1000);
        let until = until.into_iter().max()?;
        Some(Period {
            since: Some(since.min(until) - CLOCKS),
            until: Some(until.max(since) + CLOCKS),
        })
    });
    period.unwrap_or_default()
}

/// How many of these are not the same as another.
pub(super) fn distinct(recorded: &[RecordedDecision]) -> usize {
    let contents: BTreeSet<&[u8]> = recorded.iter().map(|recorded| &*recorded.content).collect();
    contents.len()
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else {
        return true;
    };
    let mut at = bytes;
    while let Some(next) = at.iter().position(|byte| byte == first) {
        at = &at[next + 1..];
        if at.starts_with(rest) {
            return true;
        }
    }
    false
}

impl ReplayedDecision {
    pub(super) fn new(decision: OwnedDecisionRecord, around: KeyAndHeaders<'_>) -> ReplayedDecision {
        let content = Compared::new(decision.clone(), around).content;
        let decision = OwnedDecisionRecord {
            latency: None,
            ..decision
        };
        ReplayedDecision { decision, content }
    }

    /// Takes the recorded decision that belongs to this one out of `left`: the first equal one, or else the first. Gives the fields
    /// in which it differs.
    pub(super) fn match_with(
        &self,
        left: &mut Vec<RecordedDecision>,
    ) -> (Option<RecordedDecision>, Vec<FieldDifference>) {
        let equal = left.iter().position(|recorded| recorded.content == self.content);
        let unmatched = || left.iter().position(|recorded| !recorded.is_repeated);
        let Some(at) = equal.or_else(unmatched) else {
            return (None, Vec::new());
        };
        let recorded = left.remove(at);
        for other in left.iter_mut().filter(|other| other.content == self.content) {
            other.is_repeated = true;
        }
        let parsed = |content: &[u8]| serde_json::from_slice(content).unwrap_or_default();
        let differences = of_json(&parsed(&recorded.content), &parsed(&self.content));
        let difference = |(field, recorded, again)| FieldDifference { field, recorded, again };
        (Some(recorded), differences.into_iter().map(difference).collect())
    }
}

impl From<RecordedDecision> for Recorded {
    fn from(recorded: RecordedDecision) -> Recorded {
        Recorded {
            partition: recorded.partition,
            offset: recorded.offset,
            decision: recorded.decision,
        }
    }
}
