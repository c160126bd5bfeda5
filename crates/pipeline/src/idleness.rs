//! Who is missing: which of the sources that a stage waits for have nothing on its way.
//!
//! A row of history waits until every other source has come as far (see merge.rs). A source whose topic has nothing
//! more to give never will. So a task that is held up asks the log whether everything that could still become a row of
//! that source has been read, for a while, and nothing was added; then it writes a notice to its own partition. It
//! acts when it reads the notice, so that what it did is a function of the log.

use crate::log::{Log, LogError, Outputs, TopicPartition};
use crate::merge::IdleNotice;
use crate::reading::Reading;
use crate::task::Task;
use crate::topology::{Role, Routes, Topology};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// A source that a task waits for.
struct Silence {
    held: TopicPartition,
    idle_notice: IdleNotice,
    /// Since when it was not heard, as far as is known.
    since: i64,
    /// Where a row of it can still come from.
    upstream: Vec<TopicPartition>,
}

/// A partition that the group has read to its end.
#[derive(Clone, Copy)]
struct Rest {
    end: i64,
    since: i64,
}

/// What one worker has found out so far.
#[derive(Default)]
pub(crate) struct IdlenessCheck {
    looked_at: i64,
    silent: Vec<Silence>,
    at_rest: HashMap<TopicPartition, Rest>,
}

impl IdlenessCheck {
    /// Writes notices for tasks that are held up at `now` (microseconds) by sources that have had nothing to give for
    /// `patience`. Asks the log only about sources that were silent for half of that time.
    pub(crate) fn hold<L: Log>(
        &mut self,
        log: &mut L,
        (topology, routes): (&Topology, &Routes),
        reading: &[Reading],
        patience: Duration,
        now: i64,
        outputs: &mut Outputs,
    ) -> Result<(), LogError> {
        let half = i64::try_from(patience.as_micros()).unwrap_or(i64::MAX) / 2;
        if now - self.looked_at < half / 2 {
            return Ok(());
        }
        self.looked_at = now;
        self.listen(log, topology, reading, now)?;
        self.ask(log, half, now);
        for silence in &self.silent {
            let rests = |partition| self.at_rest.get(partition).is_some_and(|rest| now - rest.since >= half);
            if now - silence.since < half || !silence.upstream.iter().all(rests) {
                continue;
            }
            let held = reading.iter().find(|reading| reading.partition == silence.held);
            let Some(Task::Stage(task)) = held.map(|held| &held.task) else {
                continue;
            };
            let Some(topic) = routes.repartition_topics[task.stage()] else {
                continue;
            };
            tracing::debug!(target: "riskstream::worker", partition = %silence.held, source = silence.idle_notice.source, "source is absent");
            task.write_idle_notice(silence.idle_notice, topic, outputs);
        }
        Ok(())
    }

    /// Notes which sources are waited for, and since when.
    fn listen<L: Log>(
        &mut self,
        log: &mut L,
        topology: &Topology,
        reading: &[Reading],
        now: i64,
    ) -> Result<(), LogError> {
        let before = std::mem::take(&mut self.silent);
        // One that was stopped would never read its notices.
        let reads_on = |reading: &&Reading| reading.drained && reading.retry_at.is_none();
        for held in reading.iter().filter(reads_on) {
            let Task::Stage(task) = &held.task else { continue };
            for idle_notice in task.awaited() {
                let same = |silence: &&Silence| silence.idle_notice == idle_notice && silence.held == held.partition;
                self.silent.push(Silence {
                    held: held.partition.clone(),
                    idle_notice,
                    since: before.iter().find(same).map_or(now, |silence| silence.since),
                    upstream: upstream(log, topology, task.stage(), idle_notice.source)?,
                });
            }
        }
        Ok(())
    }

    fn ask<L: Log>(&mut self, log: &mut L, half: i64, now: i64) {
        let before = std::mem::take(&mut self.at_rest);
        let long_silent = self.silent.iter().filter(|silence| now - silence.since >= half);
        let partitions: BTreeSet<TopicPartition> = long_silent
            .flat_map(|silence| silence.upstream.iter().cloned())
            .collect();
        if partitions.is_empty() {
            return;
        }
        let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
        let ends = log.ends_at_rest(&partitions);
        for (partition, end) in partitions.into_iter().zip(ends) {
            let Some(end) = end else { continue };
            let since = match before.get(&partition) {
                Some(rest) if rest.end == end => rest.since,
                _ => now,
            };
            self.at_rest.insert(partition, Rest { end, since });
        }
    }
}

/// The partitions from which a row of this source in front of `stage` can still come: of an input its own partition;
/// of another stage its repartition partition and all that is before it.
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
        // Sources of the first repartition are numbered over the inputs' partitions in this very order.
        return Ok(vec![all.swap_remove(source as usize)]);
    }
    Ok(all)
}
