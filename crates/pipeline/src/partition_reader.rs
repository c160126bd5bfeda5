//! A partition that a worker reads: its task, how far it is, and which one is next.

use crate::context::TaskContext;
use crate::error::{TaskError, WorkerError};
use crate::liveness::{EventTimeRate, PartitionLiveness};
use crate::log::{Committed, Log, Outputs, TopicPartition};
use crate::progress::Phase;
use crate::task::{Processed, Task};

/// Records read from one partition before the next is chosen: bounds how far inputs drift apart in a batch.
const RUN: usize = 32;

/// Microseconds until a record is read again that could not be processed.
const RETRY_AFTER: i64 = 1_000_000;

/// How much a batch has taken in, and may.
pub(crate) struct Batch {
    /// Events applied so far.
    pub(crate) events: usize,
    most_events: usize,
    most_bytes: usize,
}

impl Batch {
    pub(crate) fn new(most_events: usize, most_bytes: usize) -> Batch {
        Batch {
            events: 0,
            most_events,
            most_bytes,
        }
    }

    /// Whether no further record may be taken in.
    pub(crate) fn is_full(&self, outputs: &Outputs) -> bool {
        self.events >= self.most_events || outputs.size() >= self.most_bytes
    }
}

/// See the module.
pub(crate) struct PartitionReader {
    pub(crate) partition: TopicPartition,
    pub(crate) task: Task,
    /// Later stages are read first, so that rows on their way are finished before more are sent.
    priority: usize,
    /// The group's committed position.
    pub(crate) committed: i64,
    /// Whether the log had no further record when it was read last.
    drained: bool,
    /// What lay before this offset when the partition was opened, or had been read before an abort, is read before the partition
    /// counts as one that is read at its end.
    backlog_end: i64,
    /// When the last record was read, or the partition opened; wall clock, microseconds.
    last_record: Option<i64>,
    rate: EventTimeRate,
    /// When to read on, by the wall clock in microseconds, if the partition cannot be read on now.
    retry_at: Option<i64>,
    /// Why the next record cannot be processed yet.
    waits_for: Option<String>,
    /// The offset of a record that cannot be read: nothing is read from there on.
    ends_before: Option<i64>,
    /// Nothing more is read in this batch.
    done: bool,
    /// Records taken in this batch.
    taken: u64,
    phase: Phase,
    /// How many marks of sources that read history the partition had received at the last check.
    catching_up_marks: u64,
    /// The offset of the record with which the sources' catch-up began that was seen at the last check.
    catch_up_from: Option<i64>,
    /// The event time up to which the log was written at the last check, if it says so.
    written_until: Option<i64>,
}

impl PartitionReader {
    /// `end`: of the partition, as it is opened.
    pub(crate) fn new(partition: TopicPartition, task: Task, priority: usize, end: i64) -> PartitionReader {
        PartitionReader {
            partition,
            priority,
            committed: task.replay_until(),
            task,
            drained: false,
            backlog_end: end,
            last_record: None,
            rate: EventTimeRate::default(),
            retry_at: None,
            waits_for: None,
            ends_before: None,
            done: false,
            taken: 0,
            phase: Phase::CatchingUp,
            catching_up_marks: 0,
            catch_up_from: None,
            written_until: None,
        }
    }

    fn begin_batch<L: Log>(&mut self, log: &L, now: i64) {
        self.taken = 0;
        self.last_record.get_or_insert(now);
        let has_records = log.has_records(&self.partition);
        self.drained |= !has_records;
        self.done = !has_records || self.retry_at.is_some_and(|at| at > now);
    }

