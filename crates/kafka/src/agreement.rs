//! Whether all members of a group make pseudonyms with the same secrets. Each commits the fingerprints of its secrets with its
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

/// Tell secrets from others without revealing them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// Of the secret for pseudonyms in state; `None` if there is none.
    pub state: Option<String>,
    /// Of the secret for published pseudonyms, if those are others.
    pub published: Option<String>,
}

/// See the module.
pub(crate) struct Agreement {
    /// Those of this member.
    fingerprints: Fingerprints,
    /// What others publish under, as it was logged last.
    noticed: Option<Fingerprints>,
    group: String,
    request: Option<CommittedPositions>,
    next_look: Instant,
}

impl Agreement {
    /// For a member with these options.
    pub(crate) fn new(options: &KafkaOptions) -> Agreement {
        Agreement {
            fingerprints: options.pseudonyms.clone(),
            noticed: None,
            group: options.group.clone(),
            request: None,
            next_look: Instant::now() + INTERVAL,
        }
    }

    /// What is committed with each position.
    pub(crate) fn fingerprints(&self) -> &Fingerprints {
        &self.fingerprints
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
            if let Ok(committed) = answer {
                self.check(&committed)?;
                self.notice(&committed);
            }
            return Ok(());
        }
        if self.fingerprints.state.is_some() && Instant::now() >= self.next_look {
            self.next_look = Instant::now() + INTERVAL;
            let inputs = inputs();
            let request = || CommittedPositions::request(consumer, &self.group, &inputs);
            self.request = (inputs.count() > 0).then(request);
        }
        Ok(())
    }

    /// Checks positions that the group has committed. Those without a fingerprint are of an earlier version.
    ///
    /// # Errors
    /// `Fatal`: some were committed under another secret.
    pub(crate) fn check(&self, committed: &TopicPartitionList) -> Result<(), LogError> {
        let Fingerprints {
            state: Some(state),
            published,
        } = &self.fingerprints
        else {
            return Ok(());
        };
        for element in committed.elements() {
            let Some(found) = positions::fingerprints(&element).state.filter(|found| found != state) else {
                continue;
            };
            let hint = match published.as_ref() == Some(&found) {
                true => "It is the one that is given as that for published pseudonyms: exchange the two in `key_env`;",
                false => "Give all copies of the pipeline the same secret;",
            };
            return Err(LogError::Fatal(format!(
                "the group {} has positions ({}[{}]) that were committed under another secret for pseudonyms: with this one \
                 every card would count as a new one. {hint} other ways out, and what they cost: docs/operations.md, section \
                 \"Another secret\"",
                self.group,
                element.topic(),
                element.partition()
            )));
        }
        Ok(())
    }

    /// Says once that others publish under another secret: it is being replaced, or a copy was forgotten.
    fn notice(&mut self, committed: &TopicPartitionList) {
        for element in committed.elements() {
            let found = positions::fingerprints(&element);
            let is_other = found.state.is_some() && found.published != self.fingerprints.published;
            if is_other && self.noticed.as_ref() != Some(&found) {
                tracing::warn!(
                    target: "riskstream::kafka",
                    topic = element.topic(),
                    partition = element.partition(),
                    "the last decisions of this partition carry pseudonyms under another secret than this copy's. That is so \
                     while the secret for published pseudonyms is replaced; otherwise give all copies the same one"
                );
                self.noticed = Some(found);
                return;
            }
        }
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
        options.pseudonyms.state = Some("one".to_owned());
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
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
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
