//! Brings the rows of a hop partition into event-time order.
//!
//! A hop partition is written by many sources (the tasks of the stage before), each in its own order but
//! interleaved as their workers happened to commit. Every frame says how far its source's clock is, so the
//! reader can hold a row back until no other source can still send an older one. The order that results is
//! a function of the log alone, whoever wrote at whatever speed: replay finds the same order again, and a
//! catch-up over old topics computes what a live run would have.
//!
//! A source that is `live` (it reads at the end of its log) holds nobody back: then rows pass as they come.

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
    pub clock: i64,
    /// Whether the source holds nobody back.
    pub live: bool,
    /// The highest sequence number released.
    pub sequence: i64,
}

/// A source that was never heard holds everybody back.
const UNHEARD: SourceMark = SourceMark {
    clock: i64::MIN,
    live: false,
    sequence: 0,
};

/// A frame that still has rows to release.
struct Pending {
    offset: i64,
    bytes: Vec<u8>,
    stored: bool,
}

struct Source {
    mark: SourceMark,
    frames: VecDeque<Pending>,
    /// The rows of the first frame that were not released yet.
    head: VecDeque<Sequenced>,
}

/// The merge of one hop partition's sources.
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
        source: usize,
        offset: i64,
        bytes: Vec<u8>,
        decode: DecodeFrame<'_>,
    ) -> Result<(), FrameError> {
        self.enqueue(
            source,
            Pending {
                offset,
                bytes,
                stored: true,
            },
            decode,
        )
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
        self.enqueue(
            source,
            Pending {
                offset,
                bytes: bytes.to_vec(),
                stored: false,
            },
            decode,
        )?;
        let mark = &mut self.sources[source].mark;
        mark.clock = mark.clock.max(head.clock);
        mark.live = head.live;
        Ok(())
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
        let mut bound = i64::MAX;
        for (index, source) in self.sources.iter().enumerate() {
            match source.head.front() {
                // Of equal clocks, what is known (a label) comes before what is judged by it.
                Some(row) => {
                    let key = (row.event.clock, row.event.input == TRANSACTIONS, index);
                    if first.is_none_or(|(least, _)| key < least) {
                        first = Some((key, index));
                    }
                }
                None if !source.mark.live => bound = bound.min(source.mark.clock),
                None => {}
            }
        }
        let Some(((clock, ..), index)) = first else {
            return Ok(None);
        };
        // A source at the same clock may still send a label of that very moment.
        if clock >= bound {
            return Ok(None);
        }
        self.release(index, decode).map(Some)
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

    /// Whether nothing waits and no source holds others back.
    pub fn is_live(&self) -> bool {
        self.waiting == 0 && self.sources.iter().all(|source| source.mark.live)
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
