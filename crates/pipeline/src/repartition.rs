//! The records of a repartition topic: the number of the layout of its rows, then a frame of rows, or a notice of the reader to
//! itself: that a source is idle, or that other models decide from here on.
//!
//! ```text
//! record      = layout:u32 kind:u8 (frame | idle | rollout)    numbers of fixed width are little endian
//! frame       = see riskstream_events::frame                   kind 0
//! idle        = source:u32 last_frame:i64                      kind 1
//! rollout     = revision:u64 document:utf8                     kind 2
//! ```
//!
//! Another version of the pipeline file may carry other values. The layout's number tells its rows apart.

use crate::partitioner::murmur2;
use crate::progress::IdleNotice;
use crate::rollout::RolloutNotice;
use crate::taken::Sequenced;
use riskstream_engine::Event;
use riskstream_engine::plan::Plan;
use riskstream_events::{Flags, FrameError, FrameHeader, FrameReader, FrameWriter, Row, Slot, Value, ValueType};
use std::collections::VecDeque;
use std::sync::Arc;

const FRAME: u8 = 0;
const IDLE: u8 = 1;
const ROLLOUT: u8 = 2;

/// What a record brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// Rows of a source, and how far it is: a frame.
    Frame(&'a [u8]),
    /// A source is idle.
    Idle(IdleNotice),
    /// Other models decide on what follows.
    Rollout(RolloutNotice<'a>),
}

/// Why a record cannot be read.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// It is damaged.
    #[error(transparent)]
    Damaged(#[from] FrameError),
    /// Its rows have another layout.
    #[error("its rows have another layout")]
    OtherLayout,
}

/// The form of the records in the repartition topic in front of one stage.
#[derive(Clone, Debug)]
pub struct RepartitionFormat {
    plan: Arc<Plan>,
    stage: usize,
    layout: u32,
}

impl RepartitionFormat {
    /// The form of records on their way to `stage`.
    pub fn new(plan: &Arc<Plan>, stage: usize) -> RepartitionFormat {
        RepartitionFormat {
            layout: layout_number(plan, &plan.stages[stage].carries),
            plan: Arc::clone(plan),
            stage,
        }
    }

    /// The stage that reads the topic.
    pub fn stage(&self) -> usize {
        self.stage
    }

    /// A writer of the frames that this form's records hold.
    pub fn frame_writer(&self) -> FrameWriter {
        FrameWriter::new(self.plan.stages[self.stage].carries.as_slice())
    }

    /// Writes a record that holds the frame, and begins a new frame.
    pub fn write_frame(&self, header: FrameHeader, frame: &mut FrameWriter, out: &mut Vec<u8>) {
        self.begin(FRAME, out);
        frame.finish(header, out);
    }

    /// Writes a record that holds an idle notice.
    pub fn write_idle(&self, notice: IdleNotice, out: &mut Vec<u8>) {
        self.begin(IDLE, out);
        out.extend_from_slice(&notice.source.to_le_bytes());
        out.extend_from_slice(&notice.last_frame.to_le_bytes());
    }

    /// Writes a record that holds a change of the line-up.
    pub fn write_rollout(&self, notice: RolloutNotice<'_>, out: &mut Vec<u8>) {
        self.begin(ROLLOUT, out);
        out.extend_from_slice(&notice.revision.to_le_bytes());
        out.extend_from_slice(notice.document.as_bytes());
    }

    fn begin(&self, kind: u8, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.layout.to_le_bytes());
        out.push(kind);
    }

    /// What a record's value holds.
    ///
    /// # Errors
    /// It is cut off, of a kind that this binary does not know, or its rows have another layout.
    pub fn parse<'a>(&self, value: &'a [u8]) -> Result<Content<'a>, RecordError> {
        let (layout, content) = parse(value)?;
        match layout == self.layout {
            true => Ok(content),
            false => Err(RecordError::OtherLayout),
        }
    }

    /// The header of the frame in a record's value.
    ///
    /// # Errors
    /// It is damaged, or holds no frame.
    pub fn frame_header(&self, value: &[u8]) -> Result<FrameHeader, RecordError> {
        match self.parse(value)? {
            Content::Frame(frame) => Ok(self.frame_reader(frame)?.header()),
            Content::Idle(_) | Content::Rollout(_) => Err(NO_FRAME.into()),
        }
    }

    /// Decodes all rows of the frame in a record's value, into rows taken from `spare` as long as there are any.
    ///
    /// # Errors
    /// It is damaged, or holds no frame.
    pub fn decode_rows(
        &self,
        value: &[u8],
        spare: &mut Vec<Row>,
        rows: &mut VecDeque<Sequenced>,
    ) -> Result<(), FrameError> {
        let (_, Content::Frame(frame)) = parse(value)? else {
            return Err(NO_FRAME);
        };
        let width = self.plan.slots.len();
        let mut next = || {
            let mut row = spare.pop().unwrap_or_default();
            row.clear();
            row.resize(width, Value::Null);
            row
        };
        let mut reader = self.frame_reader(frame)?;
        let mut row = next();
        while let Some(header) = reader.next_row(&mut row)? {
            let event = Event {
                input: header.input,
                watermark: header.watermark,
                flags: Flags(header.flags),
                row: std::mem::replace(&mut row, next()),
            };
            rows.push_back(Sequenced {
                sequence: header.source_offset,
                event,
            });
        }
        spare.push(row);
        Ok(())
    }

    fn frame_reader<'a>(&'a self, frame: &'a [u8]) -> Result<FrameReader<'a>, FrameError> {
        FrameReader::new(frame, &self.plan.stages[self.stage].carries)
    }
}

