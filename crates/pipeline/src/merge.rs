//! Brings the rows of a repartition partition into event-time order.
//!
//! A repartition partition is written by many sources (the tasks of the stage before), each in its own order but
//! interleaved as their workers happened to commit. Every frame says how far its source's watermark is, so the
//! reader can hold a row back until no other source can still send an older one. The order that results is
//! a function of the log alone, whoever wrote at whatever speed: replay finds the same order again, and a
//! catch-up over old topics computes what a live run would have.
//!
//! Rows of a source that is `live` (it reads at the end of its topic, in real time or nearly so) wait only for those
//! that are not: they pass as they come. Rows of a source that is catching up wait for all others, live or not; for a
//! source of which nothing is on its way that would be for ever, so the reader tells itself, in the log, that the
//! source is absent (see idleness.rs).

use riskstream_engine::Event;
use riskstream_engine::plan::TRANSACTIONS;
use riskstream_events::{FrameError, FrameHeader};
use std::collections::VecDeque;

/// What decodes a frame's rows; the task supplies it, as only it knows the layout of rows.
pub type DecodeFrame<'a> = &'a mut dyn FnMut(&[u8], &mut VecDeque<Sequenced>) -> Result<(), FrameError>;

/// A row with its number in its source's output.
#[derive(Debug)]
pub struct Sequenced {
    /// Counts the rows of the source from 1, over all partitions; a repeated write repeats it.
    pub sequence: i64,
    /// The row.
    pub event: Event,
}

/// What of a source outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceMark {
    /// No row to come is older; `i64::MIN` until the source was heard.
    pub watermark: i64,
    /// Whether rows of live sources need not wait for this one.
    pub live: bool,
    /// Whether nobody waits for the source until it is heard again.
    pub idle: bool,
    /// The highest sequence number released.
    pub sequence: i64,
    /// The offset of the last frame; -1 until the source was heard.
    pub heard: i64,
}

/// A source that was never heard holds everybody back.
const UNHEARD: SourceMark = SourceMark {
    watermark: i64::MIN,
    live: false,
    idle: false,
    sequence: 0,
    heard: -1,
};

/// Nothing of a source is on its way, as of its last frame: a later one makes this void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleNotice {
    /// The source.
    pub source: u32,
    /// The offset of its last frame when this was found; -1 if it was never heard.
    pub heard: i64,
}

/// A frame that still has rows to release.
struct Pending {
    offset: i64,
    /// Whether its source was live when it wrote the frame.
    live: bool,
    bytes: Vec<u8>,
    stored: bool,
}

struct Source {
    mark: SourceMark,
    frames: VecDeque<Pending>,
    /// The rows of the first frame that were not released yet.
    head: VecDeque<Sequenced>,
}

/// The merge of one repartition partition's sources.
pub struct Merge {
    sources: Vec<Source>,
    /// Frames whose last row was released though they had been stored: to be deleted.
    finished: Vec<(u32, i64)>,
    waiting: usize,
}

impl Merge {
    /// A merge of `sources` sources, none of them heard yet.
    pub fn new(sources: usize) -> Merge {
        let source = || Source {
            mark: UNHEARD,
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
        mark.heard = offset;
        Ok(())
    }

    /// Waits no longer for a source, unless it was heard since that was found.
    pub fn mark_idle(&mut self, idle_notice: IdleNotice) {
        if let Some(source) = self.sources.get_mut(idle_notice.source as usize)
            && source.mark.heard == idle_notice.heard
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
        let mut first: Option<((i64, bool, usize), usize)> = None;
        let mut least_behind = i64::MAX;
        let mut least_live = i64::MAX;
        for (index, source) in self.sources.iter().enumerate() {
            match source.head.front() {
                // Of equal watermarks, what is known (a label) comes before what is judged by it.
                Some(row) => {
                    let key = (row.event.watermark, row.event.input == TRANSACTIONS, index);
                    if first.is_none_or(|(least, _)| key < least) {
                        first = Some((key, index));
                    }
                }
                None if source.mark.idle => {}
                None if source.mark.live => least_live = least_live.min(source.mark.watermark),
                None => least_behind = least_behind.min(source.mark.watermark),
            }
        }
        let Some(((watermark, ..), index)) = first else {
            return Ok(None);
        };
        let bound = match self.sources[index].frames.front() {
            Some(frame) if frame.live => least_behind,
            _ => least_behind.min(least_live),
        };
        // A source at the same watermark may still send a label of that very moment.
        if watermark >= bound {
            return Ok(None);
        }
        self.release(index, decode).map(Some)
    }

    /// The sources that hold up the next row if it is of one that is catching up, or if none waits, those that keep
    /// [`Merge::bound`] behind the foremost source; as of when they were last heard.
    pub fn awaited(&self) -> impl Iterator<Item = IdleNotice> {
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
                heard: source.mark.heard,
            })
    }

    /// The watermark below which no row will be released any more; none if nothing waits and all are absent.
    pub fn bound(&self) -> Option<i64> {
        let bound = |source: &Source| match source.head.front() {
            Some(row) => Some(row.event.watermark),
            None => (!source.mark.idle).then_some(source.mark.watermark),
        };
        self.sources.iter().filter_map(bound).min()
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

    /// Where each source stands, in order.
    pub fn marks(&self) -> impl ExactSizeIterator<Item = SourceMark> {
        self.sources.iter().map(|source| source.mark)
    }

    /// Number of frames that wait for their turn.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether nothing waits and no source is catching up.
    pub fn is_live(&self) -> bool {
        let at_end = |source: &Source| source.mark.live || source.mark.idle;
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

    /// Stored frames that are done with: source and offset. Each is handed out once.
    pub fn finished(&mut self) -> impl Iterator<Item = (u32, i64)> {
        self.finished.drain(..)
    }
}

/// Rows that a source wrote twice (it committed at least once), or that were released before a restart.
fn drop_released(source: &mut Source) {
    let released = source.mark.sequence;
    source.head.retain(|row| row.sequence > released);
}
