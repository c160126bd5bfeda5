//! Positions as committed to Kafka: an offset, and the rest as words in its metadata: `clock=MICROSECONDS`,
//! `circuits=WORD`, `topic=ID`, `partitions=NUMBER`, `epoch=NUMBER`, `chain=WORD`, `sources=ID@EPOCH,…`, and `pseudonyms=FINGERPRINT` of the
//! secret under which records were read up to there.

use crate::errors;
use rdkafka::Offset;
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};
use riskstream_pipeline::log::{Committed, LogError, TopicIdentity, TopicPartition};
use std::sync::Arc;

const WATERMARK: &str = "clock=";
const CIRCUITS: &str = "circuits=";
const TOPIC: &str = "topic=";
const PARTITIONS: &str = "partitions=";
const EPOCH: &str = "epoch=";
const CHAIN: &str = "chain=";
const SOURCES: &str = "sources=";
const PSEUDONYMS: &str = "pseudonyms=";

/// The positions to commit, with the fingerprint of the secret for pseudonyms.
pub(crate) fn list(
    positions: &[(TopicPartition, Committed)],
    fingerprint: Option<&str>,
) -> Result<TopicPartitionList, LogError> {
    let fatal = |error| LogError::Fatal(errors::describe(&error));
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (partition, position) in positions {
        let mut element = list.add_partition(&partition.topic, partition.partition);
        element.set_offset(Offset::Offset(position.offset)).map_err(fatal)?;
        let words = words(position, fingerprint);
        if !words.is_empty() {
            // Terminated by NUL: other clients on librdkafka read metadata as a C string.
            element.set_metadata(words + "\0");
        }
    }
    Ok(list)
}

fn words(position: &Committed, fingerprint: Option<&str>) -> String {
    let TopicIdentity {
        id,
        partitions,
        epoch,
        chain,
        sources,
    } = &position.topic;
    let words = [
        position.watermark.map(|watermark| format!("{WATERMARK}{watermark}")),
        position.circuits.as_ref().map(|word| format!("{CIRCUITS}{word}")),
        id.as_ref().map(|id| format!("{TOPIC}{id}")),
        (*partitions != 0).then(|| format!("{PARTITIONS}{partitions}")),
        (*epoch != 0).then(|| format!("{EPOCH}{epoch}")),
        chain.as_ref().map(|chain| format!("{CHAIN}{chain}")),
        (!sources.is_empty()).then(|| format!("{SOURCES}{}", write_sources(sources))),
        fingerprint.map(|fingerprint| format!("{PSEUDONYMS}{fingerprint}")),
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
        topic: TopicIdentity {
            id: word(TOPIC).map(Into::into),
            partitions: word(PARTITIONS).and_then(|number| number.parse().ok()).unwrap_or(0),
            epoch: word(EPOCH).and_then(|number| number.parse().ok()).unwrap_or(0),
            chain: word(CHAIN).map(Into::into),
            sources: word(SOURCES).and_then(read_sources).unwrap_or_default(),
        },
    })
}

/// The fingerprint of the secret for pseudonyms that was committed with a position, if there is one.
pub(crate) fn fingerprint<'a>(element: &'a TopicPartitionListElem<'_>) -> Option<&'a str> {
    word(element, PSEUDONYMS)
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
                };
                let position = Committed {
                    offset: 42,
                    watermark,
                    circuits,
                    topic,
                };
                for secret in [None, Some("0123456789abcdef0123456789abcdef")] {
                    let list = list(&[(partition.clone(), position.clone())], secret).unwrap();
                    let element = &list.elements()[0];
                    assert_eq!(committed(element).as_ref(), Some(&position));
                    assert_eq!(fingerprint(element), secret);
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
