//! One partition of a repartition topic: the rows of many sources, merged into one order.

use crate::context::TaskContext;
use crate::error::{PartitionError, TaskError};
use crate::frame_set::FrameSet;
use crate::log::{Outputs, RecordRef, TopicPartition};
use crate::merge::Merge;
use crate::progress::{Phase, SourceMark, SourceProgress, Watermark};
use crate::record_result::{RecordResult, Sequenced};
use crate::repartition::{Content, IdleNotice, RecordError, RepartitionFormat};
use crate::rollout::RolloutNotice;
use crate::source_queue::MergeError;
use crate::sources::{SourceId, Sources, source_of_earlier_number};
use crate::stage_state::StageState;
use crate::task_progress::{self, StoredFrame};
use riskstream_engine::plan::TRANSACTIONS;
use riskstream_events::{FrameError, FrameHeader, Row};
use riskstream_features::state::StateWrites;
use riskstream_lists::Offsets;

/// Microseconds for which idle sources are waited for when others begin to catch up. Longer than a rebalance takes: the next
/// owner of a source says how far it is.
const IDLE_TIMEOUT: i64 = 15_000_000;

/// See the module.
pub struct RepartitionSource {
    partition: TopicPartition,
    /// Where its own topic is among those that are written.
    topic: usize,
    format: RepartitionFormat,
    /// The number of partitions of each input when the source was opened. Records of earlier versions do not name them.
    counts: Vec<u32>,
    merge: Merge,
    /// The largest watermark of a row handed out.
    watermark: i64,
    /// The number of the row handed out last.
    sequence: i64,
    /// The catch-up in which idle sources are waited for, and since when, by the wall clock in microseconds.
    wait: Option<(i64, i64)>,
}

impl RepartitionSource {
    /// The partition of the topic at index `topic`, which the partitions of inputs are written to. `counts`: how many there
    /// are of each input.
    pub fn new(
        partition: TopicPartition,
        topic: usize,
        format: RepartitionFormat,
        counts: Vec<u32>,
    ) -> RepartitionSource {
        RepartitionSource {
            partition,
            topic,
            format,
            counts,
            merge: Merge::new(&Sources::default(), None),
            watermark: i64::MIN,
            sequence: 0,
            wait: None,
        }
    }

