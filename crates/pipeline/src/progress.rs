//! The progress of sources: what they announce, and the part of it that is kept in state.

use crate::sources::Sources;

/// How a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It reads history: rows of all other sources wait for it.
    CatchingUp,
    /// It reads at the end of its log: rows of other live sources need not wait for it.
    Live,
    /// It has read everything and nothing has come for a while: no row waits for it until its next one.
    Idle,
}

/// How far a source is, as its marks and frames state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// No later row of the source has a smaller watermark, in microseconds of event time.
    pub time: i64,
    /// How the source is read.
    pub phase: Phase,
}

/// The kept progress of a source that writes to a repartition partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceMark {
    /// No row to come has a smaller watermark; `i64::MIN` until the first frame.
    pub watermark: i64,
    /// How the source is read, as of its last frame or announcement.
    pub phase: Phase,
    /// The highest sequence number released.
    pub sequence: i64,
    /// The offset of the last record with a frame or an announcement of the source; -1 until the first one.
    pub last_record: i64,
    /// The largest generation of an owner of the source whose mark or frame was received.
    pub generation: u64,
}

impl SourceMark {
    /// A source that has not sent anything: rows of all others wait for it.
    pub const NEW: SourceMark = SourceMark {
        watermark: i64::MIN,
        phase: Phase::CatchingUp,
        sequence: 0,
        last_record: -1,
        generation: 0,
    };
}

impl SourceMark {
    /// How the source counts in a catch-up that began with the record at this offset, if there is one. A source that was
    /// idle then may have got history, too: rows of history wait for it until it is announced again.
    pub fn phase_in(&self, catch_up_from: Option<i64>) -> Phase {
        match self.phase {
            Phase::Idle if catch_up_from.is_some_and(|from| self.last_record < from) => Phase::Live,
            phase => phase,
        }
    }
}

/// How far a task has read, as it is kept with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceProgress {
    /// The largest watermark of an event handed out; `i64::MIN` until the first one.
    pub watermark: i64,
    /// The number of the event handed out last.
    pub sequence: i64,
    /// How far the sources of a repartition partition are; empty for an input topic.
    pub sources: Sources<SourceMark>,
    /// The offset of the record with which the present catch-up began; none if no source catches up.
    pub catch_up_from: Option<i64>,
    /// The same as an earlier version has written it: over the partitions of all inputs in their order.
    pub earlier_sources: Vec<SourceMark>,
}

impl Default for SourceProgress {
    fn default() -> SourceProgress {
        SourceProgress {
            watermark: i64::MIN,
            sequence: 0,
            sources: Sources::default(),
            catch_up_from: None,
            earlier_sources: Vec::new(),
        }
    }
}
