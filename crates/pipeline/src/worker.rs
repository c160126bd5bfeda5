//! The loop: read a batch, apply it, append what other tasks read, commit outputs and positions in one transaction, then
//! write state and position in one batch. State is never ahead of what the log has committed.
//!
//! A batch with outputs is committed at once. Rows for later stages need no transaction, and one commit covers the batches of
//! some time: after a crash they are made again with the same numbers, and their readers drop what they have
//! (docs/adr/0018-rows-without-transactions.md).

use crate::assignment::{Assignment, Opened};
use crate::clock::Clock;
use crate::context::TaskContext;
use crate::continuation::position_gone;
use crate::dead_letters::DeadLetters;
use crate::error::{PartitionError, TaskError, WorkerError};
use crate::liveness::LivenessOptions;
use crate::log::{AssignmentChange, Committed, Log, LogError, Outputs, TopicPartition};
use crate::observer::Observer;
use crate::partition_reader::{self, Batch, PartitionReader, next_to_read};
use crate::prepared::Prepared;
use crate::repartition_writer::RepartitionWriters;
use crate::round::{Changes, Round, Stopped};
use crate::sink::{RepartitionSink, Sink};
use crate::source_phases::{CatchUpSignal, SourcePhases};
use crate::stop_reason::StopReason;
use crate::stores::Stores;
use crate::tally::Tally;
use crate::task::Task;
use crate::topology::{Routes, Topology};
use crate::unopened::Unopened;
use riskstream_engine::Engine;
use riskstream_events::Row;
use riskstream_scoring::Decider;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// After this time positions are committed that moved without outputs.
const COMMIT_EVERY: Duration = Duration::from_millis(200);

/// Batches at most whose changes wait in memory for a commit, while the group waits for a member.
const UNCOMMITTED_BATCHES: usize = 4;

/// Limits of a batch, and when a source is live.
#[derive(Clone, Copy, Debug)]
pub struct WorkerOptions {
    /// Events of one transaction at most, counted at each stage. An entity's state is written once a batch,
    /// so larger batches are cheaper while catching up; at the end of the log a batch is what there is.
    pub batch_events: usize,
    /// Bytes written by one transaction at most, and what one record more releases. They are in memory twice: here and in the
    /// log's client.
    pub batch_bytes: usize,
    /// When a source counts as live.
    pub liveness: LivenessOptions,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        WorkerOptions {
            batch_events: 40_000,
            batch_bytes: 4 << 20,
            liveness: LivenessOptions::default(),
        }
    }
}

/// One member of the group: owns a log and the tasks of its partitions.
pub struct Worker<L: Log> {
    log: L,
    topology: Arc<Topology>,
    routes: Routes,
    options: WorkerOptions,
    stores: Box<dyn Stores + Send>,
    clock: Box<dyn Clock + Send>,
    prepared: Prepared,
    engine: Engine,
    decider: Decider,
    dead_letters: DeadLetters,
    readers: Vec<PartitionReader>,
    /// The readers, by index, that have records to be read in this batch.
    unread: Vec<usize>,
    stopped: Vec<Stopped>,
    unopened: Unopened,
    /// Changes of the assignment that the log has reported and that are not yet carried out.
    pending: VecDeque<AssignmentChange>,
    phases: SourcePhases,
    writers: RepartitionWriters,
    appended: Outputs,
    outputs: Outputs,
    rows: Vec<Row>,
    /// By the clock that never goes back.
    last_commit: Duration,
    /// Events applied since the last commit.
    uncommitted: usize,
    observer: Option<Box<dyn Observer>>,
}

