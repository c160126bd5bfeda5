//! Positions as committed to Kafka: an offset, and the rest as words in its metadata: `clock=MICROSECONDS`,
//! `circuits=WORD`, `topic=ID`, `partitions=NUMBER`, `epoch=NUMBER`.

use crate::errors;
use rdkafka::Offset;
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};
use riskstream_pipeline::log::{Committed, LogError, TopicIdentity, TopicPartition};

const WATERMARK: &str = "clock=";
const CIRCUITS: &str = "circuits=";
const TOPIC: &str = "topic=";
const PARTITIONS: &str = "partitions=";
const EPOCH: &str = "epoch=";

/// The positions to commit.
pub(crate) fn list(positions: &[(TopicPartition, Committed)]) -> Result<TopicPartitionList, LogError> {
    let fatal = |error| LogError::Fatal(errors::describe(&error));
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (partition, position) in positions {
        let mut element = list.add_partition(&partition.topic, partition.partition);
        element.set_offset(Offset::Offset(position.offset)).map_err(fatal)?;
        let words = words(position);
        if !words.is_empty() {
            // Terminated by NUL: other clients on librdkafka read metadata as a C string.
            element.set_metadata(words + "\0");
        }
    }
    Ok(list)
}

fn words(position: &Committed) -> String {
    let TopicIdentity { id, partitions, epoch } = &position.topic;
    let words = [
        position.watermark.map(|watermark| format!("{WATERMARK}{watermark}")),
        position.circuits.as_ref().map(|word| format!("{CIRCUITS}{word}")),
        id.as_ref().map(|id| format!("{TOPIC}{id}")),
        (*partitions != 0).then(|| format!("{PARTITIONS}{partitions}")),
        (*epoch != 0).then(|| format!("{EPOCH}{epoch}")),
    ];
    words.into_iter().flatten().collect::<Vec<String>>().join(" ")
}

/// A committed position; `None` if nothing was committed. Unknown words in the metadata are ignored.
pub(crate) fn committed(element: &TopicPartitionListElem<'_>) -> Option<Committed> {
    let Offset::Offset(offset) = element.offset() else {
        return None;
    };
    let metadata = element.metadata().trim_end_matches('\0');
    let word = |name: &str| metadata.split(' ').find_map(|word| word.strip_prefix(name));
    Some(Committed {
        offset,
        watermark: word(WATERMARK).and_then(|number| number.parse().ok()),
        circuits: word(CIRCUITS).map(str::to_owned),
        topic: TopicIdentity {
            id: word(TOPIC).map(Into::into),
            partitions: word(PARTITIONS).and_then(|number| number.parse().ok()).unwrap_or(0),
            epoch: word(EPOCH).and_then(|number| number.parse().ok()).unwrap_or(0),
        },
    })
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
                };
                let position = Committed {
                    offset: 42,
                    watermark,
                    circuits,
                    topic,
                };
                let list = list(&[(partition.clone(), position.clone())]).unwrap();
                assert_eq!(committed(&list.elements()[0]), Some(position));
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
