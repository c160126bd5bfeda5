//! What the group's assignor will do. The members use librdkafka's `cooperative-sticky`, which takes no advice on who has which state;
//! but what it does is a function of the group (rdkafka_sticky_assignor.c, version 2.12, without racks). The test `assignor` compares
//! with a real group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use riskstream_pipeline::log::TopicPartition;

use crate::members::Member;

/// The member, by index, that gets each partition, where `members` have what they have and each topic has so many partitions.
pub fn assign(members: &[Member], topics: &BTreeMap<Arc<str>, i32>) -> BTreeMap<TopicPartition, usize> {
    let mut balance = Balance::of(members, topics);
    let order = balance.order(topics);
    for partition in &order {
        if !balance.owners.contains_key(partition)
            && let Some(member) = balance.least(partition)
        {
            balance.give(partition, member);
        }
    }
    while order.iter().any(|partition| balance.improve(partition)) {}
    balance.owners
}

struct Balance<'a> {
    members: &'a [Member],
    owners: BTreeMap<TopicPartition, usize>,
    /// How many partitions each member has.
    counts: Vec<usize>,
}

impl<'a> Balance<'a> {
    /// What the members have of these topics.
    fn of(members: &'a [Member], topics: &BTreeMap<Arc<str>, i32>) -> Balance<'a> {
        let mut balance = Balance {
            members,
            owners: BTreeMap::new(),
            counts: vec![0; members.len()],
        };
        let exists = |at: &TopicPartition| {
            topics
                .get(&at.topic)
                .is_some_and(|count| (0..*count).contains(&at.partition))
        };
        for (index, member) in members.iter().enumerate() {
            for partition in &member.partitions {
                if exists(partition) && balance.readers(partition) > 0 {
                    balance.owners.insert(partition.clone(), index);
                    balance.counts[index] += 1;
                }
            }
        }
        balance
    }

    /// How many members read the topic.
    fn readers(&self, at: &TopicPartition) -> usize {
        let reads = |member: &&Member| member.topics.contains(&at.topic);
        self.members.iter().filter(reads).count()
    }

    /// The partitions that are read, in the order in which the assignor goes through them.
    fn order(&self, topics: &BTreeMap<Arc<str>, i32>) -> Vec<TopicPartition> {
        let all = topics.iter().flat_map(|(topic, count)| {
            (0..*count).map(|partition| TopicPartition {
                topic: Arc::clone(topic),
                partition,
            })
        });
        let mut order: Vec<TopicPartition> = all.filter(|at| self.readers(at) > 0).collect();
        let is_one_subscription = self.members.windows(2).all(|pair| pair[0].topics == pair[1].topics);
        if is_one_subscription && !self.owners.is_empty() {
            return self.round_robin(order);
        }
        order.sort_by_key(|at| (self.readers(at), at.clone()));
        order
    }

    /// Where all read the same topics, partitions are gone through in turn over their owners, the one with most first; those
    /// without owner come last, from the last to the first.
    fn round_robin(&self, all: Vec<TopicPartition>) -> Vec<TopicPartition> {
        let mut left: Vec<BTreeSet<&TopicPartition>> = vec![BTreeSet::new(); self.members.len()];
        for (partition, owner) in &self.owners {
            left[*owner].insert(partition);
        }
        let mut order = Vec::new();
        let most = |left: &[BTreeSet<&TopicPartition>]| {
            let members = (0..left.len()).filter(|index| !left[*index].is_empty());
            members.max_by_key(|index| (left[*index].len(), &self.members[*index].id))
        };
        while let Some(next) = most(&left).and_then(|member| left[member].pop_first()) {
            order.push(next.clone());
        }
        let without = all.into_iter().rev().filter(|at| !self.owners.contains_key(at));
        order.extend(without.collect::<Vec<_>>());
        order
    }

    /// Of the members that read the topic, the one with the fewest partitions, and of those the one with the smallest id.
    fn least(&self, partition: &TopicPartition) -> Option<usize> {
        let reads = |index: &usize| self.members[*index].topics.contains(&partition.topic);
        let readers = (0..self.members.len()).filter(reads);
        readers.min_by_key(|index| (self.counts[*index], &self.members[*index].id))
    }

    fn give(&mut self, partition: &TopicPartition, member: usize) {
        if let Some(before) = self.owners.insert(partition.clone(), member) {
            self.counts[before] -= 1;
        }
        self.counts[member] += 1;
    }

    /// Moves a partition to a member that has at least two fewer than its owner; whether there is one.
    fn improve(&mut self, partition: &TopicPartition) -> bool {
        let (Some(owner), Some(least)) = (self.owners.get(partition).copied(), self.least(partition)) else {
            return false;
        };
        let moves = self.counts[owner] > self.counts[least] + 1;
        if moves {
            self.give(partition, least);
        }
        moves
    }
}

/// The partitions whose state each home is to keep copies of, `copies` for each partition: where it goes if its owner's home is
/// lost, then where it goes if that home is lost as well.
pub fn standbys(
    members: &[Member],
    topics: &BTreeMap<Arc<str>, i32>,
    copies: usize,
) -> BTreeMap<String, BTreeSet<TopicPartition>> {
    let mut kept: BTreeMap<String, BTreeSet<TopicPartition>> = BTreeMap::new();
    let homes: BTreeSet<&str> = members.iter().map(Member::home).collect();
    for home in homes {
        let owners = members.iter().filter(|member| member.home() == home);
        let owned = owners.flat_map(|member| member.partitions.iter().cloned()).collect();
        add_successors(members, topics, &[home], &owned, copies, &mut kept);
    }
    kept
}

/// Adds where `partitions` go if the homes `lost` are lost.
fn add_successors(
    members: &[Member],
    topics: &BTreeMap<Arc<str>, i32>,
    lost: &[&str],
    partitions: &BTreeSet<TopicPartition>,
    copies: usize,
    kept: &mut BTreeMap<String, BTreeSet<TopicPartition>>,
) {
    let left: Vec<Member> = members
        .iter()
        .filter(|member| !lost.contains(&member.home()))
        .cloned()
        .collect();
    if copies == 0 || left.is_empty() {
        return;
    }
    let mut next: BTreeMap<&str, BTreeSet<TopicPartition>> = BTreeMap::new();
    for (partition, member) in assign(&left, topics) {
        if partitions.contains(&partition) {
            next.entry(left[member].home()).or_default().insert(partition);
        }
    }
    for (home, partitions) in next {
        kept.entry(home.to_owned())
            .or_default()
            .extend(partitions.iter().cloned());
        add_successors(
            members,
            topics,
            &[lost, &[home]].concat(),
            &partitions,
            copies - 1,
            kept,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition {
            topic: topic.into(),
            partition,
        }
    }

    fn member(home: &str, topics: &[&str], partitions: &[(&str, i32)]) -> Member {
        Member {
            id: format!("riskstream-shop-0.{home}-uuid"),
            client_id: format!("riskstream-shop-0.{home}"),
            topics: topics.iter().map(|topic| (*topic).into()).collect(),
            partitions: partitions
                .iter()
                .map(|(topic, partition)| at(topic, *partition))
                .collect(),
        }
    }

    fn topics(counts: &[(&str, i32)]) -> BTreeMap<Arc<str>, i32> {
        counts.iter().map(|(topic, count)| ((*topic).into(), *count)).collect()
    }

    #[test]
    fn the_partitions_of_a_lost_home_are_spread() {
        let members = [
            member("a", &["tx"], &[("tx", 0), ("tx", 1)]),
            member("b", &["tx"], &[("tx", 2), ("tx", 3)]),
            member("c", &["tx"], &[("tx", 4)]),
            // Of another role.
            member("a", &["hop"], &[("hop", 0)]),
            member("b", &["hop"], &[("hop", 1)]),
        ];
        let topics = topics(&[("tx", 5), ("hop", 2)]);
        let kept = standbys(&members, &topics, 1);
        assert_eq!(kept["c"], [at("tx", 0), at("tx", 2)].into());
        assert_eq!(kept["b"], [at("tx", 1), at("hop", 0)].into());
        assert_eq!(kept["a"], [at("tx", 3), at("tx", 4), at("hop", 1)].into());
        let twice = standbys(&members, &topics, 2);
        let copies: usize = twice.values().map(BTreeSet::len).sum();
        // There are three homes with members for `tx`, two for `hop`.
        assert_eq!(copies, 5 * 2 + 2);
        let alone = standbys(&members[..1], &topics, 2);
        assert!(alone.is_empty(), "{alone:?}");
    }

    #[test]
    fn one_that_joins_gets_its_share_and_no_other_move() {
        let before = [
            member("a", &["tx"], &[("tx", 0), ("tx", 1), ("tx", 2)]),
            member("b", &["tx"], &[("tx", 3), ("tx", 4), ("tx", 5)]),
            member("c", &["tx"], &[]),
        ];
        let after = assign(&before, &topics(&[("tx", 6)]));
        for (partition, owner) in &after {
            let stays = before[*owner].partitions.contains(partition);
            assert!(stays || *owner == 2, "{partition} {owner}");
        }
        let joined = after.values().filter(|owner| **owner == 2).count();
        assert_eq!((after.len(), joined), (6, 2));
    }
}
