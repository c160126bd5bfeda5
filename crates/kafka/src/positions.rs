//! Positions as committed to Kafka: an offset, and the rest as words in its metadata: `clock=MICROSECONDS`,
//! `circuits=WORD`, `decided=OFFSET`, `topic=ID`, `partitions=NUMBER`, `epoch=NUMBER`, `chain=WORD`, `sources=ID@EPOCH,…`, `cut=WORD`, and `pseudonyms=FINGERPRINT` of the
//! secret under which records were read up to there, with `published=FINGERPRINT` if what was published had another one.

use crate::agreement::Fingerprints;
use crate::errors;
use rdkafka::Offset;
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};
use riskstream_pipeline::log::{Committed, LogError, TopicIdentity, TopicPartition};
use std::sync::Arc;

const WATERMARK: &str = "clock=";
const CIRCUITS: &str = "circuits=";
const DECIDED: &str = "decided=";
const TOPIC: &str = "topic=";
const PARTITIONS: &str = "partitions=";
const EPOCH: &str = "epoch=";
const CHAIN: &str = "chain=";
const SOURCES: &str = "sources=";
const CUT_OVER: &str = "cut=";
const PSEUDONYMS: &str = "pseudonyms=";
const PUBLISHED: &str = "published=";

/// The positions to commit, with the fingerprints of the secrets for pseudonyms.
pub(crate) fn list(
    positions: &[(TopicPartition, Committed)],
    fingerprints: &Fingerprints,
) -> Result<TopicPartitionList, LogError> {
    let fatal = |error| LogError::Fatal(errors::describe(&error));
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (partition, position) in positions {
        let mut element = list.add_partition(&partition.topic, partition.partition);
        element.set_offset(Offset::Offset(position.offset)).map_err(fatal)?;
        let words = words(position, fingerprints);
        if !words.is_empty() {
            // Terminated by NUL: other clients on librdkafka read metadata as a C string.
            element.set_metadata(words + "\0");
        }
    }
    Ok(list)
}

fn words(position: &Committed, fingerprints: &Fingerprints) -> String {
    let TopicIdentity {
        id,
        partitions,
        epoch,
        chain,
        sources,
        cut_over,
    } = &position.topic;
    let words = [
        position.watermark.map(|watermark| format!("{WATERMARK}{watermark}")),
        position.circuits.as_ref().map(|word| format!("{CIRCUITS}{word}")),
        position.decided.map(|decided| format!("{DECIDED}{decided}")),
        id.as_ref().map(|id| format!("{TOPIC}{id}")),
        (*partitions != 0).then(|| format!("{PARTITIONS}{partitions}")),
        (*epoch != 0).then(|| format!("{EPOCH}{epoch}")),
        chain.as_ref().map(|chain| format!("{CHAIN}{chain}")),
        (!sources.is_empty()).then(|| format!("{SOURCES}{}", write_sources(sources))),
        cut_over.as_ref().map(|word| format!("{CUT_OVER}{word}")),
        fingerprints.state.as_ref().map(|state| format!("{PSEUDONYMS}{state}")),
        fingerprints
            .published
            .as_ref()
            .map(|published| format!("{PUBLISHED}{published}")),
    ];
    words.into_iter().flatten().collect::<Vec<String>>().join(" ")
}

/// An unknown id is written as none.
fn write_sources(sources: &[(Option<Arc<str>>, u32)]) -> String {
    let word = |(id, epoch): &(Option<Arc<str>>, u32)| format!("{}@{epoch}", id.as_deref().unwrap_or_default());
    sources.iter().map(word).collect::<Vec<String>>().join(",")
}

fn read_sources(word: &str) -> Option<Vec<(Option<Arc<str>>, u32)>> {
    let source = |word: &str| {
        let (id, epoch) = word.split_once('@')?;
        Some(((!id.is_empty()).then(|| id.into()), epoch.parse().ok()?))
    };
    word.split(',').map(source).collect()
}

/// A committed position; `None` if nothing was committed. Unknown words in the metadata are ignored.
pub(crate) fn committed(element: &TopicPartitionListElem<'_>) -> Option<Committed> {
    let Offset::Offset(offset) = element.offset() else {
        return None;
    };
    let word = |name: &str| word(element, name);
    Some(Committed {
        offset,
        watermark: word(WATERMARK).and_then(|number| number.parse().ok()),
        circuits: word(CIRCUITS).map(str::to_owned),
        decided: word(DECIDED).and_then(|number| number.parse().ok()),
        topic: TopicIdentity {
            id: word(TOPIC).map(Into::into),
            partitions: word(PARTITIONS).and_then(|number| number.parse().ok()).unwrap_or(0),
            epoch: word(EPOCH).and_then(|number| number.parse().ok()).unwrap_or(0),
            chain: word(CHAIN).map(Into::into),
            sources: word(SOURCES).and_then(read_sources).unwrap_or_default(),
            cut_over: word(CUT_OVER).map(Into::into),
        },
    })
}

/// The fingerprints of the secrets that were committed with a position.
pub(crate) fn fingerprints(element: &TopicPartitionListElem<'_>) -> Fingerprints {
    let word = |name: &str| word(element, name).map(str::to_owned);
    Fingerprints {
        state: word(PSEUDONYMS),
        published: word(PUBLISHED),
    }
}

/// What follows `prefix` in the metadata.
fn word<'a>(element: &'a TopicPartitionListElem<'_>, prefix: &str) -> Option<&'a str> {
    let mut words = element.metadata().trim_end_matches('\0').split(' ');
    words.find_map(|word| word.strip_prefix(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let partition = TopicPartition {
            topic: "t".into(),
            partition: 3,
        };
        for watermark in [None, Some(i64::MIN), Some(1_522_540_800_000_000)] {
            for circuits in [None, Some("7:5:10:3".to_owned())] {
                let topic = TopicIdentity {
                    id: circuits.is_some().then(|| "gDJkXh-0_w".into()),
                    partitions: 64,
                    epoch: 2,
                    chain: Some("ingest>card:card_id/text>decisions".into()),
                    sources: vec![(Some("gDJkXh-0_w".into()), 7), (None, 0)],
                    cut_over: circuits.is_some().then(|| "0123abcd".into()),
                };
                let position = Committed {
                    offset: 42,
                    watermark,
                    decided: circuits.is_some().then_some(77),
                    circuits,
                    topic,
                };
                for (state, published) in [(None, None), (Some("0123"), None), (Some("0123"), Some("4567"))] {
                    let written = Fingerprints {
                        state: state.map(str::to_owned),
                        published: published.map(str::to_owned),
                    };
                    let list = list(&[(partition.clone(), position.clone())], &written).unwrap();
                    let element = &list.elements()[0];
                    assert_eq!(committed(element).as_ref(), Some(&position));
                    assert_eq!(fingerprints(element), written);
                }
            }
        }
    }

    #[test]
    fn foreign_metadata_is_passed_over() {
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition("t", 0);
        element.set_offset(Offset::Offset(7)).unwrap();
        element.set_metadata("reset by kafka-consumer-groups");
        assert_eq!(committed(&element), Some(7.into()));
    }
}
