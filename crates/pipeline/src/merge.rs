//! Brings the rows of a repartition partition into event-time order.
//!
//! A repartition partition is written by many sources (the tasks of the stage before), each in its own order; their frames
//! lie in the order in which their workers committed. Every frame carries its source's watermark. The reader holds a
//! row back until no other source can still send a row with a smaller watermark. The resulting order is a function of
//! the log alone and does not depend on how fast sources were read: a replay finds the same order again, and a
//! catch-up over old topics computes what a live run would have computed.
//!
//! A row of a live source (one that reads at the end of its topic, in real time or nearly so) waits only for sources
//! that are catching up. A row of a source that is catching up waits for all others, live or not, but not for idle ones:
//! a source that has read everything, and to which nothing has come for a while, says so in the log.
//!
//! When a first source begins to catch up, others may have got history at the same time without having read it yet. So rows
//! of history wait for idle sources, too, from that record on, until each has said again how far it is. If one does not
//! answer, the reader writes to its own log that it waits no longer.
//!
//! The next row is found in a heap of the sources' first rows. What rows have to wait for is computed once for each record,
//! so a row costs the logarithm of the number of sources.

use crate::progress::{Phase, SourceMark, Watermark};
use crate::repartition::IdleNotice;
use crate::source_queue::{DecodeFrame, MergeError, SourceQueue, WaitingFrame};
use crate::sources::{SourceId, Sources};
use riskstream_engine::Event;
use riskstream_engine::plan::TRANSACTIONS;
use riskstream_events::{FrameError, FrameHeader};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Gives the bytes of a frame that was stored: of this source, from the record at this offset. The task supplies it, as it has
/// the state.
pub type LoadFrame<'a> = &'a dyn Fn(SourceId, i64) -> Result<Vec<u8>, MergeError>;

/// Bytes of frames that one merge keeps in memory although the state has them.
const MEMORY: usize = 1 << 20;

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

/// The watermarks of the sources that have no row here and are not idle.
#[derive(Clone, Copy)]
struct LeastWatermarks {
    /// The least watermark of those that are catching up.
    catching_up: i64,
    /// The least watermark of those that are live.
    live: i64,
}

impl LeastWatermarks {
    const NOTHING: LeastWatermarks = LeastWatermarks {
        catching_up: i64::MAX,
        live: i64::MAX,
    };

    fn add(&mut self, watermark: i64, phase: Phase) {
        match phase {
            Phase::CatchingUp => self.catching_up = self.catching_up.min(watermark),
            Phase::Live => self.live = self.live.min(watermark),
            Phase::Idle => {}
        }
    }
}

/// The merge of the sources of one repartition partition. Which sources there are is part of the log: a source that is added
/// while the pipeline runs is waited for from the record on that names it first, also in a replay.
pub struct Merge {
    sources: Sources<SourceQueue>,
    /// The first row of each source that has rows.
    heads: BinaryHeap<Reverse<MergeOrder>>,
    /// `None`: a source without rows has changed since it was computed.
    awaited: Option<LeastWatermarks>,
    /// The offset of the record with which the present catch-up began; none if no source catches up.
    catch_up_from: Option<i64>,
    /// How many marks of sources that read history were received.
    catching_up_marks: u64,
    /// Stored frames of which all rows were released: to be deleted.
    finished: Vec<(SourceId, i64)>,
    /// Rows that were dropped because their source has sent them before.
    repeated: u64,
    waiting: usize,
}

impl Merge {
    /// A merge of sources of which this was stored.
    pub fn new(marks: &Sources<SourceMark>, catch_up_from: Option<i64>) -> Merge {
        Merge {
            sources: marks.map(|mark| SourceQueue::of(*mark)),
            heads: BinaryHeap::new(),
            awaited: None,
            catch_up_from,
            catching_up_marks: 0,
            finished: Vec::new(),
            repeated: 0,
            waiting: 0,
        }
    }

