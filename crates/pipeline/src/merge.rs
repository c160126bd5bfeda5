//! Brings the rows of a repartition partition into event-time order.
//!
//! A repartition partition is written by many sources (the tasks of the stage before), each in its own order; their frames
//! lie in the order in which their workers committed. Every frame carries its source's watermark. The reader holds a
//! row back until no other source can still send a row with a smaller watermark. The resulting order is a function of
//! the log alone and does not depend on how fast sources were read: a replay finds the same order again, and a
//! catch-up over old topics computes what a live run would have computed.
//!
//! A row of a live source (one that reads at the end of its topic, in real time or nearly so) waits only for sources
//! that are catching up. A row of a source that is catching up waits for all others, live or not. To not wait for ever
//! for a source that has nothing more to send, the reader declares it idle in its own log (see idleness.rs).

use crate::progress::{IdleNotice, SourceMark};
use crate::taken::Sequenced;
use riskstream_engine::Event;
use riskstream_engine::plan::TRANSACTIONS;
use riskstream_events::{FrameError, FrameHeader};
use std::collections::VecDeque;

/// Decodes the rows of a frame. The task supplies it, as only it knows the layout of rows.
pub type DecodeFrame<'a> = &'a mut dyn FnMut(&[u8], &mut VecDeque<Sequenced>) -> Result<(), FrameError>;

/// A frame with rows that were not released yet.
struct Pending {
    offset: i64,
    /// Whether its source was live when it wrote the frame.
    live: bool,
    bytes: Vec<u8>,
    stored: bool,
}

/// The frames of one source.
struct SourceQueue {
    mark: SourceMark,
    frames: VecDeque<Pending>,
    /// The rows of the first frame that were not released yet.
    head: VecDeque<Sequenced>,
}

/// The place of an event among the next events of several sources: by watermark; of equal watermarks labels before
/// transactions, as a label may change how the transaction is judged; then by the number of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MergeOrder {
    watermark: i64,
    is_transaction: bool,
    source: usize,
}

impl MergeOrder {
    /// The place of `event`, which is the next one of the source with this number.
    pub fn of(event: &Event, source: usize) -> MergeOrder {
        MergeOrder {
            watermark: event.watermark,
            is_transaction: event.input == TRANSACTIONS,
            source,
        }
    }

    /// The number of the source.
    pub fn source(&self) -> usize {
        self.source
    }
}

/// The merge of the sources of one repartition partition.
pub struct Merge {
    sources: Vec<SourceQueue>,
    /// Stored frames of which all rows were released: to be deleted.
    finished: Vec<(u32, i64)>,
    waiting: usize,
}

impl Merge {
    /// A merge of `sources` sources, none of which has sent anything.
    pub fn new(sources: usize) -> Merge {
        let source = || SourceQueue {
            mark: SourceMark::NEW,
            frames: VecDeque::new(),
            head: VecDeque::new(),
        };
        Merge {
            sources: (0..sources).map(|_| source()).collect(),
            finished: Vec::new(),
            waiting: 0,
        }
    }

    /// Puts back what was stored of a source.
    pub fn restore_mark(&mut self, source: usize, mark: SourceMark) {
        self.sources[source].mark = mark;
    }

    /// Puts back a stored frame; frames of a source in order of their offsets.
    pub fn restore_frame(
        &mut self,
        head: FrameHeader,
        offset: i64,
        bytes: Vec<u8>,
        decode: DecodeFrame<'_>,
    ) -> Result<(), FrameError> {
        let frame = Pending {
            offset,
            live: head.live,
            bytes,
            stored: true,
        };
        self.enqueue(head.source as usize, frame, decode)
    }

    /// Takes in a frame read from the log at `offset`.
    pub fn push(
        &mut self,
        head: FrameHeader,
        offset: i64,
        bytes: &[u8],
        decode: DecodeFrame<'_>,
    ) -> Result<(), FrameError> {
        let source = head.source as usize;
        assert!(
            source < self.sources.len(),
            "the caller refuses sources that the topics do not have"
        );
        let frame = Pending {
            offset,
            live: head.live,
            bytes: bytes.to_vec(),
            stored: false,
        };
        self.enqueue(source, frame, decode)?;
        let mark = &mut self.sources[source].mark;
        mark.watermark = mark.watermark.max(head.watermark);
        mark.live = head.live;
        mark.idle = false;
        mark.last_frame = offset;
        Ok(())
    }

    /// No row waits for this source until its next frame. Does nothing if it has sent a frame since it was found idle.
    pub fn mark_idle(&mut self, idle_notice: IdleNotice) {
        if let Some(source) = self.sources.get_mut(idle_notice.source as usize)
            && source.mark.last_frame == idle_notice.last_frame
        {
            source.mark.idle = true;
        }
    }