    /// Gives a record to the merge, or acts on a notice.
    ///
    /// # Errors
    /// The record cannot be read. A part of it may have been taken in.
    pub fn take<'r>(
        &mut self,
        record: RecordRef<'r>,
        context: &mut TaskContext<'_>,
    ) -> Result<RecordResult<'r>, TaskError> {
        let value = record.value.unwrap_or_default();
        let taken = match self.format.parse(value) {
            Ok(Content::Rollout(notice)) => return Ok(RecordResult::Rollout(notice)),
            Ok(Content::Lists(notice)) => return Ok(RecordResult::Lists(notice)),
            Ok(Content::Idle(notice)) => self.take_idle(notice),
            Ok(Content::IdleTimeout { catch_up_from }) => {
                self.merge.end_wait_for_idle(catch_up_from, record.offset);
                Ok(())
            }
            Ok(Content::Frames(frames)) => self.take_frames(record.offset, &frames, context.rows),
            Err(error) => Err(error),
        };
        match taken {
            Ok(()) => Ok(RecordResult::Rows),
            Err(error) => Err(self.unreadable(record.offset, error)),
        }
    }

    fn take_frames(&mut self, offset: i64, set: &FrameSet<'_>, spare: &mut Vec<Row>) -> Result<(), RecordError> {
        let is_earlier = set.counts.is_empty();
        self.merge.expect(if is_earlier { &self.counts } else { &set.counts });
        let source_of = |number: SourceId| match is_earlier {
            true => source_of_earlier_number(number.number(), &self.counts),
            false => Some(number),
        };
        let mut catches_up = false;
        for frame in &set.frames {
            let header = self.format.frame_header(frame)?;
            catches_up |= !header.live;
            let source = source_of(SourceId::from_number(header.source));
            let source = source.filter(|source| self.merge.knows(*source));
            let header = FrameHeader {
                source: source.ok_or(UNKNOWN_SOURCE)?.number(),
                ..header
            };
            let format = &self.format;
            let mut decode = |bytes: &[u8], rows: &mut _| format.decode_rows(bytes, spare, rows);
            self.merge.push(header, set.generation, offset, frame, &mut decode)?;
        }
        for (number, watermark) in &set.marks {
            let source = source_of(*number).filter(|source| self.merge.knows(*source));
            let source = source.ok_or(UNKNOWN_SOURCE)?;
            self.merge.announce(source, *watermark, set.generation, offset);
            catches_up |= watermark.phase == Phase::CatchingUp;
        }
        // The sources of earlier versions do not say again that they are idle.
        if catches_up && !is_earlier {
            self.merge.begin_catch_up(offset);
        }
        Ok(())
    }

    /// Writes to its own partition that idle sources are not waited for any longer, if they had time enough to answer as of
    /// `now` (wall clock, microseconds).
    pub fn limit_wait(&mut self, now: i64, outputs: &mut Outputs) {
        let catch_up = self.merge.catch_up_from().filter(|_| self.merge.awaits_idle_sources());
        let since = match (catch_up, self.wait) {
            (None, _) => None,
            (Some(from), Some((before, since))) if from == before => Some((from, since)),
            (Some(from), _) => Some((from, now)),
        };
        self.wait = since;
        if let Some((catch_up_from, since)) = since
            && now - since >= IDLE_TIMEOUT
        {
            tracing::warn!(target: "riskstream::worker", partition = %self.partition, "not waiting for idle sources");
            self.wait = Some((catch_up_from, now));
            outputs.push(self.topic, Some(self.partition.partition), None, None, |bytes| {
                self.format.write_idle_timeout(catch_up_from, bytes);
            });
        }
    }

    /// The wall clock was set back by so many microseconds: the wait has begun earlier by it.
    pub(crate) fn set_back(&mut self, by: i64) {
        self.wait = self.wait.map(|(catch_up, since)| (catch_up, since.saturating_sub(by)));
    }

    fn take_idle(&mut self, notice: IdleNotice) -> Result<(), RecordError> {
        self.merge.expect(&self.counts);
        let source = source_of_earlier_number(notice.source.number(), &self.counts);
        self.merge.mark_idle(IdleNotice {
            source: source.ok_or(UNKNOWN_SOURCE)?,
            ..notice
        });
        Ok(())
    }

    /// The next row in order, if no source can still send a row that belongs before it. `state` has the frames that wait beyond
    /// their batch.
    ///
    /// # Errors
    /// A frame that waited cannot be read or decoded.
    pub fn next_event(
        &mut self,
        state: Option<&StageState>,
        spare: &mut Vec<Row>,
    ) -> Result<Option<Sequenced>, TaskError> {
        let format = &self.format;
        let next = self.merge.pop(
            &mut |bytes, rows| format.decode_rows(bytes, spare, rows),
            &|source, offset| stored_frame(format, state, source, offset),
        );
        let Some(mut event) = next.map_err(|error| match error {
            MergeError::Frame(error) => self.unreadable_frame(error),
            MergeError::State(error) => error.into(),
        })?
        else {
            return Ok(None);
        };
        if event.input != TRANSACTIONS {
            event.watermark = event.watermark.min(self.promised());
        }
        self.watermark = self.watermark.max(event.watermark);
        let sequence = self.number();
        Ok(Some(Sequenced { sequence, event }))
    }

    /// The number of the next event that the task sends on.
    pub fn number(&mut self) -> i64 {
        self.sequence += 1;
        self.sequence
    }

    /// The largest watermark that may be announced. Labels may be read long before their transactions. If their event times
    /// were promised to later stages, these would not wait for each other's transactions, and apply them out of order.
    fn promised(&self) -> i64 {
        let rest = self.merge.rest_of_transactions();
        rest.map_or(i64::MAX, |furthest| furthest.saturating_add(1))
    }

    /// The largest watermark of a row handed out; `i64::MIN` if there was none.
    pub fn newest(&self) -> i64 {
        self.watermark
    }

    /// How far the source is, for its readers. `partition` is how the partition itself is read.
    pub fn watermark(&self, partition: Phase) -> Watermark {
        let to_come = self.merge.watermark().map(|to_come| to_come.min(self.promised()));
        let phase = match partition {
            Phase::Idle if self.merge.is_idle() => Phase::Idle,
            Phase::Idle | Phase::Live if self.merge.is_live() => Phase::Live,
            _ => Phase::CatchingUp,
        };
        Watermark {
            time: to_come.map_or(self.watermark, |to_come| to_come.max(self.watermark)),
            phase,
        }
    }

    /// What is to be kept with the position.
    pub fn progress(&self) -> SourceProgress {
        SourceProgress {
            watermark: self.watermark,
            sequence: self.sequence,
            sources: self.merge.marks(),
            catch_up_from: self.merge.catch_up_from(),
            earlier_sources: Vec::new(),
        }
    }

    /// Adds to a batch of writes the frames that wait beyond it.
    pub fn collect(&mut self, writes: &mut StateWrites) {
        task_progress::write_frames(&mut self.merge, &self.format, writes);
    }

    /// The frames that were added to a batch of writes are written.
    pub fn written(&mut self) {
        self.merge.written();
    }

    /// Goes back to where the source was, with the frames that waited there, which `state` has.
    ///
    /// # Errors
    /// They belong to other topics or another layout, or a frame is damaged.
    pub fn resume(&mut self, progress: &SourceProgress, state: Option<&StageState>) -> Result<(), TaskError> {
        let is_earlier = !progress.earlier_sources.is_empty();
        let marks = match is_earlier {
            true => self.marks_of_earlier_version(&progress.earlier_sources)?,
            false => progress.sources.clone(),
        };
        self.merge = Merge::new(&marks, progress.catch_up_from);
        self.wait = None;
        self.watermark = progress.watermark;
        self.sequence = progress.sequence;
        let Some(state) = state else { return Ok(()) };
        state.visit_frames(|StoredFrame { source, offset, bytes }| {
            let source = match is_earlier {
                true => source_of_earlier_number(source.number(), &self.counts),
                false => Some(source),
            };
            let source = source.filter(|source| self.merge.knows(*source));
            let source = source
                .ok_or(UNKNOWN_SOURCE)
                .map_err(|error| self.unreadable_frame(error))?;
            self.restore_frame(source, offset, bytes)
        })
    }

    fn marks_of_earlier_version(&self, marks: &[SourceMark]) -> Result<Sources<SourceMark>, TaskError> {
        let sources = Sources::from_values(&self.counts, marks.iter().copied());
        let changed = || PartitionError::SourcesChanged {
            before: marks.len(),
            now: self.counts.iter().sum(),
        };
        sources.ok_or_else(|| changed().at(&self.partition))
    }

    fn restore_frame(&mut self, source: SourceId, offset: i64, stored: &[u8]) -> Result<(), TaskError> {
        let frame = frame_of(&self.format, stored).map_err(|error| self.unreadable(offset, error))?;
        let restored = self.format.frame_header(frame).and_then(|header| {
            let format = &self.format;
            let mut decode = |frame: &[u8], rows: &mut _| format.decode_rows(frame, &mut Vec::new(), rows);
            let source = source.number();
            let header = FrameHeader { source, ..header };
            self.merge.restore_frame(header, offset, frame, &mut decode)
        });
        restored.map_err(|error| self.unreadable_frame(error))
    }

    fn unreadable(&self, offset: i64, error: RecordError) -> TaskError {
        PartitionError::Unreadable { offset, error }.at(&self.partition)
    }

    fn unreadable_frame(&self, error: FrameError) -> TaskError {
        PartitionError::Frame(error).at(&self.partition)
    }

    /// Rows that were dropped because their source has sent them before, since this was asked last.
    pub fn take_repeated(&mut self) -> u64 {
        self.merge.take_repeated()
    }

    /// The offset of the record with which the present catch-up began; none if no source catches up.
    pub fn catch_up_from(&self) -> Option<i64> {
        self.merge.catch_up_from()
    }

    /// How many marks of sources that read history were received since the source was opened.
    pub fn catching_up_marks(&self) -> u64 {
        self.merge.catching_up_marks()
    }

    /// Whether a source is catching up, or rows wait.
    pub fn awaits_history(&self) -> bool {
        self.merge.awaits_history()
    }

    /// The stage that reads the topic.
    pub fn stage(&self) -> usize {
        self.format.stage()
    }

    /// Number of frames that wait for slower sources.
    pub fn waiting_frames(&self) -> usize {
        self.merge.waiting()
    }

    /// Writes to its own partition that other models decide on what follows.
    pub fn write_rollout_notice(&self, notice: RolloutNotice<'_>, outputs: &mut Outputs) {
        outputs.push(self.topic, Some(self.partition.partition), None, None, |bytes| {
            self.format.write_rollout(notice, bytes);
        });
    }

    /// Writes to its own partition that other versions of lists decide on what follows.
    pub fn write_lists_notice(&self, notice: &Offsets, outputs: &mut Outputs) {
        outputs.push(self.topic, Some(self.partition.partition), None, None, |bytes| {
            self.format.write_lists(notice, bytes);
        });
    }
}

/// The frame of this source from the record at this offset, which waits in the state.
fn stored_frame(
    format: &RepartitionFormat,
    state: Option<&StageState>,
    source: SourceId,
    offset: i64,
) -> Result<Vec<u8>, MergeError> {
    let state = state.expect("frames wait only where there is a state");
    let stored = state.frame(source, offset)?;
    let frame = frame_of(format, &stored).map_err(|_| NO_FRAME)?;
    Ok(frame.to_vec())
}

/// The one frame of a record that the state keeps.
fn frame_of<'a>(format: &RepartitionFormat, stored: &'a [u8]) -> Result<&'a [u8], RecordError> {
    let Content::Frames(set) = format.parse(stored)? else {
        return Err(NO_FRAME.into());
    };
    match set.frames[..] {
        [frame] => Ok(frame),
        _ => Err(NO_FRAME.into()),
    }
}

const NO_FRAME: FrameError = FrameError::Damaged {
    offset: 0,
    what: "a notice where a frame should be",
};

const UNKNOWN_SOURCE: FrameError = FrameError::Damaged {
    offset: 0,
    what: "a source that the topics do not have",
};