    /// Waits from now on for all sources that topics with these numbers of partitions have.
    pub fn expect(&mut self, counts: &[u32]) {
        if self.sources.grow(counts, || SourceQueue::of(SourceMark::NEW)) {
            self.awaited = None;
        }
    }

    /// Whether it is waited for this source, or has been.
    pub fn knows(&self, source: SourceId) -> bool {
        self.sources.get(source).is_some()
    }

    /// Puts back a frame that the state has; frames of a source in order of their offsets.
    ///
    /// # Errors
    /// It is damaged.
    ///
    /// # Panics
    /// The source is not known.
    pub fn restore_frame(
        &mut self,
        head: FrameHeader,
        offset: i64,
        bytes: &[u8],
        decode: DecodeFrame<'_>,
    ) -> Result<(), FrameError> {
        let frame = WaitingFrame::of_state(offset, head.live);
        self.enqueue(SourceId::from_number(head.source), frame, bytes, decode)
    }

    /// Takes in a frame read from the log at `offset`, which an owner of this generation has written.
    ///
    /// # Errors
    /// It is damaged.
    ///
    /// # Panics
    /// The source is not known.
    pub fn push(
        &mut self,
        head: FrameHeader,
        generation: u64,
        offset: i64,
        bytes: &[u8],
        decode: DecodeFrame<'_>,
    ) -> Result<(), FrameError> {
        let source = SourceId::from_number(head.source);
        let frame = WaitingFrame::new(offset, head.live, bytes);
        self.enqueue(source, frame, bytes, decode)?;
        let phase = match head.live {
            true => Phase::Live,
            false => Phase::CatchingUp,
        };
        let time = head.watermark;
        self.announce(source, Watermark { time, phase }, generation, offset);
        Ok(())
    }

    /// Takes in how far a source is, as an owner of this generation has written to the record at `offset`. What a former
    /// owner has written late has no effect.
    ///
    /// # Panics
    /// The source is not known.
    pub fn announce(&mut self, source: SourceId, watermark: Watermark, generation: u64, offset: i64) {
        let mark = &mut self.queue(source).mark;
        if generation < mark.generation {
            return;
        }
        let before = std::mem::replace(&mut mark.phase, watermark.phase);
        mark.generation = generation;
        mark.watermark = mark.watermark.max(watermark.time);
        mark.last_record = offset;
        self.awaited = None;
        if watermark.phase == Phase::CatchingUp && watermark.time != i64::MIN {
            self.catching_up_marks += 1;
        } else if before == Phase::CatchingUp && self.catch_up_from.is_some() && !self.catches_up() {
            self.catch_up_from = None;
        }
    }

    /// The record at `offset` says of some source that it catches up. If it begins a catch-up, idle sources are waited for
    /// from here on, until each is announced again.
    pub fn begin_catch_up(&mut self, offset: i64) {
        if self.catch_up_from.is_none() && self.catches_up() {
            self.catch_up_from = Some(offset);
            self.awaited = None;
        }
    }

    /// Whether some source has said that it catches up.
    fn catches_up(&self) -> bool {
        let catches_up =
            |source: &SourceQueue| source.mark.phase == Phase::CatchingUp && source.mark.watermark != i64::MIN;
        self.sources.iter().any(|(_, source)| catches_up(source))
    }

    /// The offset of the record with which the present catch-up began; none if no source catches up.
    pub fn catch_up_from(&self) -> Option<i64> {
        self.catch_up_from
    }

    /// Whether rows wait, and some source that was idle was not announced since the catch-up began.
    pub fn awaits_idle_sources(&self) -> bool {
        let is_awaited = |mark: &SourceMark| mark.phase == Phase::Idle && self.phase(mark) != Phase::Idle;
        self.waiting > 0 && self.sources.iter().any(|(_, source)| is_awaited(&source.mark))
    }