const NO_FRAME: FrameError = FrameError::Damaged {
    offset: 0,
    what: "a notice where a frame should be",
};

/// The number of a layout of rows: a hash of the names and types of their slots in order.
fn layout_number(plan: &Plan, carries: &[(Slot, ValueType)]) -> u32 {
    let name = |&(slot, value_type): &(Slot, ValueType)| format!("{}:{};", plan.slots[slot].name, value_type.name());
    let layout: String = carries.iter().map(name).collect();
    murmur2(layout.as_bytes())
}

/// The number of the layout and the content.
fn parse(value: &[u8]) -> Result<(u32, Content<'_>), FrameError> {
    let damaged = |what| FrameError::Damaged { offset: 0, what };
    let (layout, rest) = value.split_first_chunk().ok_or(damaged("end of the layout's number"))?;
    let (kind, rest) = rest.split_first().ok_or(damaged("end of the record's kind"))?;
    let content = match *kind {
        FRAME => Content::Frame(rest),
        IDLE => Content::Idle(idle_notice(rest).ok_or(damaged("an idle notice of another length"))?),
        ROLLOUT => Content::Rollout(rollout(rest).ok_or(damaged("a roll-out notice cut off or not in UTF-8"))?),
        _ => return Err(damaged("a kind of record that this binary does not know")),
    };
    Ok((u32::from_le_bytes(*layout), content))
}

fn idle_notice(bytes: &[u8]) -> Option<IdleNotice> {
    let (source, last_frame) = bytes.split_first_chunk()?;
    Some(IdleNotice {
        source: u32::from_le_bytes(*source),
        last_frame: i64::from_le_bytes(last_frame.try_into().ok()?),
    })
}

fn rollout(bytes: &[u8]) -> Option<RolloutNotice<'_>> {
    let (revision, document) = bytes.split_first_chunk()?;
    Some(RolloutNotice {
        revision: u64::from_le_bytes(*revision),
        document: std::str::from_utf8(document).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        [&7u32.to_le_bytes(), &[kind][..], content].concat()
    }

    #[test]
    fn each_kind_is_read() {
        let frame = record(FRAME, b"rows");
        assert_eq!(parse(&frame), Ok((7, Content::Frame(b"rows"))));

        let idle = record(IDLE, b"\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
        let notice = IdleNotice {
            source: 3,
            last_frame: -1,
        };
        assert_eq!(parse(&idle), Ok((7, Content::Idle(notice))));
        for cut in 0..idle.len() {
            assert!(parse(&idle[..cut]).is_err(), "{cut} bytes");
        }

        let mut rollout = record(ROLLOUT, b"\x05\0\0\0\0\0\0\0{}");
        let notice = RolloutNotice {
            revision: 5,
            document: "{}",
        };
        assert_eq!(parse(&rollout), Ok((7, Content::Rollout(notice))));
        assert!(parse(&rollout[..12]).is_err(), "the revision is cut off");
        *rollout.last_mut().unwrap() = 0xff;
        assert!(parse(&rollout).is_err(), "no UTF-8");
    }

    #[test]
    fn another_kind_is_an_error() {
        assert!(parse(b"\0\0\0\0\x03").is_err());
    }
}
