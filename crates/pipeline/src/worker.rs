//! The loop: poll a batch, apply it, commit outputs and positions in one transaction, then write state and
//! position in one batch. State is never ahead of what the log has committed.

use crate::assignment::{self, Opened};
use crate::dead_letters::DeadLetters;
use crate::idleness::IdlenessCheck;
use crate::liveness::LivenessOptions;
use crate::log::{Change, Committed, Log, LogError, Outputs, TopicPartition};
use crate::reading::{Reading, liveness_of, next_to_read};
use crate::rollout::Rollouts;
use crate::round::{Changes, Round, Stopped};
use crate::task::{Tally, Task, TaskContext, TaskError};
use crate::topology::{Routes, Topology};
use riskstream_engine::Engine;
use riskstream_events::{Row, dead_letter};
use riskstream_features::state::{StateError, StateStore};
use riskstream_scoring::Decider;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Opens the durable state of tasks.
pub trait Stores {
    /// The state of `stage` on `partition`. `fingerprint` names the layout: state of another is refused.
    fn open(&mut self, stage: &str, partition: i32, fingerprint: &str) -> Result<Box<dyn StateStore>, StateError>;
}

/// The wall clock, in microseconds since the epoch. Only latencies and pace depend on it.
pub trait Clock {
    /// Now.
    fn now(&self) -> i64;
}

/// Limits of a batch, and the liveness.
#[derive(Clone, Copy, Debug)]
pub struct WorkerOptions {
    /// Events of one transaction at most, counted at each stage. An entity's state is written once a batch,
    /// so larger batches are cheaper while catching up; at the end of the log a batch is what there is.
    pub batch_events: usize,
    /// Bytes written by one transaction at most, about.
    pub batch_bytes: usize,
    /// When a source counts as live.
    pub liveness: LivenessOptions,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        WorkerOptions {
            batch_events: 40_000,
            batch_bytes: 16 << 20,
            liveness: LivenessOptions::default(),
        }
    }
}

/// Why a worker ended.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A task.
    #[error(transparent)]
    Task(#[from] TaskError),
}

/// One member of the group: owns a log and the tasks of its partitions.
pub struct Worker<L: Log> {
    log: L,
    topology: Arc<Topology>,
    routes: Routes,
    options: WorkerOptions,
    stores: Box<dyn Stores + Send>,
    clock: Box<dyn Clock + Send>,
    rollouts: Box<dyn Rollouts + Send>,
    engine: Engine,
    decider: Decider,
    dead_letters: DeadLetters,
    reading: Vec<Reading>,
    stopped: Vec<Stopped>,
    /// Of the stopped, those that were never opened: what was in the way may be gone later.
    unopened: Vec<TopicPartition>,
    open_again_at: i64,
    /// Changes of the assignment that the log has reported and that are not yet carried out.
    pending: VecDeque<Change>,
    outputs: Outputs,
    rows: Vec<Row>,
    last_commit: i64,
    idleness: IdlenessCheck,
}

impl<L: Log> Worker<L> {
    /// A worker that will read what `log` assigns to it.
    pub fn new(
        log: L,
        topology: Arc<Topology>,
        options: WorkerOptions,
        stores: Box<dyn Stores + Send>,
        clock: Box<dyn Clock + Send>,
        rollouts: Box<dyn Rollouts + Send>,
    ) -> Worker<L> {
        let routes = topology.routes();
        let dead_letters = DeadLetters {
            topic: routes.dead_letters,
            pipeline: topology.plan.name.clone(),
            keep_values: topology.dead_letter_values,
        };
        let engine = Engine::new(Arc::clone(&topology.plan));
        Worker {
            log,
            topology,
            routes,
            options,
            stores,
            clock,
            rollouts,
            engine,
            decider: Decider::default(),
            dead_letters,
            reading: Vec::new(),
            stopped: Vec::new(),
            unopened: Vec::new(),
            open_again_at: 0,
            pending: VecDeque::new(),
            outputs: Outputs::default(),
            rows: Vec::new(),
            last_commit: 0,
            idleness: IdlenessCheck::default(),
        }
    }