    /// The record at `offset` says that idle sources are not waited for any longer in the catch-up that began at
    /// `catch_up_from`.
    pub fn end_wait_for_idle(&mut self, catch_up_from: i64, offset: i64) {
        if self.catch_up_from != Some(catch_up_from) {
            return;
        }
        for (_, source) in self.sources.iter_mut() {
            if source.mark.phase == Phase::Idle {
                source.mark.last_record = source.mark.last_record.max(offset);
            }
        }
        self.awaited = None;
    }

    /// How a source counts now.
    fn phase(&self, mark: &SourceMark) -> Phase {
        mark.phase_in(self.catch_up_from)
    }

    /// No row waits for this source until its next record. Does nothing if it has sent one since it was found idle.
    pub fn mark_idle(&mut self, notice: IdleNotice) {
        if let Some(source) = self.sources.get_mut(notice.source)
            && source.mark.last_record == notice.last_record
        {
            source.mark.phase = Phase::Idle;
            self.awaited = None;
        }
    }

    fn queue(&mut self, source: SourceId) -> &mut SourceQueue {
        let queue = self.sources.get_mut(source);
        queue.expect("the caller refuses sources that the topics do not have")
    }

    fn enqueue(
        &mut self,
        id: SourceId,
        frame: WaitingFrame,
        bytes: &[u8],
        decode: DecodeFrame<'_>,
    ) -> Result<(), FrameError> {
        let source = self.sources.get_mut(id);
        let source = source.expect("the caller refuses sources that the topics do not have");
        if source.head.is_empty() {
            self.repeated += source.decode(bytes, decode)?;
            if source.head.is_empty() {
                if frame.is_stored() {
                    self.finished.push((id, frame.offset));
                }
                return Ok(());
            }
        }
        if source.first().is_none() {
            let first = source.head.front().expect("it was decoded just now");
            let order = MergeOrder::of(&first.event, id.number() as usize);
            self.heads.push(Reverse(order));
            self.awaited = None;
        }
        source.push(frame);
        self.waiting += 1;
        Ok(())
    }

    /// The next row in order, if no other source can still send an older one.
    ///
    /// # Errors
    /// A frame that waited cannot be read or decoded.
    pub fn pop(&mut self, decode: DecodeFrame<'_>, load: LoadFrame<'_>) -> Result<Option<Event>, MergeError> {
        let Some(&Reverse(MergeOrder { watermark, source, .. })) = self.heads.peek() else {
            return Ok(None);
        };
        let source = SourceId::from_number(source as u32);
        let awaited = self.awaited();
        let awaited = match self.queue(source).first() {
            Some(frame) if frame.live => awaited.catching_up,
            _ => awaited.catching_up.min(awaited.live),
        };
        // A source with the same watermark may still send a label of that very moment.
        if watermark >= awaited {
            return Ok(None);
        }
        self.release(source, decode, load).map(Some)
    }

    fn awaited(&mut self) -> LeastWatermarks {
        *self.awaited.get_or_insert_with(|| {
            let mut awaited = LeastWatermarks::NOTHING;
            for (_, SourceQueue { mark, head, .. }) in self.sources.iter() {
                if head.is_empty() {
                    awaited.add(mark.watermark, mark.phase_in(self.catch_up_from));
                }
            }
            awaited
        })
    }

    /// No row with a smaller watermark will be released any more. None if no row waits and all sources are idle.
    pub fn watermark(&self) -> Option<i64> {
        if self.sources.is_empty() {
            return Some(i64::MIN);
        }
        let watermark = |source: &SourceQueue| match source.head.front() {
            Some(row) => Some(row.event.watermark),
            None => (self.phase(&source.mark) != Phase::Idle).then_some(source.mark.watermark),
        };
        self.sources.iter().filter_map(|(_, source)| watermark(source)).min()
    }

