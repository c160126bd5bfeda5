//! A task: one partition of one topic, read in order, applied to a state of its own, with rows or decisions as results. The
//! ingest tasks in front of the first stage have no state.

use crate::context::TaskContext;
use crate::error::{PartitionError, TaskError, key_mismatch};
use crate::key_rule::OnKeyMismatch;
use crate::log::{Committed, Outputs, RecordRef, TopicIdentity, TopicPartition};
use crate::prepared::Prepared;
use crate::progress::{Phase, SourceProgress};
use crate::record_result::{RecordResult, Sequenced};
use crate::sink::Sink;
use crate::source::Source;
use crate::stage_state::{Applied, StageState};
use riskstream_engine::plan::InputKind;
use riskstream_engine::{Event, StageError};
use riskstream_events::{Flags, Rejection};
use std::collections::BTreeSet;

const REKEY: &str = "Features are then wrong. Key the topic by this field; or remove `key:`, which puts a repartition topic in \
                     between, and give the pipeline another name, so that it builds new state";

const TOO_LATE_LABEL: &str = "a label came later than the entity's `lateness`: no feature of this entity counts it. Give the entity \
                              a longer `lateness`; riskstream_too_late_labels_total counts such labels";

const TOO_LATE_EVENT: &str = "an event came later than the entity's `lateness`: no feature of this entity counts it. Give the entity \
                              a longer `lateness`; riskstream_other_events_total counts such events";

const LATE_ROW: &str = "a row came after a transaction from which on it holds: that was decided with the row before, and later ones \
                        see it. riskstream_table_rows_total counts such rows";

/// Where a task begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// The topic that it reads.
    pub topic: TopicIdentity,
    /// The offset of the first record to read: the state holds all before it.
    pub position: i64,
    /// The position that the group has committed. The outputs of records before it were committed by an earlier run: they
    /// are replayed for state only.
    pub committed: i64,
    /// Records before this offset were decided before: see [`Committed::decided`].
    pub decided: Option<i64>,
    /// The source's watermark at the position, if there is no state that keeps it.
    pub watermark: Option<i64>,
}

/// The result of processing a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Processed {
    /// It is done; this many events were applied. A repartition record may release many rows, or none yet.
    Events(usize),
    /// It has to be read again later, for this reason.
    Retry(String),
}

/// See the module.
pub struct Task {
    partition: TopicPartition,
    source: Source,
    state: Option<StageState>,
    sink: Sink,
    topic: TopicIdentity,
    /// The position as of the last write.
    position: i64,
    /// Records before this offset are replayed: see [`Start::committed`].
    replay_until: i64,
    /// Decisions on records before this offset are repeats: see [`Start::decided`].
    repeats_until: i64,
    /// Whether the record in hand is one of them.
    repeats: bool,
    /// The source as of the last write, where there is no state that keeps it.
    written: SourceProgress,
    /// Whether records were processed since the last write.
    changed: bool,
    /// Whether a record with another key than the rule says was logged.
    has_warned_of_key: bool,
    /// The inputs of which a label or event was logged that came too late.
    warned_of_late: BTreeSet<u8>,
}

impl Task {
    /// Opens the task of `partition`.
    ///
    /// # Errors
    /// The state cannot be read, or belongs to other topics or another layout of rows.
    pub fn open(
        partition: TopicPartition,
        source: Source,
        state: Option<StageState>,
        sink: Sink,
        start: Start,
    ) -> Result<Task, TaskError> {
        let mut task = Task {
            partition,
            source,
            state,
            sink,
            topic: start.topic,
            position: start.position,
            replay_until: start.committed,
            repeats_until: start.decided.unwrap_or(0),
            repeats: false,
            written: SourceProgress {
                watermark: start.watermark.unwrap_or(i64::MIN),
                ..SourceProgress::default()
            },
            changed: false,
            has_warned_of_key: false,
            warned_of_late: BTreeSet::new(),
        };
        task.restore()?;
        Ok(task)
    }

