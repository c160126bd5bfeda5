//! `--until`: the offsets up to which files take the place of the topics of the inputs.

use crate::clock::SystemClock;
use crate::commands::error::CommandError;
use crate::commands::time_argument::{TimeArgument, time_argument};
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_kafka::{GroupTopic, KafkaOptions, Scanned, Span, TimeRange, TopicScan, spans};
use riskstream_pipeline::Clock;
use riskstream_pipeline::log::LogError;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the first record behind the files is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The ends of the topics.
    Latest,
    /// The first record of each partition that was not written before this time.
    Time(TimeArgument),
    /// These offsets, by topic and partition.
    Offsets(BTreeMap<(String, i32), i64>),
}

/// The argument.
///
/// # Errors
/// It is none of the three: what to write.
pub(super) fn until(text: &str) -> Result<Until, String> {
    if text == "latest" {
        return Ok(Until::Latest);
    }
    if !text.contains('=') {
        let time = time_argument(text).map(Until::Time);
        return time.map_err(|_| {
            "write TOPIC:PARTITION=OFFSET,… for each partition of each input; or latest; or a time or a duration before now: \
             2026-12-31T09:30:00Z, 2h"
                .to_owned()
        });
    }
    let mut offsets = BTreeMap::new();
    for part in text.split(',') {
        let parsed =
            offset(part).ok_or_else(|| format!("`{part}` is not TOPIC:PARTITION=OFFSET, such as payments:0=1200"))?;
        if offsets.insert(parsed.0.clone(), parsed.1).is_some() {
            return Err(format!("{}:{} is named twice", parsed.0.0, parsed.0.1));
        }
    }
    Ok(Until::Offsets(offsets))
}

fn offset(part: &str) -> Option<((String, i32), i64)> {
    let (place, offset) = part.trim().split_once('=')?;
    let (topic, partition) = place.rsplit_once(':')?;
    let (partition, offset): (i32, i64) = (partition.parse().ok()?, offset.parse().ok()?);
    (partition >= 0 && offset >= 0 && !topic.is_empty()).then(|| ((topic.to_owned(), partition), offset))
}

/// The cut-over.
pub(super) struct Resolved {
    /// The first offset behind the files, by input and partition.
    pub(super) offsets: Vec<Vec<i64>>,
    /// When the first record behind the files was written, in microseconds since the epoch: now, if there is none.
    pub(super) time: i64,
}

/// Looks up what was asked for. `inputs`: the topics of the inputs, in the plan's order.
///
/// # Errors
/// An offset is missing, names no partition of an input, or is not in its topic; or Kafka cannot be reached or refuses.
pub(super) fn resolve(
    until: &Until,
    compiled: &Compiled,
    kafka: &KafkaOptions,
    inputs: &[GroupTopic],
) -> Result<Resolved, CommandError> {
    let ends = |input: &GroupTopic| input.positions.iter().map(|position| position.end).collect();
    match until {
        Until::Latest => Ok(Resolved {
            offsets: inputs.iter().map(ends).collect(),
            time: SystemClock.now(),
        }),
        Until::Time(time) => {
            let milliseconds = time.milliseconds();
            let before = TimeRange {
                until: Some(milliseconds),
                ..TimeRange::default()
            };
            let offsets = inputs.iter().map(|input| {
                let spans = spans(kafka, &input.name, before)?;
                Ok(spans.iter().map(|span| span.end).collect())
            });
            Ok(Resolved {
                offsets: offsets.collect::<Result<_, LogError>>().map_err(CommandError::failed)?,
                time: milliseconds.saturating_mul(1000),
            })
        }
        Until::Offsets(named) => {
            let offsets = named_offsets(named, compiled, inputs).map_err(CommandError::configuration)?;
            let time = first_written(kafka, inputs, &offsets).map_err(CommandError::failed)?;
            Ok(Resolved {
                time: time.map_or_else(|| SystemClock.now(), |milliseconds| milliseconds.saturating_mul(1000)),
                offsets,
            })
        }
    }
}

