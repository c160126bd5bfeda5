//! A stage on one partition: one ordered log in, one private state, rows or decisions out.

use crate::decide::DecisionBuffer;
use crate::journal::{self, Journal};
use crate::log::{Outputs, RecordRef, TopicPartition};
use crate::merge::{IdleNotice, Merge};
use crate::reader::InputReader;
use crate::repartition::{self, Content, RepartitionRecord};
use crate::repartition_writer::{RepartitionWriter, Watermark};
use crate::rollout::RolloutNotice;
use crate::task::{Processed, TaskContext, TaskError};
use riskstream_engine::plan::{Plan, TRANSACTIONS};
use riskstream_engine::{Event, StageError};
use riskstream_events::{FrameError, ReasonCode, Rejection, Row};
use riskstream_features::EntityStates;
use riskstream_features::state::{StateStore, StateWrites};
use riskstream_scoring::Lineup;
use std::sync::Arc;

/// What a stage reads.
pub enum Feed {
    /// The transactions topic itself: one source, its order is the order.
    Input(InputReader),
    /// A repartition topic: many sources, merged.
    Repartition(Merge),
}

/// Where a stage's results go.
pub enum Next {
    /// To the next stage's repartition topic.
    Stage(RepartitionWriter),
    /// It is the last stage: transactions are decided.
    Decide(DecisionBuffer),
}

/// What became of a repartition record.
enum TakenIn {
    Done,
    /// It is to be read again later, for this reason; nothing was changed.
    NotReady(String),
    Rejected(Rejection),
}

/// See the module.
pub struct StageTask {
    partition: TopicPartition,
    stage: usize,
    layout_id: u32,
    feed: Feed,
    next: Next,
    store: Box<dyn StateStore>,
    states: EntityStates,
    journal: Journal,
    writes: StateWrites,
    /// The position that Kafka has committed: what lies before it was answered already.
    answered_until: i64,
    changed: bool,
    /// The largest revision of a line-up that was written to the log here and may not have been read back yet.
    announced_rollout: u64,
    key: String,
}

impl StageTask {
    /// Opens the task on `store`. `answered_until` is the committed position, or the one to begin at.
    pub fn open(
        plan: &Plan,
        partition: TopicPartition,
        stage: usize,
        feed: Feed,
        next: Next,
        store: Box<dyn StateStore>,
        answered_until: i64,
    ) -> Result<StageTask, TaskError> {
        let states = EntityStates::new(Arc::clone(&plan.stages[stage].features));
        let mut task = StageTask {
            partition,
            stage,
            layout_id: repartition::layout_id(plan, stage),
            feed,
            next,
            store,
            states,
            journal: Journal::default(),
            writes: StateWrites::default(),
            answered_until,
            changed: false,
            announced_rollout: 0,
            key: String::new(),
        };
        task.load(plan)?;
        Ok(task)
    }

    /// Forgets everything since the last write: the transaction was aborted.
    pub fn restore(&mut self, plan: &Plan) -> Result<(), TaskError> {
        self.states.discard();
        self.writes.clear();
        self.changed = false;
        self.load(plan)
    }

    fn load(&mut self, plan: &Plan) -> Result<(), TaskError> {
        self.journal = Journal::read(self.store.as_ref())?;
        match &mut self.next {
            Next::Stage(writer) => writer.restart(self.journal.sequence),
            Next::Decide(buffer) => {
                buffer.restore();
                self.announced_rollout = buffer.lineup().revision;
            }
        }
        let merge = match &mut self.feed {
            Feed::Repartition(merge) => merge,
            Feed::Input(reader) => {
                reader.set_watermark(self.journal.watermark);
                return Ok(());
            }
        };
        *merge = Merge::new(merge.sources());
        if self.journal.sources.len() > merge.sources() {
            return Err(TaskError::SourcesChanged {
                partition: self.partition.clone(),
                before: self.journal.sources.len(),
                now: merge.sources(),
            });
        }
        for (source, mark) in self.journal.sources.iter().enumerate() {
            merge.restore_mark(source, *mark);
        }
        for (source, offset, bytes) in journal::read_frames(self.store.as_ref())? {
            let record = repartition::parse(&bytes).map_err(|error| self.unreadable(error))?;
            self.check_layout(record)?;
            let head = repartition::frame_reader(plan, self.stage, &bytes)
                .map_err(|error| self.unreadable(error))?
                .header();
            assert_eq!(head.source, source, "frames are stored by their source");
            let stage = self.stage;
            let Feed::Repartition(merge) = &mut self.feed else {
                unreachable!("it was one above")
            };
            merge
                .restore_frame(head, offset, bytes, &mut |frame, rows| {
                    repartition::decode_rows(plan, stage, frame, &mut Vec::new(), rows)
                })
                .map_err(|error| self.unreadable(error))?;
        }
        Ok(())
    }