    /// Takes in the next record and applies the events that may be applied after it.
    ///
    /// # Errors
    /// The task cannot go on.
    pub fn process(&mut self, record: RecordRef<'_>, context: &mut TaskContext<'_>) -> Result<Processed, TaskError> {
        let replayed = record.offset < self.replay_until;
        self.repeats = record.offset < self.repeats_until;
        if let Some(decisions) = self.sink.decisions_mut().filter(|_| !replayed)
            && let Err(why) = decisions.prepare_lists(context)
        {
            return Ok(Processed::Retry(why));
        }
        match self.source.take(record, context)? {
            RecordResult::Rows => self.examine(record.offset, context)?,
            RecordResult::Rollout(notice) => {
                if let Some(decisions) = self.sink.decisions_mut()
                    && let Err(why) = decisions.change_set(notice, context)
                {
                    return Ok(Processed::Retry(why));
                }
            }
            RecordResult::Lists(notice) => {
                if let Some(decisions) = self.sink.decisions_mut() {
                    decisions.change_lists(&notice);
                }
            }
            RecordResult::Rejected(_) if replayed => {}
            RecordResult::Rejected(rejection) => {
                let letters = context.dead_letters;
                letters.record(&self.partition, record, &rejection, context.outputs);
            }
            RecordResult::NotReady(why) => return Ok(Processed::Retry(why)),
        }
        let mut events = 0;
        while let Some(event) = self.source.next_event(self.state.as_ref(), context)? {
            self.apply(event, replayed, context)?;
            events += 1;
        }
        context.tally.events += events as u64;
        context.tally.repeated_rows += self.source.take_repeated();
        self.changed = true;
        Ok(Processed::Events(events))
    }

    /// Looks for what is most likely a mistake about the input of the record taken last.
    fn examine(&mut self, offset: i64, context: &mut TaskContext<'_>) -> Result<(), TaskError> {
        let Some(input) = self.source.input() else {
            return Ok(());
        };
        if input.has_doubtful_time(context.engine) {
            context.tally.add_doubtful(&self.partition, offset);
        }
        let Some(rule) = input.broken_rule() else {
            return Ok(());
        };
        if rule.on_mismatch == OnKeyMismatch::Stop {
            let field = rule.field.clone();
            return Err(PartitionError::KeyMismatch { offset, field }.at(&self.partition));
        }
        context.tally.key_mismatches += 1;
        if !self.has_warned_of_key {
            let (partition, what) = (&self.partition, key_mismatch(&rule.field));
            tracing::warn!(target: "riskstream::worker", %partition, offset, "a record has another key: {what} {REKEY}");
            self.has_warned_of_key = true;
        }
        Ok(())
    }

    fn apply(&mut self, mut row: Sequenced, replayed: bool, context: &mut TaskContext<'_>) -> Result<(), TaskError> {
        let before = row.event.flags;
        let applied = match &mut self.state {
            Some(state) => state.apply(context.engine, &mut row.event),
            None => Ok(Applied::Now),
        };
        match applied {
            Ok(Applied::Now) => {
                self.show(&row.event, context);
                self.count(before, &row.event, replayed, context);
                self.pass_on(row, Ok(()), replayed, context);
            }
            Ok(Applied::Later) => context.recycle(row.event.row),
            Err(StageError::Rejected(rejection)) => self.pass_on(row, Err(rejection), replayed, context),
            Err(StageError::State(error)) => return Err(error.into()),
        }
        while let Some(state) = &mut self.state
            && let Some((event, applied)) = state.next_label(context.engine)?
        {
            if applied.is_ok() {
                self.show(&event, context);
                self.count(Flags::default(), &event, replayed, context);
            }
            let sequence = self.source.number();
            self.pass_on(Sequenced { sequence, event }, applied, replayed, context);
        }
        Ok(())
    }

    /// Shows the observer the event that was applied last.
    fn show(&self, event: &Event, context: &mut TaskContext<'_>) {
        if let Some(observer) = context.observer
            && let Some(state) = &self.state
            && let Some(applied) = state.last_applied()
        {
            observer.applied(context.engine, state.stage(), event, applied, state.stream_time());
        }
    }

    /// Counts what was found out about an event as it was applied. `before`: its flags before that.
    fn count(&mut self, before: Flags, event: &Event, replayed: bool, context: &mut TaskContext<'_>) {
        let tally = &mut *context.tally;
        if replayed {
            return;
        }
        let is_new = |flag| event.flags.contains(flag) && !before.contains(flag);
        tally.inexact += u64::from(is_new(Flags::INEXACT));
        let Some(state) = &self.state else { return };
        let (plan, stage) = (context.engine.plan(), state.stage());
        tally.other_events.add(plan, stage, event, state.last_applied());
        // A transaction has a decision, which says so. Others have the flag for the stage that applied them last.
        let what = match plan.kind(event.input) {
            InputKind::Table => match state.last_applied() {
                Some(applied) if applied.overtaken && !applied.too_late => LATE_ROW,
                _ => return,
            },
            _ if !event.is_missed() => return,
            InputKind::Events => TOO_LATE_EVENT,
            _ => {
                *tally.too_late_labels.entry(stage).or_default() += 1;
                TOO_LATE_LABEL
            }
        };
        if self.warned_of_late.insert(event.input) {
            let input = plan.inputs[usize::from(event.input)].name.as_str();
            let entity = plan.stages[stage].entity.as_str();
            tracing::warn!(target: "riskstream::worker", partition = %self.partition, entity, input, "{what}");
        }
    }

