//! The frames of one source that wait in the merge, and the rows of the first of them.
//!
//! A frame that waits beyond its batch is written to the task's state. From then on its bytes need not stay in memory: they
//! are read again when the frame is first in its queue.

use crate::progress::SourceMark;
use crate::record_result::Sequenced;
use riskstream_events::FrameError;
use riskstream_features::state::StateError;
use std::collections::VecDeque;

/// Decodes the rows of a frame. The task supplies it, as only it knows the layout of rows.
pub type DecodeFrame<'a> = &'a mut dyn FnMut(&[u8], &mut VecDeque<Sequenced>) -> Result<(), FrameError>;

/// Why the next row cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A frame that waited is damaged.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame that waited cannot be read from the state.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Whether the state has a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stored {
    No,
    /// It is in a batch of writes that may not be written yet.
    Collected,
    Yes,
}

/// A frame with rows that were not released yet.
pub(crate) struct WaitingFrame {
    pub(crate) offset: i64,
    /// Whether its source was live when it wrote the frame.
    pub(crate) live: bool,
    /// None if only the state has them.
    bytes: Option<Vec<u8>>,
    stored: Stored,
}

impl WaitingFrame {
    /// A frame that was read from the log.
    pub(crate) fn new(offset: i64, live: bool, bytes: &[u8]) -> WaitingFrame {
        WaitingFrame {
            offset,
            live,
            bytes: Some(bytes.to_vec()),
            stored: Stored::No,
        }
    }

    /// A frame that the state has.
    pub(crate) fn of_state(offset: i64, live: bool) -> WaitingFrame {
        WaitingFrame {
            offset,
            live,
            bytes: None,
            stored: Stored::Yes,
        }
    }

    /// Whether the state has it, or will have it.
    pub(crate) fn is_stored(&self) -> bool {
        self.stored != Stored::No
    }

    fn size(&self) -> usize {
        self.bytes.as_ref().map_or(0, Vec::len)
    }
}

/// See the module.
pub(crate) struct SourceQueue {
    pub(crate) mark: SourceMark,
    frames: VecDeque<WaitingFrame>,
    /// The rows of the first frame that were not released yet.
    pub(crate) head: VecDeque<Sequenced>,
}

impl SourceQueue {
    /// A source that has sent nothing since this mark.
    pub(crate) fn of(mark: SourceMark) -> SourceQueue {
        SourceQueue {
            mark,
            frames: VecDeque::new(),
            head: VecDeque::new(),
        }
    }

    /// The frame whose rows are next.
    pub(crate) fn first(&self) -> Option<&WaitingFrame> {
        self.frames.front()
    }

    /// Adds a frame behind the others.
    pub(crate) fn push(&mut self, frame: WaitingFrame) {
        self.frames.push_back(frame);
    }

    /// Decodes the first frame. `load` gives bytes that only the state has, by the offset of their record. Returns how many rows
    /// were dropped.
    pub(crate) fn decode_first(
        &mut self,
        decode: DecodeFrame<'_>,
        load: impl Fn(i64) -> Result<Vec<u8>, MergeError>,
    ) -> Result<u64, MergeError> {
        let Some(first) = self.frames.front_mut() else {
            return Ok(0);
        };
        let bytes = match first.bytes.take() {
            Some(bytes) => bytes,
            None => load(first.offset)?,
        };
        let dropped = self.decode(&bytes, decode)?;
        if let Some(first) = self.frames.front_mut().filter(|first| first.stored == Stored::No) {
            first.bytes = Some(bytes);
        }
        Ok(dropped)
    }

    /// Takes out the first frame, all rows of which were released.
    pub(crate) fn pop(&mut self) -> Option<WaitingFrame> {
        self.frames.pop_front()
    }

    /// Decodes the rows of a frame, which become the first ones. Rows that a source wrote twice (it delivers at least once) and
    /// rows that were released before a restart are dropped. Returns how many.
    pub(crate) fn decode(&mut self, frame: &[u8], decode: DecodeFrame<'_>) -> Result<u64, FrameError> {
        if let Err(error) = decode(frame, &mut self.head) {
            self.head.clear();
            return Err(error);
        }
        let (released, before) = (self.mark.sequence, self.head.len());
        self.head.retain(|row| row.sequence > released);
        Ok((before - self.head.len()) as u64)
    }

    /// Frames that the state lacks: offset and bytes. Each is handed out once.
    pub(crate) fn unstored(&mut self) -> impl Iterator<Item = (i64, &[u8])> {
        let unstored = |frame: &&mut WaitingFrame| frame.stored == Stored::No;
        self.frames.iter_mut().filter(unstored).filter_map(|frame| {
            frame.stored = Stored::Collected;
            Some((frame.offset, frame.bytes.as_deref()?))
        })
    }

    /// The state has what was handed out. Returns how many bytes are in memory.
    pub(crate) fn written(&mut self) -> usize {
        for frame in &mut self.frames {
            if frame.stored == Stored::Collected {
                frame.stored = Stored::Yes;
            }
        }
        // The rows of the first frame are decoded: its bytes are not read again.
        if let Some(first) = self.frames.front_mut().filter(|first| first.stored == Stored::Yes) {
            first.bytes = None;
        }
        self.frames.iter().map(WaitingFrame::size).sum()
    }

    /// Gives up the bytes that the state has.
    pub(crate) fn release_memory(&mut self) {
        let stored = self.frames.iter_mut().filter(|frame| frame.stored == Stored::Yes);
        stored.for_each(|frame| frame.bytes = None);
    }
}