    fn enqueue(&mut self, index: usize, frame: Pending, decode: DecodeFrame<'_>) -> Result<(), FrameError> {
        let source = &mut self.sources[index];
        if source.head.is_empty() {
            if let Err(error) = decode(&frame.bytes, &mut source.head) {
                source.head.clear();
                return Err(error);
            }
            drop_released(source);
            if source.head.is_empty() {
                if frame.stored {
                    self.finished.push((index as u32, frame.offset));
                }
                return Ok(());
            }
        }
        source.frames.push_back(frame);
        self.waiting += 1;
        Ok(())
    }

    /// The next row in order, if no other source can still send an older one.
    pub fn pop(&mut self, decode: DecodeFrame<'_>) -> Result<Option<Event>, FrameError> {
        if self.waiting == 0 {
            return Ok(None);
        }
        let mut first: Option<MergeOrder> = None;
        let mut least_behind = i64::MAX;
        let mut least_live = i64::MAX;
        for (index, source) in self.sources.iter().enumerate() {
            match source.head.front() {
                Some(row) => {
                    let order = MergeOrder::of(&row.event, index);
                    first = Some(first.map_or(order, |first| first.min(order)));
                }
                None if source.mark.idle => {}
                None if source.mark.live => least_live = least_live.min(source.mark.watermark),
                None => least_behind = least_behind.min(source.mark.watermark),
            }
        }
        let Some(MergeOrder { watermark, source, .. }) = first else {
            return Ok(None);
        };
        let awaited = match self.sources[source].frames.front() {
            Some(frame) if frame.live => least_behind,
            _ => least_behind.min(least_live),
        };
        // A source with the same watermark may still send a label of that very moment.
        if watermark >= awaited {
            return Ok(None);
        }
        self.release(source, decode).map(Some)
    }

    /// The sources without which the next row cannot be released if its source is catching up. If no row waits: the
    /// sources that keep [`Merge::watermark`] behind the foremost source. Each as of its last frame.
    pub fn awaited_sources(&self) -> impl Iterator<Item = IdleNotice> {
        let heads = self.sources.iter().filter_map(|source| source.head.front());
        let first = heads.map(|row| row.event.watermark).min();
        let foremost = self.sources.iter().map(|source| source.mark.watermark).max();
        let is_behind = move |watermark: i64| match first {
            Some(first) => watermark <= first,
            None => foremost.is_some_and(|foremost| watermark < foremost),
        };
        let sources = self.sources.iter().enumerate();
        sources
            .filter(move |(_, source)| source.head.is_empty() && !source.mark.idle && is_behind(source.mark.watermark))
            .map(|(index, source)| IdleNotice {
                source: index as u32,
                last_frame: source.mark.last_frame,
            })
    }

    /// No row with a smaller watermark will be released any more. None if no row waits and all sources are idle.
    pub fn watermark(&self) -> Option<i64> {
        let watermark = |source: &SourceQueue| match source.head.front() {
            Some(row) => Some(row.event.watermark),
            None => (!source.mark.idle).then_some(source.mark.watermark),
        };
        self.sources.iter().filter_map(watermark).min()
    }

    fn release(&mut self, index: usize, decode: DecodeFrame<'_>) -> Result<Event, FrameError> {
        let source = &mut self.sources[index];
        let row = source.head.pop_front().expect("the caller saw a row here");
        source.mark.sequence = row.sequence;
        while source.head.is_empty() {
            let Some(done) = source.frames.pop_front() else { break };
            self.waiting -= 1;
            if done.stored {
                self.finished.push((index as u32, done.offset));
            }
            let Some(next) = source.frames.front() else { break };
            decode(&next.bytes, &mut source.head)?;
            drop_released(source);
        }
        Ok(row.event)
    }

    /// Number of sources.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// How far each source is, in order.
    pub fn marks(&self) -> impl ExactSizeIterator<Item = SourceMark> {
        self.sources.iter().map(|source| source.mark)
    }

    /// Number of frames that wait for their turn.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether nothing waits and no source is catching up.
    pub fn is_live(&self) -> bool {
        let at_end = |source: &SourceQueue| source.mark.live || source.mark.idle;
        self.waiting == 0 && self.sources.iter().all(at_end)
    }

    /// Frames that have to be stored because they wait beyond this batch: source, offset, bytes. Each is
    /// handed out once.
    pub fn unstored(&mut self) -> impl Iterator<Item = (u32, i64, &[u8])> {
        self.sources.iter_mut().enumerate().flat_map(|(index, source)| {
            source
                .frames
                .iter_mut()
                .filter(|frame| !frame.stored)
                .map(move |frame| {
                    frame.stored = true;
                    (index as u32, frame.offset, frame.bytes.as_slice())
                })
        })
    }

    /// Stored frames of which all rows were released: source and offset. Each is handed out once.
    pub fn finished(&mut self) -> impl Iterator<Item = (u32, i64)> {
        self.finished.drain(..)
    }
}

/// Drops rows that a source wrote twice (it delivers at least once) and rows that were released before a restart.
fn drop_released(source: &mut SourceQueue) {
    let released = source.mark.sequence;
    source.head.retain(|row| row.sequence > released);
}