    /// If all sources of transactions are idle, and none of their rows waits: how far they have come. No promise about
    /// transactions reaches further then, whatever sources of labels have sent.
    pub fn rest_of_transactions(&self) -> Option<i64> {
        let mut furthest = None;
        for source in self.sources.of_input(TRANSACTIONS) {
            if !source.head.is_empty() || self.phase(&source.mark) != Phase::Idle {
                return None;
            }
            furthest = furthest.max(Some(source.mark.watermark));
        }
        furthest
    }

    fn release(&mut self, id: SourceId, decode: DecodeFrame<'_>, load: LoadFrame<'_>) -> Result<Event, MergeError> {
        self.heads.pop();
        let source = self.sources.get_mut(id).expect("the caller saw a row here");
        let row = source.head.pop_front().expect("the caller saw a row here");
        source.mark.sequence = row.sequence;
        while source.head.is_empty() {
            let Some(done) = source.pop() else { break };
            self.waiting -= 1;
            if done.is_stored() {
                self.finished.push((id, done.offset));
            }
            if source.first().is_none() {
                break;
            }
            self.repeated += source.decode_first(decode, |offset| load(id, offset))?;
        }
        match (source.head.front(), &mut self.awaited) {
            (Some(next), _) => {
                let order = MergeOrder::of(&next.event, id.number() as usize);
                self.heads.push(Reverse(order));
            }
            (None, Some(awaited)) => {
                awaited.add(source.mark.watermark, source.mark.phase_in(self.catch_up_from));
            }
            (None, None) => {}
        }
        Ok(row.event)
    }

    /// How far each source is.
    pub fn marks(&self) -> Sources<SourceMark> {
        self.sources.map(|source| source.mark)
    }

    /// Rows that were dropped because their source has sent them before, since this was asked last.
    pub fn take_repeated(&mut self) -> u64 {
        std::mem::take(&mut self.repeated)
    }

    /// Number of frames that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether nothing waits and no source is catching up. A merge that has received no mark of any source does not know that.
    pub fn is_live(&self) -> bool {
        let at_end = |source: &SourceQueue| self.phase(&source.mark) != Phase::CatchingUp;
        self.waiting == 0 && !self.sources.is_empty() && self.sources.iter().all(|(_, source)| at_end(source))
    }

    /// How many marks of sources that read history were received since the merge was made.
    pub fn catching_up_marks(&self) -> u64 {
        self.catching_up_marks
    }

    /// Whether rows wait, or a source that has sent rows is catching up.
    pub fn awaits_history(&self) -> bool {
        self.waiting > 0 || self.catches_up()
    }

    /// Whether nothing waits and every source is idle.
    pub fn is_idle(&self) -> bool {
        let is_idle = |source: &SourceQueue| self.phase(&source.mark) == Phase::Idle;
        self.waiting == 0 && !self.sources.is_empty() && self.sources.iter().all(|(_, source)| is_idle(source))
    }

    /// Frames that have to be stored because they wait beyond this batch: source, offset, bytes. Each is
    /// handed out once.
    pub fn unstored(&mut self) -> impl Iterator<Item = (SourceId, i64, &[u8])> {
        self.sources.iter_mut().flat_map(|(id, source)| {
            let unstored = source.unstored();
            unstored.map(move |(offset, bytes)| (id, offset, bytes))
        })
    }

    /// The frames that were handed out to be stored are stored: the memory of those that do not come soon is given back.
    pub fn written(&mut self) {
        if self.waiting == 0 {
            return;
        }
        let in_memory: usize = self.sources.iter_mut().map(|(_, source)| source.written()).sum();
        if in_memory > MEMORY {
            self.sources.iter_mut().for_each(|(_, source)| source.release_memory());
        }
    }

    /// Stored frames of which all rows were released: source and offset. Each is handed out once.
    pub fn finished(&mut self) -> impl Iterator<Item = (SourceId, i64)> {
        self.finished.drain(..)
    }
}