    /// Takes in the next record and applies all rows that may be applied after it.
    pub fn process(&mut self, record: RecordRef<'_>, context: &mut TaskContext<'_>) -> Result<Processed, TaskError> {
        let replayed = record.offset < self.answered_until;
        let mut events = 0;
        match &mut self.feed {
            Feed::Input(reader) => match reader.read(record, context)? {
                crate::reader::Read::Event(event) => {
                    self.apply(event, replayed, context)?;
                    events = 1;
                }
                crate::reader::Read::Rejected(rejection) => {
                    if !replayed {
                        context
                            .dead_letters
                            .record(&self.partition, record, &rejection, context.outputs);
                    }
                    events = 1;
                }
                crate::reader::Read::Unavailable(why) => return Ok(Processed::Retry(why)),
            },
            Feed::Repartition(_) => {
                let plan = Arc::clone(context.engine.plan());
                match self.take_in(record, &plan, context)? {
                    TakenIn::Done => {}
                    TakenIn::NotReady(why) => return Ok(Processed::Retry(why)),
                    TakenIn::Rejected(rejection) if !replayed => {
                        context
                            .dead_letters
                            .record(&self.partition, record, &rejection, context.outputs);
                    }
                    TakenIn::Rejected(_) => {}
                }
                while let Some(event) = self.next_row(&plan, context.rows)? {
                    self.apply(event, replayed, context)?;
                    events += 1;
                }
            }
        }
        self.changed = true;
        Ok(Processed::Events(events))
    }

    /// Gives a repartition record to the merge, or acts on a notice.
    fn take_in(
        &mut self,
        record: RecordRef<'_>,
        plan: &Plan,
        context: &mut TaskContext<'_>,
    ) -> Result<TakenIn, TaskError> {
        let rejected = |error: FrameError| {
            let rejection = Rejection::new(ReasonCode::BadFrame, error.to_string());
            Ok(TakenIn::Rejected(rejection))
        };
        let value = record.value.unwrap_or_default();
        let parsed = match repartition::parse(value) {
            Ok(parsed) => parsed,
            Err(error) => return rejected(error),
        };
        self.check_layout(parsed)?;
        let Feed::Repartition(merge) = &mut self.feed else {
            unreachable!("only repartition records come here")
        };
        match parsed.content {
            Content::Idle(idle_notice) => merge.mark_idle(idle_notice),
            Content::Rollout(notice) => return Ok(self.change_lineup(notice, context)),
            Content::Frame(_) => {
                if let Err(error) = take_frame(merge, plan, self.stage, record.offset, value, context.rows) {
                    return rejected(error);
                }
            }
        }
        Ok(TakenIn::Done)
    }

    /// Puts the line-up of a notice in force, unless a later one is.
    fn change_lineup(&mut self, notice: RolloutNotice<'_>, context: &mut TaskContext<'_>) -> TakenIn {
        let Next::Decide(buffer) = &mut self.next else {
            return TakenIn::Done;
        };
        if notice.revision <= buffer.lineup().revision {
            return TakenIn::Done;
        }
        let lineup = match context.rollouts.prepared(notice.document) {
            Ok(lineup) => lineup,
            Err(why) => return TakenIn::NotReady(why),
        };
        let (partition, revision) = (&self.partition, notice.revision);
        tracing::info!(target: "riskstream::worker", %partition, revision, "other models decide from here on");
        buffer.change(lineup, context);
        TakenIn::Done
    }