    /// One round: waits at most `timeout` for something to do, processes a batch, commits it and writes it.
    ///
    /// # Errors
    /// After [`LogError::Unavailable`] the worker is whole: call again later. After any other error it is
    /// not; close it. State is then what was last committed, or behind it.
    pub fn round(&mut self, timeout: Duration) -> Result<Round, WorkerError> {
        self.pending.extend(self.log.wait(timeout)?);
        let changes = self.change_hands()?;
        let now = self.clock.now();
        self.open_again(now)?;
        let began = Instant::now();
        let mut tally = Tally::default();
        let events = self.process_batch(now, &mut tally)?;
        self.idleness.hold(
            &mut self.log,
            (&self.topology, &self.routes),
            &self.reading,
            self.options.liveness.absent_after,
            now,
            &mut self.outputs,
        )?;
        self.write_rollout_notice();
        let mut round = Round {
            events,
            changes,
            processing: began.elapsed(),
            ..Round::default()
        };
        let positions = self.positions();
        let idle_positions = !positions.is_empty() && now - self.last_commit >= 1_000_000;
        if events > 0 || !self.outputs.is_empty() || idle_positions {
            let began = Instant::now();
            match self.log.commit(&self.outputs, &positions) {
                Ok(()) => round.commit = Some(began.elapsed()),
                Err(LogError::Aborted(why)) => {
                    tracing::warn!(target: "riskstream::worker", why, "transaction aborted, the batch is taken again");
                    self.go_back()?;
                    return Ok(Round {
                        aborted: true,
                        changes,
                        ..Round::default()
                    });
                }
                Err(error) => return Err(error.into()),
            }
            let began = Instant::now();
            self.write(&positions)?;
            round.state_write = Some(began.elapsed());
            self.last_commit = now;
        }
        round.written = self.outputs.records().len();
        round.tally = tally;
        round.records = self.records_by_topic();
        round.dead_letters = self.dead_letters_by_reason();
        self.outputs.clear();
        Ok(round)
    }

    /// Carries out what the log has reported. A change that fails stays, so that it can be tried again.
    fn change_hands(&mut self) -> Result<Changes, WorkerError> {
        let mut changes = Changes::default();
        while let Some(change) = self.pending.front().cloned() {
            match &change {
                Change::Assigned(partitions) => changes.assigned += partitions.len(),
                Change::Revoked(partitions) => changes.revoked += partitions.len(),
                Change::Lost(partitions) => changes.lost += partitions.len(),
            }
            self.change(change)?;
            self.pending.pop_front();
        }
        Ok(changes)
    }

    /// Tries again to open what could not be opened: a lock may be released by now, or a disk have space.
    fn open_again(&mut self, now: i64) -> Result<(), WorkerError> {
        if self.unopened.is_empty() || now < self.open_again_at {
            return Ok(());
        }
        let partitions = self.unopened.clone();
        self.assigned(&partitions)
    }

    /// Lets the deciding tasks know of a line-up that is ready, through their own log.
    fn write_rollout_notice(&mut self) {
        let Some(newest) = self.rollouts.newest() else { return };
        for reading in &mut self.reading {
            if let Task::Stage(task) = &mut reading.task
                && let Some(topic) = self.routes.repartition_topics[task.stage()]
            {
                task.write_rollout_notice(&newest, topic, &mut self.outputs);
            }
        }
    }

    fn records_by_topic(&self) -> Vec<(Arc<str>, u64)> {
        let mut records: Vec<(Arc<str>, u64)> = Vec::new();
        for reading in self.reading.iter().filter(|reading| reading.taken > 0) {
            match records.iter_mut().find(|(topic, _)| *topic == reading.partition.topic) {
                Some((_, taken)) => *taken += reading.taken,
                None => records.push((Arc::clone(&reading.partition.topic), reading.taken)),
            }
        }
        records
    }

    fn dead_letters_by_reason(&self) -> BTreeMap<String, u64> {
        let mut reasons = BTreeMap::new();
        for record in self
            .outputs
            .records()
            .iter()
            .filter(|record| record.topic == self.routes.dead_letters)
        {
            let mut headers = self.outputs.headers(record);
            if let Some((_, reason)) = headers.find(|(name, _)| *name == dead_letter::REASON) {
                *reasons.entry(String::from_utf8_lossy(reason).into_owned()).or_default() += 1;
            }
        }
        reasons
    }

    fn process_batch(&mut self, now: i64, tally: &mut Tally) -> Result<usize, WorkerError> {
        let mut context = TaskContext {
            engine: &mut self.engine,
            decider: &mut self.decider,
            outputs: &mut self.outputs,
            dead_letters: &self.dead_letters,
            decisions: self.routes.decisions,
            decision_format: self.topology.decision_format,
            now,
            rows: &mut self.rows,
            rollouts: self.rollouts.as_ref(),
            tally,
        };
        for reading in &mut self.reading {
            reading.done = reading.retry_at.is_some_and(|at| at > now);
            reading.taken = 0;
        }
        let mut events = 0;
        while let Some(reading) = next_to_read(&mut self.reading) {
            match reading.run(&mut self.log, &mut context) {
                Ok(applied) => events += applied,
                // Nothing after the hole is read; what was applied before it is committed as usual.
                Err(WorkerError::Log(error @ LogError::OutOfRange { .. })) => {
                    reading.done = true;
                    reading.retry_at = Some(i64::MAX);
                    let reason = format!(
                        "{error}: records were deleted before they were read. Give the topic a longer retention; to go on with the hole, reset the group's offsets and remove the state directory"
                    );
                    tracing::error!(target: "riskstream::worker", partition = %reading.partition, reason, "partition is not read on");
                    self.stopped.push(Stopped {
                        partition: reading.partition.clone(),
                        reason,
                    });
                }
                Err(error) => return Err(error),
            }
            if events >= self.options.batch_events || context.outputs.size() >= self.options.batch_bytes {
                break;
            }
        }
        let liveness_of = liveness_of(&mut self.reading, &self.log, &self.options.liveness, now);
        for (reading, liveness) in self.reading.iter_mut().zip(liveness_of) {
            let at_end = liveness.reads_at_end(&self.options.liveness, now);
            reading.task.finish_batch(at_end, &mut context);
        }
        Ok(events)
    }

