//! Looks at the group: plans which states are kept warm, says when the workers may join, and ends what a lost member left open.

use super::{Standbys, task_of};
use crate::service::job::Job;
use riskstream_kafka::{Group, GroupView, KafkaOptions, Member, assign, end_transaction_of, look_up, standbys};
use riskstream_pipeline::Topology;
use riskstream_pipeline::log::{LogError, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// After this time workers join with the states that there are: where others catch up, a copy may never come up with them.
const WARM_FOR_AT_MOST: Duration = Duration::from_secs(600);

/// Looks until shutdown.
pub(super) fn watch(job: &Job, topology: &Arc<Topology>, standbys: &Standbys) {
    let mut view = None;
    let mut watch = Watch {
        job,
        topology,
        standbys,
        before: Group::default(),
        gone: Vec::new(),
        has_planned: false,
        began: Instant::now(),
    };
    while !job.shutdown.wait(PAUSE) {
        let looked = match &view {
            Some(view) => GroupView::look(view).and_then(|group| watch.see(group)),
            None => GroupView::open(&job.kafka).map(|opened| view = Some(opened)),
        };
        if let Err(error) = looked {
            let error = error.to_string();
            tracing::warn!(target: "riskstream::standby", error, "the group cannot be looked at");
            let mut shared = standbys.lock();
            if let Some(why) = &mut shared.joins_later {
                *why = error;
            }
        }
    }
}

struct Watch<'a> {
    job: &'a Job,
    topology: &'a Topology,
    standbys: &'a Standbys,
    /// The group as of the last look.
    before: Group,
    /// Members that are gone while others of their home are there.
    gone: Vec<Member>,
    /// Whether a plan was made for the group of the last look.
    has_planned: bool,
    began: Instant,
}