/// The offsets that were named, of every partition of every input.
fn named_offsets(
    named: &BTreeMap<(String, i32), i64>,
    compiled: &Compiled,
    inputs: &[GroupTopic],
) -> anyhow::Result<Vec<Vec<i64>>> {
    let mut unknown = named.clone();
    let mut offsets = Vec::with_capacity(inputs.len());
    for input in inputs {
        let partitions = input.positions.iter().map(|position| {
            let place = (input.name.clone(), position.partition);
            unknown.remove(&place);
            let offset = named.get(&place).copied().ok_or_else(|| {
                let (topic, partition) = &place;
                anyhow!(
                    "--until lacks {topic}:{partition}=OFFSET; the topic has the offsets {} to {}",
                    position.after,
                    position.end
                )
            })?;
            check(input, position.partition, offset, position.after, position.end)?;
            Ok(offset)
        });
        offsets.push(partitions.collect::<anyhow::Result<Vec<i64>>>()?);
    }
    if let Some((topic, partition)) = unknown.keys().next() {
        let topics = inputs
            .iter()
            .map(|input| format!("{} with {} partitions", input.name, input.topic.partitions));
        let topics: Vec<String> = topics.collect();
        return Err(anyhow!(
            "--until {topic}:{partition}: no partition of an input of {}: {}",
            compiled.plan.name,
            topics.join(", ")
        ));
    }
    Ok(offsets)
}

fn check(input: &GroupTopic, partition: i32, offset: i64, begin: i64, end: i64) -> anyhow::Result<()> {
    let name = &input.name;
    if offset > end {
        return Err(anyhow!("--until {name}:{partition}={offset}: the topic ends at {end}"));
    }
    if offset < begin {
        return Err(anyhow!(
            "--until {name}:{partition}={offset}: the topic now begins at {begin}, so the records between would be missing. Let the \
             files reach further, and choose an offset from {begin} to {end}"
        ));
    }
    Ok(())
}

/// When the first record behind the files was written, in milliseconds since the epoch.
fn first_written(kafka: &KafkaOptions, inputs: &[GroupTopic], offsets: &[Vec<i64>]) -> Result<Option<i64>, LogError> {
    let mut first = None;
    for (input, offsets) in inputs.iter().zip(offsets) {
        for (position, begin) in input.positions.iter().zip(offsets) {
            let span = Span {
                begin: *begin,
                end: position.end,
            };
            let Some(written) = written(kafka, &input.name, position.partition, span)? else {
                continue;
            };
            first = Some(first.map_or(written, |first: i64| first.min(written)));
        }
    }
    Ok(first)
}

/// When the first record of a span was written.
fn written(kafka: &KafkaOptions, topic: &str, partition: i32, span: Span) -> Result<Option<i64>, LogError> {
    if span.is_empty() {
        return Ok(None);
    }
    let mut scan = TopicScan::of_spans(kafka, topic, BTreeMap::from([(partition, span)]))?;
    match scan.next(TIMEOUT)? {
        Scanned::Record(record) => Ok(record.timestamp),
        Scanned::Nothing | Scanned::End => Ok(None),
    }
}

/// Offsets as an argument.
pub(super) fn text(inputs: &[GroupTopic], offsets: &[Vec<i64>]) -> String {
    let mut parts = Vec::new();
    for (input, offsets) in inputs.iter().zip(offsets) {
        let offsets = (0..).zip(offsets);
        parts.extend(offsets.map(|(partition, offset): (i32, _)| format!("{}:{partition}={offset}", input.name)));
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_named_by_topic_and_partition() {
        let offsets = BTreeMap::from([(("a.b-c".to_owned(), 0), 12), (("a.b-c".to_owned(), 1), 0)]);
        assert_eq!(until("a.b-c:0=12,a.b-c:1=0"), Ok(Until::Offsets(offsets)));
        assert_eq!(until("latest"), Ok(Until::Latest));
        assert_eq!(until("2h"), Ok(Until::Time(TimeArgument::Ago(7_200_000_000))));
        for wrong in ["a:0=1,a:0=2", "a=1", "a:0=-1", "a:x=1", "tomorrow", "a:0=1,"] {
            assert!(until(wrong).is_err(), "{wrong}");
        }
    }
}
