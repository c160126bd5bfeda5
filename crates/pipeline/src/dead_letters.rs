//! Writes records that cannot be processed to the dead-letter topic, with the reason, the original bytes and their origin,
//! so that they can be sent again.

use crate::log::{Outputs, RecordRef, SCHEMA_ID_HEADER, TopicPartition};
use riskstream_events::Rejection;
use riskstream_events::dead_letter;
use std::collections::BTreeMap;

/// What replaces the value of a dead letter when the original may hold personal data in clear.
const WITHHELD: &str = "withheld: the pipeline declares personal data; read the record at its origin";

/// Writes dead letters.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    /// Index of the dead-letter topic.
    pub topic: usize,
    /// The pipeline's name.
    pub pipeline: String,
    /// Whether original keys and values may be written.
    pub keep_values: bool,
}

impl DeadLetters {
    /// An input record that did not become an event.
    pub fn record(&self, at: &TopicPartition, record: RecordRef<'_>, rejection: &Rejection, outputs: &mut Outputs) {
        if self.keep_values {
            match record.value {
                Some(value) => outputs.push(self.topic, None, None, record.key, |bytes| {
                    bytes.extend_from_slice(value);
                }),
                None => outputs.push_tombstone(self.topic, None, None, record.key),
            }
        } else {
            outputs.push(self.topic, None, None, None, |bytes| {
                bytes.extend_from_slice(WITHHELD.as_bytes());
            });
        }
        self.headers(at, rejection, outputs);
        // Without it the value cannot be read when it is sent again.
        if let Some(schema_id) = record.schema_id {
            outputs.header(SCHEMA_ID_HEADER, schema_id);
        }
        outputs.header(dead_letter::OFFSET, record.offset.to_string().as_bytes());
        if let Some(timestamp) = record.timestamp {
            outputs.header(dead_letter::TIMESTAMP, timestamp.to_string().as_bytes());
        }
    }

    /// An event that a stage could not apply. The letter holds its id, as stages do not have the original bytes.
    pub fn event(&self, at: &TopicPartition, id: &str, rejection: &Rejection, outputs: &mut Outputs) {
        let id = id.as_bytes();
        outputs.push(self.topic, None, None, Some(id), |bytes| bytes.extend_from_slice(id));
        self.headers(at, rejection, outputs);
    }

    /// The number of dead letters among `outputs`, by the word of their reason.
    pub fn by_reason(&self, outputs: &Outputs) -> BTreeMap<String, u64> {
        let mut reasons = BTreeMap::new();
        for record in outputs.records().iter().filter(|record| record.topic == self.topic) {
            let mut headers = outputs.headers(record);
            if let Some((_, reason)) = headers.find(|(name, _)| *name == dead_letter::REASON) {
                *reasons.entry(String::from_utf8_lossy(reason).into_owned()).or_default() += 1;
            }
        }
        reasons
    }

    fn headers(&self, at: &TopicPartition, rejection: &Rejection, outputs: &mut Outputs) {
        outputs.header(dead_letter::REASON, rejection.code.as_str().as_bytes());
        outputs.header(dead_letter::DETAIL, rejection.detail.as_bytes());
        outputs.header(dead_letter::PIPELINE, self.pipeline.as_bytes());
        outputs.header(dead_letter::TOPIC, at.topic.as_bytes());
        outputs.header(dead_letter::PARTITION, at.partition.to_string().as_bytes());
    }
}
