//! How far sources are: what they announce, and what of it is kept.

/// How far a source is, as its readers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// No later row of the source has a smaller watermark, in microseconds of event time.
    pub time: i64,
    /// Whether the source reads at the end of its log: rows of other live sources need not wait for it.
    pub live: bool,
}

/// What is kept of one of the sources that write to a repartition partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceMark {
    /// No row to come has a smaller watermark; `i64::MIN` until the first frame.
    pub watermark: i64,
    /// Whether rows of live sources need not wait for this one.
    pub live: bool,
    /// Whether no row waits for this source until its next frame.
    pub idle: bool,
    /// The highest sequence number released.
    pub sequence: i64,
    /// The offset of the last frame; -1 until the first one.
    pub last_frame: i64,
}

impl SourceMark {
    /// A source that has not sent anything: rows of all others wait for it.
    pub const NEW: SourceMark = SourceMark {
        watermark: i64::MIN,
        live: false,
        idle: false,
        sequence: 0,
        last_frame: -1,
    };
}

/// A source is idle as of its last frame. Void if it has sent another one since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleNotice {
    /// The source.
    pub source: u32,
    /// The offset of its last frame when it was found idle; -1 if it had not sent any.
    pub last_frame: i64,
}

/// How far a task has read, as it is kept with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceProgress {
    /// The largest watermark of an event handed out; `i64::MIN` until the first one.
    pub watermark: i64,
    /// The number of the event handed out last.
    pub sequence: i64,
    /// How far the sources of a repartition partition are; empty for an input topic.
    pub sources: Vec<SourceMark>,
}

impl Default for SourceProgress {
    fn default() -> SourceProgress {
        SourceProgress {
            watermark: i64::MIN,
            sequence: 0,
            sources: Vec::new(),
        }
    }
}
