//! One partition of a repartition topic: the rows of many sources, merged into one order.

use crate::context::TaskContext;
use crate::error::TaskError;
use crate::frame_set::FrameSet;
use crate::journal::{self, StoredFrame};
use crate::log::{Outputs, RecordRef, TopicPartition};
use crate::merge::Merge;
use crate::progress::{Phase, SourceProgress, Watermark};
use crate::repartition::{Content, RecordError, RepartitionFormat};
use crate::rollout::RolloutNotice;
use crate::taken::{Sequenced, Taken};
use riskstream_events::{FrameError, FrameHeader, ReasonCode, Rejection, Row};
use riskstream_features::state::StateWrites;

/// See the module.
pub struct RepartitionSource {
    partition: TopicPartition,
    /// Where its own topic is among those that are written.
    topic: usize,
    format: RepartitionFormat,
    merge: Merge,
    /// The largest watermark of a row handed out.
    watermark: i64,
    /// The number of the row handed out last.
    sequence: i64,
}

impl RepartitionSource {
    /// The partition of the topic at index `topic`, which `sources` sources write to.
    pub fn new(
        partition: TopicPartition,
        topic: usize,
        format: RepartitionFormat,
        sources: usize,
    ) -> RepartitionSource {
        RepartitionSource {
            partition,
            topic,
            format,
            merge: Merge::new(sources),
            watermark: i64::MIN,
            sequence: 0,
        }
    }

    /// Gives a record to the merge, or acts on a notice.
    ///
    /// # Errors
    /// Its rows have another layout.
    pub fn take<'r>(&mut self, record: RecordRef<'r>, context: &mut TaskContext<'_>) -> Result<Taken<'r>, TaskError> {
        let value = record.value.unwrap_or_default();
        let taken = match self.format.parse(value) {
            Ok(Content::Rollout(notice)) => return Ok(Taken::Rollout(notice)),
            Ok(Content::Idle(notice)) => {
                self.merge.mark_idle(notice);
                Ok(())
            }
            Ok(Content::Frames(frames)) => self.take_frames(record.offset, &frames, context.rows),
            Err(error) => Err(error),
        };
        match taken {
            Ok(()) => Ok(Taken::Rows),
            Err(error) => self.refuse(error),
        }
    }

    fn take_frames(&mut self, offset: i64, set: &FrameSet<'_>, spare: &mut Vec<Row>) -> Result<(), RecordError> {
        for frame in &set.frames {
            let header = self.header(frame)?;
            let format = &self.format;
            let mut decode = |bytes: &[u8], rows: &mut _| format.decode_rows(bytes, spare, rows);
            self.merge.push(header, set.generation, offset, frame, &mut decode)?;
        }
        for (source, watermark) in &set.marks {
            self.known(*source)?;
            self.merge
                .announce(*source as usize, *watermark, set.generation, offset);
        }
        Ok(())
    }

    fn header(&self, frame: &[u8]) -> Result<FrameHeader, FrameError> {
        let header = self.format.frame_header(frame)?;
        self.known(header.source)?;
        Ok(header)
    }

    fn known(&self, source: u32) -> Result<(), FrameError> {
        if source as usize >= self.merge.sources() {
            let what = "it names a source that the topics do not have";
            return Err(FrameError::Damaged { offset: 2, what });
        }
        Ok(())
    }

    fn refuse<'r>(&self, error: RecordError) -> Result<Taken<'r>, TaskError> {
        match error {
            RecordError::OtherLayout => Err(self.other_layout()),
            RecordError::Damaged(error) => {
                let rejection = Rejection::new(ReasonCode::BadFrame, error.to_string());
                Ok(Taken::Rejected(rejection))
            }
        }
    }

    /// The next row in order, if no source can still send a row that belongs before it.
    ///
    /// # Errors
    /// A frame that waited cannot be decoded.
    pub fn next_event(&mut self, spare: &mut Vec<Row>) -> Result<Option<Sequenced>, TaskError> {
        let format = &self.format;
        let next = self
            .merge
            .pop(&mut |bytes, rows| format.decode_rows(bytes, spare, rows));
        let Some(event) = next.map_err(|error| self.unreadable(error))? else {
            return Ok(None);
        };
        self.watermark = self.watermark.max(event.watermark);
        self.sequence += 1;
        Ok(Some(Sequenced {
            sequence: self.sequence,
            event,
        }))
    }

    /// How far the source is, for its readers. `partition` tells how the partition itself is read.
    pub fn watermark(&self, partition: Phase) -> Watermark {
        let to_come = self.merge.watermark();
        let phase = match partition {
            Phase::Idle if self.merge.is_idle() => Phase::Idle,
            _ if self.merge.is_live() => Phase::Live,
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
            sources: self.merge.marks().collect(),
        }
    }

    /// Adds to a batch of writes the frames that wait beyond it.
    pub fn collect(&mut self, writes: &mut StateWrites) {
        journal::write_frames(&mut self.merge, &self.format, writes);
    }

    /// Goes back to where the source was, with the frames that waited there.
    ///
    /// # Errors
    /// They belong to other topics or another layout, or a frame is damaged.
    pub fn resume(&mut self, progress: &SourceProgress, frames: Vec<StoredFrame>) -> Result<(), TaskError> {
        self.merge = Merge::new(self.merge.sources());
        self.watermark = progress.watermark;
        self.sequence = progress.sequence;
        if progress.sources.len() > self.merge.sources() {
            return Err(TaskError::SourcesChanged {
                partition: self.partition.clone(),
                before: progress.sources.len(),
                now: self.merge.sources(),
            });
        }
        for (source, mark) in progress.sources.iter().enumerate() {
            self.merge.restore_mark(source, *mark);
        }
        frames.into_iter().try_for_each(|frame| self.restore_frame(frame))
    }

    fn restore_frame(&mut self, StoredFrame { offset, bytes, .. }: StoredFrame) -> Result<(), TaskError> {
        let stored = match self.format.parse(&bytes) {
            Ok(Content::Frames(set)) => set.frames,
            Ok(Content::Idle(_) | Content::Rollout(_)) => return Err(self.unreadable(NO_FRAME)),
            Err(RecordError::OtherLayout) => return Err(self.other_layout()),
            Err(RecordError::Damaged(error)) => return Err(self.unreadable(error)),
        };
        for frame in stored {
            let restored = self.header(frame).and_then(|header| {
                let format = &self.format;
                let mut decode = |frame: &[u8], rows: &mut _| format.decode_rows(frame, &mut Vec::new(), rows);
                self.merge.restore_frame(header, offset, frame.to_vec(), &mut decode)
            });
            restored.map_err(|error| self.unreadable(error))?;
        }
        Ok(())
    }

    fn other_layout(&self) -> TaskError {
        TaskError::Layout {
            partition: self.partition.clone(),
        }
    }

    fn unreadable(&self, error: FrameError) -> TaskError {
        TaskError::Frame {
            partition: self.partition.clone(),
            error,
        }
    }

    /// How often a source that reads history was heard since the source was opened.
    pub fn history_heard(&self) -> u64 {
        self.merge.history_heard()
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
}

const NO_FRAME: FrameError = FrameError::Damaged {
    offset: 0,
    what: "a notice where a frame should be",
};