    /// Writes a notice of the line-up that is ready to the topic at index `topic`, which this task reads, if it decides
    /// and the line-up is news.
    pub fn write_rollout_notice(&mut self, newest: &Lineup, topic: usize, outputs: &mut Outputs) {
        if !matches!(self.next, Next::Decide(_)) || newest.revision <= self.announced_rollout {
            return;
        }
        self.announced_rollout = newest.revision;
        let notice = RolloutNotice {
            revision: newest.revision,
            document: &newest.document,
        };
        outputs.push(topic, Some(self.partition.partition), None, None, |bytes| {
            repartition::write_rollout(self.layout_id, notice, bytes);
        });
    }

    /// The revision of the line-up in force, if this task decides.
    pub fn rollout(&self) -> Option<u64> {
        match &self.next {
            Next::Stage(_) => None,
            Next::Decide(buffer) => Some(buffer.lineup().revision),
        }
    }

    /// The circuits of this task's models, to be kept beside the position; none if all are closed.
    pub fn circuits(&self) -> Option<String> {
        match &self.next {
            Next::Stage(_) => None,
            Next::Decide(buffer) => buffer.circuits(),
        }
    }

    fn check_layout(&self, record: RepartitionRecord<'_>) -> Result<(), TaskError> {
        if record.layout == self.layout_id {
            return Ok(());
        }
        Err(TaskError::Layout {
            partition: self.partition.clone(),
        })
    }

    fn unreadable(&self, error: FrameError) -> TaskError {
        TaskError::Frame {
            partition: self.partition.clone(),
            error,
        }
    }

    fn next_row(&mut self, plan: &Plan, spare: &mut Vec<Row>) -> Result<Option<Event>, TaskError> {
        let Feed::Repartition(merge) = &mut self.feed else {
            return Ok(None);
        };
        let stage = self.stage;
        merge
            .pop(&mut |bytes, rows| repartition::decode_rows(plan, stage, bytes, spare, rows))
            .map_err(|error| self.unreadable(error))
    }

    fn apply(&mut self, mut event: Event, replayed: bool, context: &mut TaskContext<'_>) -> Result<(), TaskError> {
        self.journal.watermark = self.journal.watermark.max(event.watermark);
        let store = self.store.as_ref();
        match context.engine.apply(
            self.stage,
            &mut self.states,
            store,
            &mut self.journal.stream_time,
            &mut event,
        ) {
            Ok(()) => {}
            Err(StageError::Rejected(rejection)) => {
                if !replayed {
                    context
                        .dead_letters
                        .event(&self.partition, &event, &rejection, context.outputs);
                }
                context.recycle(event.row);
                return Ok(());
            }
            Err(StageError::State(error)) => return Err(error.into()),
        }
        match &mut self.next {
            Next::Stage(writer) => {
                let travels = context.engine.travels(self.stage + 1, &event);
                if travels && replayed {
                    writer.skip();
                } else if travels {
                    let key = context.engine.key(self.stage + 1, &event, &mut self.key);
                    writer.push(&event, key, context.outputs);
                }
                context.recycle(event.row);
            }
            Next::Decide(buffer) => {
                if event.input != TRANSACTIONS || replayed {
                    context.recycle(event.row);
                } else {
                    buffer.push(event, context);
                }
            }
        }
        Ok(())
    }