    /// The positions to commit: where this member stands, as far as that is beyond what was committed.
    fn positions(&self) -> Vec<(TopicPartition, Committed)> {
        self.reading
            .iter()
            .filter_map(|reading| {
                let offset = self.log.position(&reading.partition)?;
                let news = offset > reading.committed && offset > reading.answered_until;
                news.then(|| (reading.partition.clone(), reading.task.committed(offset)))
            })
            .collect()
    }

    fn write(&mut self, positions: &[(TopicPartition, Committed)]) -> Result<(), WorkerError> {
        for (partition, position) in positions {
            if let Some(reading) = self.reading.iter_mut().find(|reading| reading.partition == *partition) {
                reading.committed = position.offset;
            }
        }
        for reading in &mut self.reading {
            if let Some(position) = self.log.position(&reading.partition) {
                reading.task.write(position)?;
            }
        }
        Ok(())
    }

    /// After an abort: every task back to its last write, every partition back to its committed position.
    fn go_back(&mut self) -> Result<(), WorkerError> {
        self.outputs.clear();
        let mut positions = Vec::with_capacity(self.reading.len());
        for reading in &mut self.reading {
            reading.task.restore(&self.engine)?;
            let position = match &reading.task {
                Task::Ingest(_) => reading.committed,
                Task::Stage(task) => task.position()?.unwrap_or(reading.start),
            };
            positions.push((reading.partition.clone(), position));
        }
        Ok(self.log.start(&positions)?)
    }

    fn change(&mut self, change: Change) -> Result<(), WorkerError> {
        match change {
            Change::Assigned(partitions) => self.assigned(&partitions),
            Change::Revoked(partitions) | Change::Lost(partitions) => {
                self.reading.retain(|reading| !partitions.contains(&reading.partition));
                self.stopped.retain(|stopped| !partitions.contains(&stopped.partition));
                self.unopened.retain(|partition| !partitions.contains(partition));
                Ok(self.log.stop(&partitions)?)
            }
        }
    }

    fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<(), WorkerError> {
        let committed = self.log.committed(partitions)?;
        let mut opened = Vec::with_capacity(partitions.len());
        for (partition, committed) in partitions.iter().zip(committed) {
            let stores = self.stores.as_mut();
            opened.push(assignment::open(
                &mut self.log,
                &self.topology,
                &self.routes,
                stores,
                self.rollouts.as_ref(),
                partition,
                committed,
            )?);
        }
        // Only now, when every partition was looked at: after an error all of them are tried again.
        self.unopened.retain(|partition| !partitions.contains(partition));
        self.open_again_at = self.clock.now() + OPEN_AGAIN_AFTER;
        let mut starts = Vec::with_capacity(partitions.len());
        for (partition, opened) in partitions.iter().zip(opened) {
            match opened {
                Opened::Reading(reading) => {
                    let (position, committed) = (reading.start, reading.committed);
                    tracing::info!(target: "riskstream::worker", %partition, position, committed, "partition opened");
                    self.stopped.retain(|stopped| stopped.partition != *partition);
                    starts.push((partition.clone(), position));
                    self.reading.push(*reading);
                }
                Opened::Stopped(reason) => {
                    self.unopened.push(partition.clone());
                    let stopped = Stopped {
                        partition: partition.clone(),
                        reason,
                    };
                    if !self.stopped.contains(&stopped) {
                        let reason = &stopped.reason;
                        tracing::error!(target: "riskstream::worker", %partition, reason, "partition is not read");
                        self.stopped.retain(|before| before.partition != *partition);
                        self.stopped.push(stopped);
                    }
                }
            }
        }
        // One order of reading whatever the order of assignment.
        self.reading
            .sort_by(|a, b| (a.priority, &a.partition).cmp(&(b.priority, &b.partition)));
        Ok(self.log.start(&starts)?)
    }

    /// The tasks that stopped and why.
    pub fn stopped(&self) -> &[Stopped] {
        &self.stopped
    }

    /// Partitions whose next record cannot be processed yet, and why.
    pub fn waiting(&self) -> impl Iterator<Item = (&TopicPartition, &str)> {
        self.reading
            .iter()
            .filter_map(|reading| Some((&reading.partition, reading.waits_for.as_deref()?)))
    }

    /// Each partition read, its task, and how many records are known to wait.
    pub fn tasks(&self) -> impl Iterator<Item = (&TopicPartition, &Task, Option<i64>)> {
        self.reading
            .iter()
            .map(|reading| (&reading.partition, &reading.task, self.log.lag(&reading.partition)))
    }

    /// Closes all tasks and gives back the log; state was written with the last commit.
    pub fn close(self) -> L {
        self.log
    }
}

/// Microseconds between two attempts to open a partition that could not be opened.
const OPEN_AGAIN_AFTER: i64 = 5_000_000;