impl Watch<'_> {
    fn see(&mut self, group: Group) -> Result<(), LogError> {
        let joins_later = self.standbys.joins_later().is_some();
        if group != self.before {
            self.has_planned = false;
        }
        self.end_what_is_left_open(&group);
        self.before = group;
        if joins_later && !self.has_to_wait() {
            self.join("the group has no partitions to spare");
        }
        let is_settled = self.before.is_stable || self.before.members.is_empty();
        if is_settled && !self.has_planned {
            self.plan()?;
            self.has_planned = true;
        }
        if self.has_planned && self.standbys.joins_later().is_some() {
            self.join_when_warm();
        }
        Ok(())
    }

    /// Whether others read what a new member would get.
    fn has_to_wait(&self) -> bool {
        let (members, own) = (&self.before.members, self.own());
        let predecessor = |member: &Member| own.iter().any(|own| own.client_id == member.client_id);
        !members.is_empty() && !members.iter().any(predecessor)
    }

    fn join(&self, why: &str) {
        tracing::info!(target: "riskstream::standby", why, "the workers join the group");
        self.standbys.lock().joins_later = None;
    }

    fn join_when_warm(&self) {
        let mut shared = self.standbys.lock();
        let is_warm = |at: &&TopicPartition| shared.stopped.contains(at) || shared.warm.contains(at);
        let (all, warm) = (shared.wanted.len(), shared.wanted.iter().filter(is_warm).count());
        if warm == all || self.began.elapsed() >= WARM_FOR_AT_MOST {
            drop(shared);
            return self.join(if warm == all {
                "its states are warm"
            } else {
                "it has waited long enough"
            });
        }
        let lags = shared.wanted.iter().map(|at| shared.lags.get(at));
        let lag: i64 = lags.flatten().sum();
        shared.joins_later = Some(format!(
            "it joins the group when its states are warm: {warm} of {all} are, {lag} records are to be read"
        ));
    }

    fn plan(&self) -> Result<(), LogError> {
        let group = &self.before;
        let own = self.own();
        let is_member = |own: &Member| group.members.iter().any(|member| member.client_id == own.client_id);
        let mut members = group.members.clone();
        let joins_later = self.standbys.joins_later().is_some();
        if !joins_later && !own.iter().all(is_member) {
            // Its workers are about to join.
            return Ok(());
        }
        let topics = self.topics()?;
        let wanted = if joins_later {
            members.extend(own.iter().cloned());
            let gained = assign(&members, &topics).into_iter();
            if gained.len() > group.members.iter().map(|member| member.partitions.len()).sum() {
                self.join("partitions have no owner");
            }
            gained
                .filter(|(_, member)| *member >= group.members.len())
                .map(|(partition, _)| partition)
                .collect()
        } else {
            let mut kept = standbys(&members, &topics, self.standbys.copies);
            kept.remove(&self.job.kafka.home).unwrap_or_default()
        };
        let has_state = |at: &TopicPartition| task_of(self.topology, at).is_some();
        let wanted: BTreeSet<TopicPartition> = wanted.into_iter().filter(has_state).collect();
        let partitions: Vec<String> = wanted.iter().map(TopicPartition::to_string).collect();
        let partitions = partitions.join(" ");
        tracing::info!(target: "riskstream::standby", count = wanted.len(), partitions, "states are kept warm");
        self.standbys.lock().wanted = wanted;
        Ok(())
    }

    /// The members that the workers of this process are or will be. Their ids are larger than those of others that are equal but for
    /// the part that the coordinator makes up.
    fn own(&self) -> Vec<Member> {
        let member = |worker| {
            let options = self.job.member_options(worker, self.topology);
            let client_id = options.member_client_id();
            Member {
                id: format!("{client_id}-~"),
                client_id,
                topics: options.inputs.iter().map(|topic| topic.as_str().into()).collect(),
                partitions: BTreeSet::new(),
            }
        };
        (0..self.job.workers).map(member).collect()
    }

    /// The topics that are read, with their numbers of partitions.
    fn topics(&self) -> Result<BTreeMap<Arc<str>, i32>, LogError> {
        let names = self.topology.input_topics();
        let asked: Vec<&str> = names.iter().map(|name| &**name).collect();
        let found = look_up(&self.job.kafka, &asked)?;
        let counts = names.iter().zip(found);
        Ok(counts
            .filter_map(|(name, topic)| Some((Arc::clone(name), topic?.partitions)))
            .collect())
    }

    /// Ends the transactions of members that are gone, of whose states this process keeps copies. While another member of the same
    /// home is there, its process lives, and the worker comes back by itself: ending its transaction would end its next one. The same if
    /// the members of this process are not there either, as after an outage.
    fn end_what_is_left_open(&mut self, group: &Group) {
        let is_there = |gone: &Member| group.members.iter().any(|member| member.client_id == gone.client_id);
        let is_home = |home: &str| group.members.iter().any(|member| member.home() == home);
        let own = self.job.kafka.home.as_str();
        let lives = |gone: &Member| is_home(gone.home()) || !is_home(own);
        let left = self.before.members.drain(..).filter(|member| member.home() != own);
        self.gone.extend(left);
        self.gone.retain(|gone| !is_there(gone));
        let (waiting, lost): (Vec<Member>, Vec<Member>) = std::mem::take(&mut self.gone).into_iter().partition(lives);
        self.gone = waiting;
        let wanted = self.standbys.lock().wanted.clone();
        for lost in lost.iter().filter(|lost| !lost.partitions.is_disjoint(&wanted)) {
            self.end_transaction_of(lost);
        }
    }

    fn end_transaction_of(&self, lost: &Member) {
        let Some(slot) = lost.slot() else { return };
        let options = KafkaOptions {
            transactional_id_prefix: self.job.transactional_id_prefix(lost.home()),
            slot,
            ..self.job.kafka.clone()
        };
        let ended = end_transaction_of(&options);
        let (id, error) = (options.transactional_id(), ended.err().map(|error| error.to_string()));
        tracing::info!(target: "riskstream::standby", id, error, "a member is gone, its transaction is ended");
    }
}
