//! Who is in the group, and who reads what, as every client may ask.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::groups::GroupMemberInfo;
use riskstream_pipeline::log::{LogError, TopicPartition};

use crate::groupless::{self, GrouplessConsumer};
use crate::options::KafkaOptions;
use crate::rights::Right;

/// How long the brokers may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A member of the group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its id, which the group's coordinator gave it: the client id, and a random part.
    pub id: String,
    /// Its client id, which ends with its home: see [`KafkaOptions::member_client_id`].
    pub client_id: String,
    /// The topics that it reads.
    pub topics: BTreeSet<Arc<str>>,
    /// The partitions that it has.
    pub partitions: BTreeSet<TopicPartition>,
}

impl Member {
    /// The disk with its state: members of one home lose their state together.
    pub fn home(&self) -> &str {
        self.client_id.rsplit_once('.').map_or("", |(_, home)| home)
    }

    /// The number of the worker within its home.
    pub fn slot(&self) -> Option<usize> {
        let (client, _) = self.client_id.rsplit_once('.')?;
        client.rsplit_once('-')?.1.parse().ok()
    }
}

/// The group at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Whether all members have their partitions: no rebalance goes on.
    pub is_stable: bool,
    /// The members. While a rebalance goes on, what they read is not known.
    pub members: Vec<Member>,
}

/// Asks who is in the group.
pub struct GroupView {
    consumer: GrouplessConsumer,
    group: String,
}

impl GroupView {
    /// Creates the client. Does not wait for a broker.
    ///
    /// # Errors
    /// `Fatal`: a setting is wrong.
    pub fn open(options: &KafkaOptions) -> Result<GroupView, LogError> {
        Ok(GroupView {
            consumer: groupless::consumer(options)?,
            group: options.group.clone(),
        })
    }

    /// The group now.
    ///
    /// # Errors
    /// The brokers cannot be reached or refuse.
    pub fn look(&self) -> Result<Group, LogError> {
        self.consumer.context().bootstrap().serve(self.consumer.client());
        let _ = self.consumer.poll(Duration::ZERO);
        let what = "looking up the members of the group";
        let groups = self
            .consumer
            .fetch_group_list(Some(&self.group), TIMEOUT)
            .map_err(|error| Right::Group(&self.group).request_error(what, &error))?;
        // A group that nobody has joined yet is not listed.
        let Some(group) = groups.groups().iter().find(|group| group.name() == self.group) else {
            return Ok(Group::default());
        };
        let members = group.members().iter();
        let mut members: Vec<Member> = members.map(member).collect();
        members.sort();
        Ok(Group {
            is_stable: group.state() == "Stable",
            members,
        })
    }
}

fn member(info: &GroupMemberInfo) -> Member {
    let topics = info.metadata().and_then(|bytes| Protocol(bytes).topics());
    let partitions = info.assignment().and_then(|bytes| Protocol(bytes).partitions());
    Member {
        id: info.id().to_owned(),
        client_id: info.client_id().to_owned(),
        topics: topics.unwrap_or_default(),
        partitions: partitions.unwrap_or_default(),
    }
}

/// What remains of bytes in Kafka's consumer protocol (ConsumerProtocolSubscription.json and ConsumerProtocolAssignment.json in
/// Kafka's sources).
struct Protocol<'a>(&'a [u8]);

impl<'a> Protocol<'a> {
    /// The topics of a subscription.
    fn topics(&mut self) -> Option<BTreeSet<Arc<str>>> {
        let _version = self.short()?;
        let count = self.int()?;
        (0..count).map(|_| self.text()).collect()
    }

    /// The partitions of an assignment.
    fn partitions(&mut self) -> Option<BTreeSet<TopicPartition>> {
        let _version = self.short()?;
        let mut partitions = BTreeSet::new();
        for _ in 0..self.int()? {
            let topic = self.text()?;
            for _ in 0..self.int()? {
                let topic = Arc::clone(&topic);
                let partition = self.int()?;
                partitions.insert(TopicPartition { topic, partition });
            }
        }
        Some(partitions)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn int(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<Arc<str>> {
        let length = usize::try_from(self.short()?).ok()?;
        Some(std::str::from_utf8(self.take(length)?).ok()?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_tells_slot_and_home() {
        let mut options = KafkaOptions::new("localhost:9092", "group");
        options.client_id = "riskstream-card.fraud-12".to_owned();
        options.home = "0123456789abcdef".to_owned();
        let member = |client_id: &str| Member {
            id: String::new(),
            client_id: client_id.to_owned(),
            topics: BTreeSet::new(),
            partitions: BTreeSet::new(),
        };
        let ours = member(&options.member_client_id());
        assert_eq!((ours.home(), ours.slot()), ("0123456789abcdef", Some(12)));
        assert_eq!((member("rdkafka").home(), member("rdkafka").slot()), ("", None));
    }

    #[test]
    fn damaged_protocol_is_none() {
        let assignment = b"\0\x01\0\0\0\x01\0\x02tx\0\0\0\x02\0\0\0\x03\0\0\0\x07\xff\xff\xff\xff";
        let found = Protocol(assignment).partitions().unwrap();
        let found: Vec<String> = found.iter().map(TopicPartition::to_string).collect();
        assert_eq!(found, ["tx[3]", "tx[7]"]);
        for end in 0..assignment.len() - 4 {
            assert_eq!(Protocol(&assignment[..end]).partitions(), None, "{end}");
        }
    }
}