    /// Sends an event on, or to the dead letters if it could not be applied.
    fn pass_on(
        &mut self,
        mut row: Sequenced,
        applied: Result<(), Rejection>,
        replayed: bool,
        context: &mut TaskContext<'_>,
    ) {
        match applied {
            _ if replayed => context.recycle(row.event.row),
            Ok(()) => {
                if self.repeats && self.sink.decisions().is_some() {
                    row.event.flags |= Flags::REPEATED;
                }
                self.sink.push(row, context);
            }
            Err(rejection) => {
                let letters = context.dead_letters;
                let id = context.engine.plan().published_id(&row.event);
                letters.event(&self.partition, &id, &rejection, context.outputs);
                context.recycle(row.event.row);
            }
        }
    }

    /// Ends a batch: completes its outputs. `partition` is how the partition is read.
    pub fn finish_batch(&mut self, partition: Phase, context: &mut TaskContext<'_>) {
        if let Some(repartition) = self.source.repartition_mut() {
            repartition.limit_wait(context.now, context.appended);
        }
        self.sink.flush(self.source.watermark(partition), context);
    }

    /// The wall clock was set back by so many microseconds.
    pub(crate) fn set_back(&mut self, by: i64) {
        if let Some(repartition) = self.source.repartition_mut() {
            repartition.set_back(by);
        }
    }

    /// Collects what is to be written after the next commit: the changes of all batches since the last one.
    pub fn collect(&mut self) {
        if self.changed
            && let Some(state) = &mut self.state
        {
            let writes = state.collect(self.source.progress());
            self.source.collect(writes);
            self.sink.collect(writes);
        }
    }

    /// Makes what was collected durable, after the commit. `position` is the offset of the next record to read.
    ///
    /// # Errors
    /// The state cannot be written.
    pub fn write(&mut self, position: i64) -> Result<(), TaskError> {
        if !self.changed {
            return Ok(());
        }
        match &mut self.state {
            Some(state) => state.write(position)?,
            None => self.written = self.source.progress(),
        }
        self.source.written();
        self.sink.written();
        self.position = position;
        self.changed = false;
        Ok(())
    }

    /// Forgets everything since the last write, as its transaction was aborted. Gives the offset at which to read again.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn restore(&mut self) -> Result<i64, TaskError> {
        let progress = match &mut self.state {
            Some(state) => state.restore()?,
            None => self.written.clone(),
        };
        self.source.resume(&progress, self.state.as_ref())?;
        self.sink.restart();
        self.changed = false;
        Ok(self.position)
    }

    /// The position to commit at `offset`, with what other workers or a successor have to know.
    pub fn committed(&self, offset: i64) -> Committed {
        let watermark = match self.state {
            Some(_) => None,
            None => self.input_watermark(),
        };
        Committed {
            offset,
            watermark: watermark.filter(|watermark| *watermark != i64::MIN),
            circuits: self.sink.decisions().and_then(|decisions| decisions.circuits()),
            decided: Some(self.repeats_until).filter(|until| offset < *until),
            topic: self.topic.clone(),
        }
    }

    /// Announces a roll-out and versions of lists that are ready in the task's own log, if the task decides and has not announced
    /// them yet. It acts when it reads the notice, so a replay acts at the same place.
    pub fn announce(&mut self, prepared: &Prepared, outputs: &mut Outputs) {
        let (Some(repartition), Some(decisions)) = (self.source.repartition(), self.sink.decisions_mut()) else {
            return;
        };
        let rollout = prepared.rollouts.newest();
        if let Some(notice) = rollout.as_deref().and_then(|newest| decisions.announce(newest)) {
            repartition.write_rollout_notice(notice, outputs);
        }
        let lists = prepared.lists.newest();
        if let Some(notice) = lists.as_deref().and_then(|newest| decisions.announce_lists(newest)) {
            repartition.write_lists_notice(notice, outputs);
        }
    }

    /// The offset of the first record that is not in the state, as of the last write.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// The committed position when the task was opened: see [`Start::committed`].
    pub fn replay_until(&self) -> i64 {
        self.replay_until
    }

    /// What it reads.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Its state, unless it is an ingest task.
    pub fn state(&self) -> Option<&StageState> {
        self.state.as_ref()
    }

    /// Where its events go.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// The largest event time read, if the task reads an input topic.
    pub fn input_watermark(&self) -> Option<i64> {
        self.source.input().map(|input| input.watermark())
    }

    /// All that an input topic's log holds up to this event time has been read.
    pub fn set_read_until(&mut self, time: i64) {
        if let Some(input) = self.source.input_mut() {
            input.set_read_until(time);
        }
    }

    /// Number of frames that wait for slower sources.
    pub fn waiting_frames(&self) -> usize {
        self.source.repartition().map_or(0, |source| source.waiting_frames())
    }
}