    /// Processes the next records, a few at a time, until the batch is full.
    pub(crate) fn run<L: Log>(
        &mut self,
        log: &mut L,
        batch: &mut Batch,
        context: &mut TaskContext<'_>,
    ) -> Result<(), WorkerError> {
        for _ in 0..RUN {
            // One record may release thousands of rows.
            if batch.is_full(context.outputs) {
                break;
            }
            let Some(record) = log.take(&self.partition)? else {
                self.done = true;
                self.drained = true;
                break;
            };
            self.drained = false;
            self.last_record = Some(context.now);
            let offset = record.offset;
            if self.ends_before.is_some_and(|end| offset >= end) {
                self.stop();
                log.start(&[(self.partition.clone(), offset)])?;
                break;
            }
            match self.task.process(record, context)? {
                Processed::Events(applied) => {
                    batch.events += applied.max(1);
                    self.taken += 1;
                    self.retry_at = None;
                    if self.waits_for.take().is_some() {
                        tracing::info!(target: "riskstream::worker", partition = %self.partition, "going on");
                    }
                }
                Processed::Retry(why) => {
                    self.wait(why, context.now);
                    log.start(&[(self.partition.clone(), offset)])?;
                    break;
                }
            }
        }
        Ok(())
    }

    fn wait(&mut self, why: String, now: i64) {
        if self.waits_for.is_none() {
            tracing::warn!(target: "riskstream::worker", partition = %self.partition, why, "waiting");
        }
        self.waits_for = Some(why);
        self.done = true;
        self.retry_at = Some(now + RETRY_AFTER);
    }

    /// Does not read on: the log no longer has the next records. What was applied before is committed as usual.
    pub(crate) fn stop(&mut self) {
        self.done = true;
        self.backlog_end = 0;
        self.retry_at = Some(i64::MAX);
    }

    /// Goes back to the last write, as the batch was aborted; the offset to read from. What had stopped is read again as far as
    /// it was read before: those records are not committed.
    pub(crate) fn go_back<L: Log>(&mut self, log: &L) -> Result<i64, TaskError> {
        self.retry_at = None;
        self.backlog_end = self.backlog_end.max(log.position(&self.partition).unwrap_or(0));
        self.task.restore()
    }

    /// Reads up to the record at `offset` only, which cannot be read.
    pub(crate) fn end_before(&mut self, offset: i64) {
        self.ends_before = Some(offset);
    }

    /// The position to commit, if it is beyond what was committed.
    pub(crate) fn position_to_commit<L: Log>(&self, log: &L) -> Option<Committed> {
        let offset = log.position(&self.partition)?;
        (offset > self.committed).then(|| self.task.committed(offset))
    }

    /// Makes the batch durable, after its commit.
    pub(crate) fn write<L: Log>(&mut self, log: &L) -> Result<(), WorkerError> {
        if let Some(position) = log.position(&self.partition) {
            self.task.write(position)?;
        }
        Ok(())
    }

    /// Why the next record cannot be processed yet.
    pub(crate) fn waits_for(&self) -> Option<&str> {
        self.waits_for.as_deref()
    }

    /// Records taken in this batch.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Since when all records have been read, and the next one would be read as soon as it comes. A repartition partition
    /// needs no time to tell whether something follows: the sources say so in its log.
    fn idle_since(&self) -> Option<i64> {
        if !self.drained || self.retry_at.is_some() {
            return None;
        }
        match self.task.source().repartition() {
            Some(_) => Some(i64::MIN),
            None => self.last_record,
        }
    }

    /// Whether it is a partition of an input topic.
    pub(crate) fn reads_input(&self) -> bool {
        self.task.source().input().is_some()
    }

    /// Whether it is a repartition partition whose log says that a source reads history, or has done so since the last check.
    pub(crate) fn awaits_history(&self) -> bool {
        let repartition = self.task.source().repartition();
        repartition.is_some_and(|repartition| {
            repartition.awaits_history() || repartition.catching_up_marks() != self.catching_up_marks
        })
    }