impl<L: Log> Worker<L> {
    /// A worker that will read what `log` assigns to it. The workers of a process share `history`.
    pub fn new(
        log: L,
        topology: Arc<Topology>,
        options: WorkerOptions,
        stores: Box<dyn Stores + Send>,
        clock: Box<dyn Clock + Send>,
        prepared: Prepared,
        history: CatchUpSignal,
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
            prepared,
            engine,
            decider: Decider::default(),
            dead_letters,
            readers: Vec::new(),
            unread: Vec::new(),
            stopped: Vec::new(),
            unopened: Unopened::default(),
            pending: VecDeque::new(),
            phases: SourcePhases::new(options.liveness, history),
            writers: RepartitionWriters::default(),
            appended: Outputs::default(),
            outputs: Outputs::default(),
            rows: Vec::new(),
            last_commit: Duration::ZERO,
            uncommitted: 0,
            observer: None,
        }
    }

    /// The same, which shows `observer` what it does.
    pub fn observed_by(mut self, observer: Box<dyn Observer>) -> Worker<L> {
        self.observer = Some(observer);
        self
    }

    /// One round: waits at most `timeout` for something to do, processes a batch, commits it and writes it.
    ///
    /// # Errors
    /// After [`LogError::Unavailable`] the worker can go on: call again later. After any other error it cannot; close
    /// it. State is then what was last committed, or behind it.
    pub fn round(&mut self, timeout: Duration) -> Result<Round, WorkerError> {
        self.pending.extend(self.log.wait(timeout)?);
        let mut round = Round::default();
        match self.work(&mut round) {
            Ok(()) => {}
            Err(WorkerError::Log(LogError::Aborted(why))) => {
                tracing::warn!(target: "riskstream::worker", why, "aborted, the batch is taken again");
                self.go_back()?;
                return Ok(Round::aborted(round.changes));
            }
            Err(WorkerError::Task(error)) if error.record().is_some() => {
                let mut aborted = Round::aborted(round.changes);
                self.end_before_record(error, &mut aborted.tally)?;
                return Ok(aborted);
            }
            Err(error) => return Err(error),
        }
        round.written = self.appended.records().len() + self.outputs.records().len();
        round.records = self.records_by_topic();
        round.dead_letters = self.dead_letters.by_reason(&self.outputs);
        self.appended.clear();
        self.outputs.clear();
        Ok(round)
    }

    fn work(&mut self, round: &mut Round) -> Result<(), WorkerError> {
        round.changes = self.change_hands()?;
        let now = self.clock.now();
        self.open_again(now)?;
        // After the last task was opened: a new writer has none, and is taken for a former owner's.
        self.writers.set_generation(self.log.generation());
        let began = self.clock.monotonic();
        round.events = self.process_batch(now, &mut round.tally)?;
        self.uncommitted += round.events;
        self.announce_prepared();
        round.processing = self.since(began);
        if !self.appended.is_empty() {
            self.log.append(&self.appended)?;
        }
        let has_outputs = !self.outputs.is_empty();
        if has_outputs && !self.log.is_transactional() {
            self.log.append(&self.outputs)?;
        }
        let is_due = self.since(self.last_commit) >= COMMIT_EVERY || self.uncommitted >= self.options.batch_events;
        if is_due || (has_outputs && self.log.is_transactional()) {
            self.commit(round)?;
            self.last_commit = self.clock.monotonic();
        }
        Ok(())
    }

    /// Commits outputs and positions, then writes state.
    fn commit(&mut self, round: &mut Round) -> Result<(), WorkerError> {
        let positions = self.positions();
        if positions.is_empty() && self.outputs.is_empty() {
            return self.write_replayed();
        }
        self.readers.iter_mut().for_each(|reader| reader.task.collect());
        let began = self.clock.monotonic();
        let nothing = Outputs::default();
        let outputs = match self.log.is_transactional() {
            true => &self.outputs,
            false => &nothing,
        };
        match self.log.commit(outputs, &positions) {
            Ok(()) => {}
            // Without outputs nothing is lost: a later commit covers this batch.
            Err(LogError::Rebalancing) if outputs.is_empty() => return Ok(()),
            Err(LogError::Rebalancing) => return Err(LogError::Aborted("the group is being rebalanced".into()).into()),
            Err(error) => return Err(error.into()),
        }
        round.commit = Some(self.since(began));
        let began = self.clock.monotonic();
        self.write(&positions)?;
        round.state_write = Some(self.since(began));
        self.uncommitted = 0;
        Ok(())
    }

    /// Writes state of which the group has committed everything: a replay of state that was lost is long, and does not have to
    /// begin anew after a restart.
    fn write_replayed(&mut self) -> Result<(), WorkerError> {
        if self.uncommitted > 0 {
            self.readers.iter_mut().for_each(|reader| reader.task.collect());
            self.write(&[])?;
            self.uncommitted = 0;
        }
        Ok(())
    }

    fn since(&self, began: Duration) -> Duration {
        self.clock.monotonic().saturating_sub(began)
    }

    /// Carries out what the log has reported. A change that fails stays, so that it can be tried again.
    fn change_hands(&mut self) -> Result<Changes, WorkerError> {
        let mut changes = Changes::default();
        while let Some(change) = self.pending.front().cloned() {
            match &change {
                AssignmentChange::Assigned(partitions) => changes.assigned += partitions.len(),
                AssignmentChange::Revoked(partitions) => changes.revoked += partitions.len(),
            }
            self.change(change)?;
            self.pending.pop_front();
        }
        Ok(changes)
    }

    fn open_again(&mut self, now: i64) -> Result<(), WorkerError> {
        let partitions = self.unopened.due(now, self.stores.has_restored());
        if partitions.is_empty() {
            return Ok(());
        }
        self.assigned(&partitions)
    }

    /// Announces what is ready to the deciding tasks, through their own log.
    fn announce_prepared(&mut self) {
        for reader in &mut self.readers {
            reader.task.announce(&self.prepared, &mut self.appended);
        }
    }

    fn records_by_topic(&self) -> Vec<(Arc<str>, u64)> {
        let mut records: Vec<(Arc<str>, u64)> = Vec::new();
        for reader in self.readers.iter().filter(|reader| reader.taken() > 0) {
            match records.iter_mut().find(|(topic, _)| *topic == reader.partition.topic) {
                Some((_, taken)) => *taken += reader.taken(),
                None => records.push((Arc::clone(&reader.partition.topic), reader.taken())),
            }
        }
        records
    }

    fn process_batch(&mut self, now: i64, tally: &mut Tally) -> Result<usize, WorkerError> {
        let mut context = TaskContext {
            engine: &mut self.engine,
            decider: &mut self.decider,
            writers: &mut self.writers,
            appended: &mut self.appended,
            outputs: &mut self.outputs,
            dead_letters: &self.dead_letters,
            decisions: self.routes.decisions,
            further_outputs: self.routes.further_outputs,
            decision_format: self.topology.decision_format,
            now,
            rows: &mut self.rows,
            prepared: &self.prepared,
            tally,
            observer: &mut self.observer,
        };
        partition_reader::begin_batch(&mut self.readers, &self.log, now, &mut self.unread);
        let most = UNCOMMITTED_BATCHES * self.options.batch_events;
        let limit = most.saturating_sub(self.uncommitted).min(self.options.batch_events);
        let mut batch = Batch::new(limit, self.options.batch_bytes);
        while !batch.is_full(context.outputs)
            && let Some(reader) = next_to_read(&mut self.readers, &mut self.unread)
        {
            match reader.run(&mut self.log, &mut batch, &mut context) {
                Ok(()) => {}
                Err(WorkerError::Log(LogError::OutOfRange { position, low, .. })) => {
                    reader.stop();
                    // After an abort it stops a second time.
                    if !self.stopped.iter().any(|stopped| stopped.partition == reader.partition) {
                        let reason = position_gone(position, low);
                        self.stopped.push(Stopped::logged(&reader.partition, reason));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        for reader in self.phases.update(&mut self.readers, &self.log, now) {
            let phase = reader.phase();
            reader.task.finish_batch(phase, &mut context);
        }
        if self.phases.has_to_announce() {
            context.writers.announce_again();
            self.phases.announces();
        }
        self.writers.flush(now, &mut self.appended);
        Ok(batch.events)
    }

    /// The positions to commit: those that are beyond what was committed.
    fn positions(&self) -> Vec<(TopicPartition, Committed)> {
        let position = |reader: &PartitionReader| {
            let position = reader.position_to_commit(&self.log)?;
            Some((reader.partition.clone(), position))
        };
        self.readers.iter().filter_map(position).collect()
    }

    fn write(&mut self, positions: &[(TopicPartition, Committed)]) -> Result<(), WorkerError> {
        for (partition, position) in positions {
            if let Some(reader) = self.readers.iter_mut().find(|reader| reader.partition == *partition) {
                reader.committed = position.offset;
            }
        }
        self.readers.iter_mut().try_for_each(|reader| reader.write(&self.log))
    }

    /// Takes the batch again, up to the record that the error is about: what came before it is committed, and the partition is
    /// not read on.
    fn end_before_record(&mut self, error: TaskError, tally: &mut Tally) -> Result<(), WorkerError> {
        self.go_back()?;
        let Some((partition, offset, why)) = error.record() else {
            return Err(error.into());
        };
        let reader = self.readers.iter_mut().find(|reader| reader.partition == *partition);
        let Some(reader) = reader else { return Err(error.into()) };
        reader.end_before(offset);
        tally.key_mismatches += u64::from(matches!(why, PartitionError::KeyMismatch { .. }));
        let stopped = Stopped::logged(partition, why.into());
        self.stopped.push(stopped);
        Ok(())
    }

    /// After an abort: every task goes back to its last write, and is read again from there.
    fn go_back(&mut self) -> Result<(), WorkerError> {
        self.appended.clear();
        self.outputs.clear();
        self.uncommitted = 0;
        self.writers.restart();
        self.phases.reset();
        let mut positions = Vec::with_capacity(self.readers.len());
        for reader in &mut self.readers {
            positions.push((reader.partition.clone(), reader.go_back(&self.log)?));
        }
        Ok(self.log.start(&positions)?)
    }

    fn change(&mut self, change: AssignmentChange) -> Result<(), WorkerError> {
        match change {
            AssignmentChange::Assigned(partitions) => self.assigned(&partitions),
            AssignmentChange::Revoked(partitions) => {
                // What is not committed would be done again by the next owner.
                self.commit(&mut Round::default())?;
                self.give_up(&partitions)
            }
        }
    }

    fn give_up(&mut self, partitions: &[TopicPartition]) -> Result<(), WorkerError> {
        self.close(partitions);
        self.stopped.retain(|stopped| !partitions.contains(&stopped.partition));
        self.unopened.remove(partitions);
        Ok(self.log.stop(partitions)?)
    }

    fn close(&mut self, partitions: &[TopicPartition]) {
        let closed = self
            .readers
            .extract_if(.., |reader| partitions.contains(&reader.partition));
        for reader in closed {
            if let Sink::Repartition(RepartitionSink { stage, source }) = reader.task.sink() {
                self.writers.get(*stage).remove(*source);
            }
        }
    }

    fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<(), WorkerError> {
        // An earlier attempt may have failed after it had opened them.
        self.close(partitions);
        let committed = self.log.committed(partitions)?;
        let mut assignment = Assignment {
            log: &mut self.log,
            topology: &self.topology,
            routes: &self.routes,
            writers: &mut self.writers,
            stores: self.stores.as_mut(),
            rollouts: self.prepared.rollouts.as_ref(),
        };
        let mut opened = Vec::with_capacity(partitions.len());
        for (partition, committed) in partitions.iter().zip(committed) {
            opened.push(assignment.open(partition, committed)?);
        }
        // The worker changes only now, when every partition was tried: after an error all of them are tried again.
        self.unopened.remove(partitions);
        self.unopened.set_tried(self.clock.now());
        let mut starts = Vec::with_capacity(partitions.len());
        for (partition, opened) in partitions.iter().zip(opened) {
            match opened {
                Opened::Reader(reader) => {
                    let (position, committed) = (reader.task.position(), reader.committed);
                    tracing::info!(target: "riskstream::worker", %partition, position, committed, "partition opened");
                    self.stopped.retain(|stopped| stopped.partition != *partition);
                    starts.push((partition.clone(), position));
                    self.readers.push(*reader);
                }
                Opened::Stopped(reason) => self.leave_unopened(partition, reason),
                Opened::Restoring(from) => {
                    self.stopped.retain(|stopped| stopped.partition != *partition);
                    self.unopened.add_restoring(partition, from);
                }
            }
        }
        partition_reader::sort(&mut self.readers);
        self.phases.reset();
        Ok(self.log.start(&starts)?)
    }

    /// Notes why a partition cannot be opened. It is logged when the reason is a new one.
    fn leave_unopened(&mut self, partition: &TopicPartition, reason: StopReason) {
        self.unopened.add(partition);
        let stopped = Stopped {
            partition: partition.clone(),
            reason,
        };
        if !self.stopped.contains(&stopped) {
            let StopReason { code, detail } = &stopped.reason;
            tracing::error!(target: "riskstream::worker", %partition, %code, reason = detail, "partition is not read");
            self.stopped.retain(|before| before.partition != *partition);
            self.stopped.push(stopped);
        }
    }

    /// The partitions that are not read, and why.
    pub fn stopped(&self) -> &[Stopped] {
        &self.stopped
    }

    /// Partitions whose next record cannot be processed yet, and why.
    pub fn waiting(&self) -> impl Iterator<Item = (&TopicPartition, &str)> {
        let reading = self.readers.iter();
        let waiting = reading.filter_map(|reader| Some((&reader.partition, reader.waits_for()?)));
        waiting.chain(self.unopened.restoring())
    }

    /// Each partition read, its task, and how many records are known to wait.
    pub fn tasks(&self) -> impl Iterator<Item = (&TopicPartition, &Task, Option<i64>)> {
        self.readers
            .iter()
            .map(|reader| (&reader.partition, &reader.task, self.log.lag(&reader.partition)))
    }

    /// Commits what was applied since the last commit. To be called after a round without an error.
    ///
    /// # Errors
    /// Nothing was committed; a successor does that work again.
    pub fn finish(&mut self) -> Result<(), WorkerError> {
        self.commit(&mut Round::default())
    }

    /// Closes all tasks and gives back the log; state was written with the last commit.
    pub fn into_log(self) -> L {
        self.log
    }
}
