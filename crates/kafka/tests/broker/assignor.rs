//! What the group's assignor does is foretold: members come and go, and each time the group is compared with the prediction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use riskstream_kafka::{Group, GroupView, KafkaOptions, Member, assign, standbys};
use riskstream_pipeline::log::TopicPartition;

use crate::harness::{self, LIMIT, create, options, spec};

/// A group whose members read each their topics.
struct Trial {
    base: KafkaOptions,
    view: GroupView,
    topics: BTreeMap<Arc<str>, i32>,
    /// The topics of each role.
    roles: Vec<Vec<String>>,
    /// The members of each home, one for each role.
    homes: BTreeMap<String, Vec<harness::Member>>,
}

impl Trial {
    /// `roles`: the numbers of partitions of the topics that each role reads.
    fn new(roles: &[&[i32]]) -> Trial {
        let base = options("foretold", 1);
        let mut topics = BTreeMap::new();
        let mut names = Vec::new();
        for (role, counts) in roles.iter().enumerate() {
            let of_role = counts.iter().enumerate().map(|(number, count)| {
                let name = format!("{}-{role}-{number}", base.group);
                create(&base, &[spec(&name, *count)]);
                topics.insert(name.as_str().into(), *count);
                name
            });
            names.push(of_role.collect());
        }
        Trial {
            view: GroupView::open(&base).unwrap(),
            base,
            topics,
            roles: names,
            homes: BTreeMap::new(),
        }
    }

    fn options(&self, home: &str, role: usize) -> KafkaOptions {
        let mut options = self.base.clone();
        options.client_id = format!("riskstream-{role}");
        options.transactional_id_prefix = format!("{}-{home}", self.base.group);
        options.home = home.to_owned();
        options.slot = role;
        options.inputs = self.roles[role].clone();
        options
    }

    fn add(&mut self, home: &str) {
        let members = (0..self.roles.len()).map(|role| harness::Member::new(self.options(home, role)));
        self.homes.insert(home.to_owned(), members.collect());
    }

    /// Who has which partition once nothing changes any more.
    fn settle(&mut self) -> Group {
        let all: i32 = self.topics.values().sum();
        let deadline = Instant::now() + LIMIT;
        loop {
            for member in self.homes.values_mut().flatten() {
                member.wait(Duration::from_millis(5)).unwrap();
            }
            let group = self.view.look().unwrap();
            let owned: usize = group.members.iter().map(|member| member.partitions.len()).sum();
            let count = self.homes.len() * self.roles.len();
            if group.is_stable && group.members.len() == count && owned == all as usize {
                return group;
            }
            assert!(Instant::now() < deadline, "{group:?}");
        }
    }

    /// The members that a home would have.
    fn joiners(&self, home: &str) -> Vec<Member> {
        let member = |role| {
            let options = self.options(home, role);
            Member {
                id: format!("{}-~", options.member_client_id()),
                client_id: options.member_client_id(),
                topics: options.inputs.iter().map(|topic| topic.as_str().into()).collect(),
                partitions: BTreeSet::new(),
            }
        };
        (0..self.roles.len()).map(member).collect()
    }

    fn foretell(&self, members: &[Member]) -> BTreeMap<TopicPartition, String> {
        let assigned = assign(members, &self.topics).into_iter();
        assigned
            .map(|(partition, member)| (partition, members[member].client_id.clone()))
            .collect()
    }

    fn check(&mut self, foretold: &BTreeMap<TopicPartition, String>, what: &str) {
        let group = self.settle();
        let owners = group.members.iter().flat_map(|member| {
            let partitions = member.partitions.iter().cloned();
            partitions.map(|partition| (partition, member.client_id.clone()))
        });
        assert_eq!(&owners.collect::<BTreeMap<_, _>>(), foretold, "{what}");
    }

    fn join(&mut self, home: &str) {
        let mut members = self.settle().members;
        members.extend(self.joiners(home));
        let foretold = self.foretell(&members);
        self.add(home);
        self.check(&foretold, &format!("{home} has joined"));
    }

    fn leave(&mut self, home: &str) {
        let members = self.settle().members;
        let kept = standbys(&members, &self.topics, 1);
        let (gone, left): (Vec<_>, Vec<_>) = members.into_iter().partition(|member| member.home() == home);
        let foretold = self.foretell(&left);
        self.homes.remove(home);
        self.check(&foretold, &format!("{home} is gone"));
        // Each partition went to the home that was to keep a copy of its state.
        let heirs = self.settle().members;
        for partition in gone.iter().flat_map(|member| &member.partitions) {
            let heir = heirs
                .iter()
                .find(|member| member.partitions.contains(partition))
                .unwrap();
            assert!(kept[heir.home()].contains(partition), "{partition}");
        }
    }
}

fn members_come_and_go(roles: &[&[i32]]) {
    let mut trial = Trial::new(roles);
    trial.add("c");
    for home in ["a", "d", "b"] {
        trial.join(home);
    }
    trial.leave("d");
    trial.leave("a");
    trial.join("e");
    trial.leave("c");
    trial.join("a");
}

#[test]
fn moves_are_foretold_where_members_have_two_roles() {
    members_come_and_go(&[&[6, 7, 2], &[8]]);
}

#[test]
fn moves_are_foretold_where_all_read_one_topic() {
    members_come_and_go(&[&[11]]);
}
