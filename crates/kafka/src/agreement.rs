//! Whether all members of a group make pseudonyms with the same secret. Each commits the fingerprint of its secret with its
//! positions, and looks at those of the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use riskstream_pipeline::log::LogError;

use crate::consumer::GroupConsumer;
use crate::native::CommittedPositions;
use crate::options::KafkaOptions;
use crate::positions;

/// Interval of the checks: when members start at the same time, none of them has committed a fingerprint yet.
const INTERVAL: Duration = Duration::from_secs(30);
/// A check that gets no answer in this time is repeated later.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Agreement {
    /// The fingerprint of this member's secret, if it has one.
    fingerprint: Option<String>,
    group: String,
    request: Option<CommittedPositions>,
    next_look: Instant,
}

impl Agreement {
    /// For a member with these options.
    pub(crate) fn new(options: &KafkaOptions) -> Agreement {
        Agreement {
            fingerprint: options.pseudonym_fingerprint.clone(),
            group: options.group.clone(),
            request: None,
            next_look: Instant::now() + INTERVAL,
        }
    }

    /// The word that is committed with each position.
    pub(crate) fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Looks at the group's positions of `inputs` now and then, without waiting.
    ///
    /// # Errors
    /// `Fatal`: some were committed under another secret.
    pub(crate) fn look(
        &mut self,
        consumer: &Arc<GroupConsumer>,
        inputs: impl Fn() -> TopicPartitionList,
    ) -> Result<(), LogError> {
        if let Some(request) = &self.request {
            let Some(answer) = request.poll(Duration::ZERO) else {
                return Ok(());
            };
            self.request = None;
            return answer.map_or(Ok(()), |committed| self.check(&committed));
        }
        if self.fingerprint.is_some() && Instant::now() >= self.next_look {
            self.next_look = Instant::now() + INTERVAL;
            let inputs = inputs();
            let request = || CommittedPositions::request(consumer, &self.group, &inputs, ANSWER_TIMEOUT);
            self.request = (inputs.count() > 0).then(request);
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connection;
    use crate::consumer::GroupContext;
    use std::net::TcpListener;

    /// Nothing waits for a broker that takes connections and never answers.
    #[test]
    fn a_look_does_not_wait_for_its_answer() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut options = KafkaOptions::new(&silent.local_addr().unwrap().to_string(), "group");
        options.pseudonym_fingerprint = Some("one".to_owned());
        let context = GroupContext::new(Arc::new(Connection::new(&options)), Vec::new());
        let consumer: GroupConsumer = options.consumer().unwrap().create_with_context(context).unwrap();
        let consumer = Arc::new(consumer);
        let inputs = || {
            let mut list = TopicPartitionList::new();
            list.add_partition_range("topic", 0, 3);
            list
        };

        let mut agreement = Agreement::new(&options);
        agreement.look(&consumer, inputs).unwrap();
        assert!(agreement.request.is_none(), "it is not time yet");
        agreement.next_look = Instant::now();
        let start = Instant::now();
        for _ in 0..1_000 {
            agreement.look(&consumer, inputs).unwrap();
            assert!(agreement.request.is_some(), "no answer comes");
        }
        assert!(start.elapsed() < ANSWER_TIMEOUT / 2, "{:?}", start.elapsed());
    }

    #[test]
    fn a_member_without_a_secret_asks_nothing() {
        let options = KafkaOptions::new("127.0.0.1:1", "group");
        let context = GroupContext::new(Arc::new(Connection::new(&options)), Vec::new());
        let consumer: GroupConsumer = options.consumer().unwrap().create_with_context(context).unwrap();
        let mut agreement = Agreement::new(&options);
        agreement.next_look = Instant::now();
        agreement
            .look(&Arc::new(consumer), || unreachable!("no secret"))
            .unwrap();
        assert!(agreement.request.is_none());
    }
}
