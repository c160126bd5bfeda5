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

/// A record of a repartition topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepartitionRecord<'a> {
    /// The number of the layout of its rows.
    pub layout: u32,
    /// What it brings.
    pub content: Content<'a>,
}

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

impl<'a> RepartitionRecord<'a> {
    /// Reads a record's value.
    ///
    /// # Errors
    /// It is cut off, or of a kind that this binary does not know.
    pub fn parse(value: &'a [u8]) -> Result<RepartitionRecord<'a>, FrameError> {
        let damaged = |what| FrameError::Damaged { offset: 0, what };
        let (layout, rest) = value.split_first_chunk().ok_or(damaged("end of the layout's number"))?;
        let (kind, rest) = rest.split_first().ok_or(damaged("end of the record's kind"))?;
        let content = match *kind {
            FRAME => Content::Frame(rest),
            IDLE => Content::Idle(idle_notice(rest).ok_or(damaged("an idle notice of another length"))?),
            ROLLOUT => Content::Rollout(rollout(rest).ok_or(damaged("a roll-out notice cut off or not in UTF-8"))?),
            _ => return Err(damaged("a kind of record that this binary does not know")),
        };
        Ok(RepartitionRecord {
            layout: u32::from_le_bytes(*layout),
            content,
        })
    }

    /// Writes the record's value.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self.content {
            Content::Frame(frame) => {
                begin(self.layout, FRAME, out);
                out.extend_from_slice(frame);
            }
            Content::Idle(notice) => {
                begin(self.layout, IDLE, out);
                out.extend_from_slice(&notice.source.to_le_bytes());
                out.extend_from_slice(&notice.last_frame.to_le_bytes());
            }
            Content::Rollout(notice) => {
                begin(self.layout, ROLLOUT, out);
                out.extend_from_slice(&notice.revision.to_le_bytes());
                out.extend_from_slice(notice.document.as_bytes());
            }
        }
    }
}

fn begin(layout: u32, kind: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&layout.to_le_bytes());
    out.push(kind);
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
        begin(self.layout, FRAME, out);
        frame.finish(header, out);
    }

    /// Writes a record that holds a notice.
    pub fn write(&self, content: Content<'_>, out: &mut Vec<u8>) {
        let layout = self.layout;
        RepartitionRecord { layout, content }.write(out);
    }

    /// What a record's value holds.
    ///
    /// # Errors
    /// It is cut off, of a kind that this binary does not know, or its rows have another layout.
    pub fn parse<'a>(&self, value: &'a [u8]) -> Result<Content<'a>, RecordError> {
        let record = RepartitionRecord::parse(value)?;
        match record.layout == self.layout {
            true => Ok(record.content),
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
        let Content::Frame(frame) = RepartitionRecord::parse(value)?.content else {
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

    fn written(content: Content<'_>) -> Vec<u8> {
        let mut value = Vec::new();
        RepartitionRecord { layout: 7, content }.write(&mut value);
        value
    }

    #[test]
    fn each_kind_is_read_as_it_was_written() {
        let idle = Content::Idle(IdleNotice {
            source: 3,
            last_frame: -1,
        });
        let rollout = Content::Rollout(RolloutNotice {
            revision: 5,
            document: "{}",
        });
        for content in [Content::Frame(b"rows"), idle, rollout] {
            let record = RepartitionRecord { layout: 7, content };
            assert_eq!(RepartitionRecord::parse(&written(content)), Ok(record));
        }
        let idle = written(idle);
        for cut in 0..idle.len() {
            assert!(RepartitionRecord::parse(&idle[..cut]).is_err(), "{cut} bytes");
        }
        let mut rollout = written(rollout);
        assert!(
            RepartitionRecord::parse(&rollout[..12]).is_err(),
            "the revision is cut off"
        );
        *rollout.last_mut().unwrap() = 0xff;
        assert!(RepartitionRecord::parse(&rollout).is_err(), "no UTF-8");
    }

    #[test]
    fn another_kind_is_an_error() {
        assert!(RepartitionRecord::parse(b"\0\0\0\0\x03").is_err());
    }
}
