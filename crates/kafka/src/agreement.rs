//! Whether all members of a group make pseudonyms with the same secret. Each commits the fingerprint of its secret with its
//! positions, and looks at those of the others.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use riskstream_pipeline::log::LogError;

use crate::consumer::GroupConsumer;
use crate::options::KafkaOptions;
use crate::positions;

/// Interval of the checks: when members start at the same time, none of them has committed a fingerprint yet.
const INTERVAL: Duration = Duration::from_secs(30);
/// A check that gets no answer in this time is repeated later: the owner waits for the answer.
const TIMEOUT: Duration = Duration::from_millis(100);

/// See the module.
pub(crate) struct Agreement {
    /// The fingerprint of this member's secret, if it has one.
    fingerprint: Option<String>,
    group: String,
    look_at: Instant,
}

impl Agreement {
    /// For a member with these options.
    pub(crate) fn new(options: &KafkaOptions) -> Agreement {
        Agreement {
            fingerprint: options.pseudonym_fingerprint.clone(),
            group: options.group.clone(),
            look_at: Instant::now() + INTERVAL,
        }
    }

    /// The word that is committed with each position.
    pub(crate) fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Looks at the group's positions from time to time.
    ///
    /// # Errors
    /// `Fatal`: some were committed under another secret.
    pub(crate) fn look(
        &mut self,
        consumer: &GroupConsumer,
        inputs: impl Fn() -> TopicPartitionList,
    ) -> Result<(), LogError> {
        if self.fingerprint.is_none() || Instant::now() < self.look_at {
            return Ok(());
        }
        self.look_at = Instant::now() + INTERVAL;
        match consumer.committed_offsets(inputs(), TIMEOUT) {
            Ok(committed) => self.check(&committed),
            Err(_) => Ok(()),
        }
    }

    /// Checks positions that the group has committed. Those without a fingerprint are of an earlier version.
    ///
    /// # Errors
    /// `Fatal`: some were committed under another secret.
    pub(crate) fn check(&self, committed: &TopicPartitionList) -> Result<(), LogError> {
        let Some(fingerprint) = self.fingerprint() else {
            return Ok(());
        };
        let elements = committed.elements();
        let other = elements.iter().find(|element| {
            let found = positions::fingerprint(element);
            found.is_some_and(|found| found != fingerprint)
        });
        other.map_or(Ok(()), |element| {
            Err(LogError::Fatal(format!(
                "the group {} has positions ({}[{}]) that were committed under another secret for pseudonyms: with this one \
                 every card would count as a new one. Give all copies of the pipeline the same secret; other ways out, and \
                 what they cost: docs/operations.md, section \"Another secret\"",
                self.group,
                element.topic(),
                element.partition()
            )))
        })
    }
}
