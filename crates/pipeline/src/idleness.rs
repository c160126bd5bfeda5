//! Finds idle sources: sources of a repartition partition of which no row is on its way.
//!
//! A row of a source that is catching up waits until every other source has come as far (see merge.rs). A source whose
//! topic has no further records never does. A task whose rows wait asks the log whether the group has read everything
//! from which a row of that source could still be made. If that stays so for a while and nothing is added, it writes an idle
//! notice to its own partition. It acts when it reads the notice, so that the order of rows is a function of the log.

use crate::log::{Log, LogError, Outputs, TopicPartition};
use crate::partition_reader::PartitionReader;
use crate::progress::IdleNotice;
use crate::repartition_source::RepartitionSource;
use crate::topology::{Role, Topology};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// A source that a task waits for.
struct AwaitedSource {
    /// The partition that the task reads.
    waiting: TopicPartition,
    /// The source, as of its last frame.
    notice: IdleNotice,
    /// Since when it has been awaited without a new frame; wall clock, microseconds.
    since: i64,
    /// The partitions from which a row of it can still come.
    upstream: Vec<TopicPartition>,
}

/// A partition that the group has read to its end.
#[derive(Clone, Copy)]
struct ReadToEnd {
    end: i64,
    /// Since when the end has been the same.
    since: i64,
}

/// What one worker has found out so far. Times are of the wall clock, in microseconds.
pub(crate) struct IdlenessCheck {
    /// A source is idle after twice this time.
    half: i64,
    checked_at: i64,
    awaited: Vec<AwaitedSource>,
    read_to_end: HashMap<TopicPartition, ReadToEnd>,
}

impl IdlenessCheck {
    /// Declares sources idle that have had nothing to send for `idle_after`.
    pub(crate) fn new(idle_after: Duration) -> IdlenessCheck {
        IdlenessCheck {
            half: i64::try_from(idle_after.as_micros()).unwrap_or(i64::MAX) / 2,
            checked_at: 0,
            awaited: Vec::new(),
            read_to_end: HashMap::new(),
        }
    }

    /// Writes notices about the sources that are idle at `now` and that a task waits for. Asks the log only about sources
    /// that have been awaited for half of the time.
    pub(crate) fn check<L: Log>(
        &mut self,
        log: &mut L,
        topology: &Topology,
        readers: &[PartitionReader],
        now: i64,
        outputs: &mut Outputs,
    ) -> Result<(), LogError> {
        if now - self.checked_at < self.half / 2 {
            return Ok(());
        }
        self.checked_at = now;
        self.note_awaited(log, topology, readers, now)?;
        self.note_read_to_end(log, now);
        for awaited in self.awaited.iter().filter(|awaited| self.is_idle(awaited, now)) {
            let waiting = readers.iter().find(|reader| reader.partition == awaited.waiting);
            if let Some(source) = waiting.and_then(source_of) {
                let (partition, source_number) = (&awaited.waiting, awaited.notice.source);
                tracing::debug!(target: "riskstream::worker", %partition, source = source_number, "source is idle");
                source.write_idle_notice(awaited.notice, outputs);
            }
        }
        Ok(())
    }

    fn is_idle(&self, awaited: &AwaitedSource, now: i64) -> bool {
        let is_read = |partition| {
            let read = self.read_to_end.get(partition);
            read.is_some_and(|read| now - read.since >= self.half)
        };
        now - awaited.since >= self.half && awaited.upstream.iter().all(is_read)
    }

    /// Notes which sources are awaited, and since when.
    fn note_awaited<L: Log>(
        &mut self,
        log: &mut L,
        topology: &Topology,
        readers: &[PartitionReader],
        now: i64,
    ) -> Result<(), LogError> {
        let before = std::mem::take(&mut self.awaited);
        // A task that was stopped would never read its notices.
        for reader in readers.iter().filter(|reader| reader.is_drained()) {
            let Some(source) = source_of(reader) else { continue };
            for notice in source.awaited_sources() {
                let is_same =
                    |awaited: &&AwaitedSource| awaited.notice == notice && awaited.waiting == reader.partition;
                self.awaited.push(AwaitedSource {
                    waiting: reader.partition.clone(),
                    notice,
                    since: before.iter().find(is_same).map_or(now, |awaited| awaited.since),
                    upstream: upstream(log, topology, source.stage(), notice.source)?,
                });
            }
        }
        Ok(())
    }

    /// Notes which of the partitions before long-awaited sources the group has read to their end, and since when.
    fn note_read_to_end<L: Log>(&mut self, log: &mut L, now: i64) {
        let before = std::mem::take(&mut self.read_to_end);
        let long = self.awaited.iter().filter(|awaited| now - awaited.since >= self.half);
        let partitions: BTreeSet<TopicPartition> = long.flat_map(|awaited| awaited.upstream.iter().cloned()).collect();
        if partitions.is_empty() {
            return;
        }
        let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
        let ends = log.ends_at_rest(&partitions);
        for (partition, end) in partitions.into_iter().zip(ends) {
            let Some(end) = end else { continue };
            let since = match before.get(&partition) {
                Some(read) if read.end == end => read.since,
                _ => now,
            };
            self.read_to_end.insert(partition, ReadToEnd { end, since });
        }
    }
}

fn source_of(reader: &PartitionReader) -> Option<&RepartitionSource> {
    reader.task.source().repartition()
}

/// The partitions from which a row of this source in front of `stage` can still come. For the first stage: the input
/// partition itself. For a later one: the repartition partition of the source and all topics before it.
fn upstream<L: Log>(
    log: &mut L,
    topology: &Topology,
    stage: usize,
    source: u32,
) -> Result<Vec<TopicPartition>, LogError> {
    let mut all = Vec::new();
    for topic in topology.input_topics() {
        let is_before = match topology.role(&topic) {
            Role::Ingest(_) => true,
            Role::Stage(before) => before + 1 < stage,
        };
        let is_own = stage > 0 && *topic == *topology.topic_of_stage(stage - 1);
        let partitions = log.partitions(&topic)?;
        let of_topic = (0..partitions).filter(|&partition| is_before || (is_own && partition as u32 == source));
        all.extend(of_topic.map(|partition| TopicPartition {
            topic: topic.clone(),
            partition,
        }));
    }
    if stage == 0 {
        // Sources of the first repartition topic are numbered over the inputs' partitions in this very order.
        return Ok(vec![all.swap_remove(source as usize)]);
    }
    Ok(all)
}