    /// Ends a batch: outputs are complete, and what has to be written after their commit is collected.
    /// `reads_at_end` tells of a task that reads an input topic whether it is at the end of it.
    pub fn finish_batch(&mut self, reads_at_end: bool, context: &mut TaskContext<'_>) {
        let live = match &self.feed {
            Feed::Input(_) => reads_at_end,
            Feed::Repartition(merge) => merge.is_live(),
        };
        match &mut self.next {
            Next::Stage(writer) => {
                let bound = match &self.feed {
                    Feed::Repartition(merge) => merge.bound(),
                    Feed::Input(_) => None,
                };
                let watermark = bound.map_or(self.journal.watermark, |bound| bound.max(self.journal.watermark));
                writer.flush(Watermark { watermark, live }, context.now, context.outputs);
                self.journal.sequence = writer.sequence();
            }
            Next::Decide(buffer) => buffer.flush(context),
        }
        if !self.changed {
            return;
        }
        self.states.collect(&mut self.writes);
        if let Feed::Repartition(merge) = &mut self.feed {
            journal::write_frames(merge, &mut self.writes);
            self.journal.sources.clear();
            self.journal.sources.extend(merge.marks());
        }
        self.journal.write(&mut self.writes);
        if let Next::Decide(buffer) = &self.next
            && let Some(lineup) = buffer.change_to_write()
        {
            journal::write_lineup(lineup.revision, &lineup.document, &mut self.writes);
        }
    }

    /// The stage's index.
    pub fn stage(&self) -> usize {
        self.stage
    }

    /// The sources whose silence may hold up rows here, as of when they were last heard.
    pub fn awaited(&self) -> Vec<IdleNotice> {
        match &self.feed {
            Feed::Input(_) => Vec::new(),
            Feed::Repartition(merge) => merge.awaited().collect(),
        }
    }

    /// Writes a notice to the topic at index `topic`, which this task reads: it acts on what the log says, so that
    /// a replay does the same.
    pub fn write_idle_notice(&self, idle_notice: IdleNotice, topic: usize, outputs: &mut Outputs) {
        outputs.push(topic, Some(self.partition.partition), None, None, |bytes| {
            repartition::write_idle(self.layout_id, idle_notice, bytes);
        });
    }

    /// Whether records were processed since the last write.
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// Makes the batch durable, after its commit. `position` is the next offset to read.
    pub fn write(&mut self, position: i64) -> Result<(), TaskError> {
        if !self.changed {
            return Ok(());
        }
        self.store.write(&self.writes, position)?;
        self.states.written();
        if let Next::Decide(buffer) = &mut self.next {
            buffer.written();
        }
        self.writes.clear();
        self.changed = false;
        Ok(())
    }

    /// The position of the durable state.
    pub fn position(&self) -> Result<Option<i64>, TaskError> {
        Ok(self.store.position()?)
    }

    /// The largest event time that was applied.
    pub fn stream_time(&self) -> i64 {
        self.journal.stream_time.latest
    }

    /// The committed position when the task was opened: records before it are replayed for state only.
    pub fn answered_until(&self) -> i64 {
        self.answered_until
    }

    /// Bytes of durable state, about.
    pub fn state_bytes(&self) -> u64 {
        self.store.size()
    }

    /// Entities and bytes held decoded in memory.
    pub fn cached(&self) -> (usize, usize) {
        (self.states.cached_entities(), self.states.cached_bytes())
    }

    /// Frames that wait for slower sources.
    pub fn waiting_frames(&self) -> usize {
        match &self.feed {
            Feed::Input(_) => 0,
            Feed::Repartition(merge) => merge.waiting(),
        }
    }

    /// Whether a direct feed's watermark is known, for reading inputs in event-time order.
    pub fn input_watermark(&self) -> Option<i64> {
        match &self.feed {
            Feed::Input(reader) => Some(reader.watermark()),
            Feed::Repartition(_) => None,
        }
    }
}

fn take_frame(
    merge: &mut Merge,
    plan: &Plan,
    stage: usize,
    offset: i64,
    value: &[u8],
    spare: &mut Vec<Row>,
) -> Result<(), FrameError> {
    let header = repartition::frame_reader(plan, stage, value)?.header();
    if header.source as usize >= merge.sources() {
        return Err(FrameError::Damaged {
            offset: 2,
            what: "it names a source that the topics do not have",
        });
    }
    merge.push(header, offset, value, &mut |bytes, rows| {
        repartition::decode_rows(plan, stage, bytes, spare, rows)
    })
}