    /// Whether a catch-up of sources has begun in the partition's log since the last check. One that is read again does not
    /// count: those that it asked have answered.
    pub(crate) fn begins_catch_up(&self) -> bool {
        let from = self.catch_up_of_sources();
        from != self.catch_up_from && from.is_some_and(|from| from >= self.task.replay_until())
    }

    fn catch_up_of_sources(&self) -> Option<i64> {
        self.task.source().repartition()?.catch_up_from()
    }

    /// The wall clock was set back by so many microseconds: what was noted of it goes with it.
    pub(crate) fn set_back(&mut self, by: i64) {
        let earlier = |at: i64| if at == i64::MAX { at } else { at.saturating_sub(by) };
        self.last_record = self.last_record.map(earlier);
        self.retry_at = self.retry_at.map(earlier);
        self.task.set_back(by);
    }

    /// Ends a check of the partition.
    pub(crate) fn end_check(&mut self) {
        let repartition = self.task.source().repartition();
        self.catching_up_marks = repartition.map_or(0, |repartition| repartition.catching_up_marks());
        self.catch_up_from = self.catch_up_of_sources();
    }

    /// How the partition is read, as of the last update.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Whether records were taken or the writer's watermark has moved since the last check.
    pub(crate) fn has_changed<L: Log>(&self, log: &L) -> bool {
        self.taken > 0 || log.written_until(&self.partition) != self.written_until
    }

    /// Reads the writer's watermark, if the log has one.
    fn update_writer_watermark<L: Log>(&mut self, log: &L) {
        // Asked before it is known that nothing waits: what was written in between is not read yet.
        self.written_until = log.written_until(&self.partition);
        if let Some(time) = self.written_until
            && log.lag(&self.partition) == Some(0)
        {
            self.task.set_read_until(time);
        }
    }

    /// See [`PartitionLiveness::backlog_from`].
    fn backlog_from<L: Log>(&self, log: &L) -> Option<i64> {
        let repartition = self.task.source().repartition()?;
        let is_read = log.lag(&self.partition) == Some(0)
            || log.position(&self.partition).is_some_and(|at| at >= self.backlog_end);
        (!is_read).then(|| repartition.newest())
    }

    /// What is known of the partition now.
    pub(crate) fn liveness<L: Log>(&mut self, log: &L, now: i64) -> PartitionLiveness {
        self.update_writer_watermark(log);
        let newest = self.task.input_watermark();
        self.rate.observe(newest.unwrap_or(i64::MIN), now);
        PartitionLiveness {
            newest,
            lag: log.lag(&self.partition),
            backlog_from: self.backlog_from(log),
            event_time_rate: self.rate.micros_per_second(),
            among_real_time: false,
            idle_since: self.idle_since(),
            has_writer_watermark: self.written_until.is_some(),
        }
    }
}

/// Begins a batch at `now`: the partitions, by index, that have records to be read. Most of hundreds have none.
pub(crate) fn begin_batch<L: Log>(readers: &mut [PartitionReader], log: &L, now: i64, unread: &mut Vec<usize>) {
    readers.iter_mut().for_each(|reader| reader.begin_batch(log, now));
    unread.clear();
    unread.extend((0..readers.len()).filter(|index| !readers[*index].done));
}

/// The partition to read next: of the latest stage, and of the inputs the one furthest behind in event time.
pub(crate) fn next_to_read<'r>(
    readers: &'r mut [PartitionReader],
    unread: &mut Vec<usize>,
) -> Option<&'r mut PartitionReader> {
    unread.retain(|index| !readers[*index].done);
    let order = |reader: &PartitionReader| (reader.priority, reader.task.input_watermark().unwrap_or(i64::MIN));
    let next = unread.iter().min_by_key(|index| order(&readers[**index]))?;
    Some(&mut readers[*next])
}

/// One order of reading whatever the order of assignment.
pub(crate) fn sort(readers: &mut [PartitionReader]) {
    readers.sort_by(|a, b| (a.priority, &a.partition).cmp(&(b.priority, &b.partition)));
}
