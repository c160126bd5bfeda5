//! What a record of a repartition topic is: in front the number of the layout of its rows, then a frame of rows, or a notice of
//! the reader to itself: that a source is absent, or that other models decide from here on.
//!
//! ```text
//! record  = layout:u32 kind:u8 (frame | idle_notice)          numbers of fixed width are little endian
//! frame   = see riskstream_events::frame                  kind 0
//! idle_notice = source:u32 heard:i64                          kind 1
//! rollout = revision:u64 document:utf8                    kind 2
//! ```
//!
//! A pipeline file that was changed may carry other values: its rows must not be read as if they were the old ones.

use crate::merge::{IdleNotice, Sequenced};
use crate::partitioner::murmur2;
use crate::rollout::RolloutNotice;
use riskstream_engine::Event;
use riskstream_engine::plan::Plan;
use riskstream_events::{Flags, FrameError, FrameReader, Row, Value};
use std::collections::VecDeque;

const FRAME: u8 = 0;
const ABSENCE: u8 = 1;
const ROLLOUT: u8 = 2;

/// A repartition record taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepartitionRecord<'a> {
    /// The number of the layout of its rows.
    pub layout: u32,
    /// What it brings.
    pub content: Content<'a>,
}

/// See [`RepartitionRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// Rows of a source, and how far it is.
    Frame(&'a [u8]),
    /// Nobody need wait for a source.
    Idle(IdleNotice),
    /// Other models decide on what follows.
    Rollout(RolloutNotice<'a>),
}

/// The number of the layout of rows on their way to `stage`: a hash of their names and types in order.
pub fn layout_id(plan: &Plan, stage: usize) -> u32 {
    let name = |&(slot, value_type): &(usize, riskstream_events::ValueType)| {
        format!("{}:{};", plan.slots[slot].name, value_type.name())
    };
    let layout: String = plan.stages[stage].carries.iter().map(name).collect();
    murmur2(layout.as_bytes())
}

/// Begins a record that holds a frame; the frame follows.
pub fn begin_frame(layout: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&layout.to_le_bytes());
    out.push(FRAME);
}

/// Writes a notice of idle_notice.
pub fn write_idle(layout: u32, idle_notice: IdleNotice, out: &mut Vec<u8>) {
    out.extend_from_slice(&layout.to_le_bytes());
    out.push(ABSENCE);
    out.extend_from_slice(&idle_notice.source.to_le_bytes());
    out.extend_from_slice(&idle_notice.heard.to_le_bytes());
}

/// Writes a change of the line-up.
pub fn write_rollout(layout: u32, notice: RolloutNotice<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&layout.to_le_bytes());
    out.push(ROLLOUT);
    out.extend_from_slice(&notice.revision.to_le_bytes());
    out.extend_from_slice(notice.document.as_bytes());
}

/// Takes a record's value apart.
///
/// # Errors
/// It is cut off, or of a kind that this binary does not know.
pub fn parse(value: &[u8]) -> Result<RepartitionRecord<'_>, FrameError> {
    let damaged = |what| FrameError::Damaged { offset: 0, what };
    let (layout, rest) = value.split_first_chunk().ok_or(damaged("end of the layout's number"))?;
    let (kind, rest) = rest.split_first().ok_or(damaged("end of the record's kind"))?;
    let content = match *kind {
        FRAME => Content::Frame(rest),
        ABSENCE => Content::Idle(idle_notice(rest).ok_or(damaged("a notice of idle_notice of another length"))?),
        ROLLOUT => Content::Rollout(rollout(rest).ok_or(damaged("a notice of a roll-out cut off or not in UTF-8"))?),
        _ => return Err(damaged("a kind of record that this binary does not know")),
    };
    Ok(RepartitionRecord {
        layout: u32::from_le_bytes(*layout),
        content,
    })
}

fn idle_notice(bytes: &[u8]) -> Option<IdleNotice> {
    let (source, heard) = bytes.split_first_chunk()?;
    Some(IdleNotice {
        source: u32::from_le_bytes(*source),
        heard: i64::from_le_bytes(heard.try_into().ok()?),
    })
}

fn rollout(bytes: &[u8]) -> Option<RolloutNotice<'_>> {
    let (revision, document) = bytes.split_first_chunk()?;
    Some(RolloutNotice {
        revision: u64::from_le_bytes(*revision),
        document: std::str::from_utf8(document).ok()?,
    })
}

/// Reads the frame in the value of a record on its way to `stage`.
pub fn frame_reader<'a>(plan: &'a Plan, stage: usize, value: &'a [u8]) -> Result<FrameReader<'a>, FrameError> {
    match parse(value)?.content {
        Content::Frame(frame) => FrameReader::new(frame, &plan.stages[stage].carries),
        Content::Idle(_) | Content::Rollout(_) => Err(FrameError::Damaged {
            offset: 0,
            what: "a notice where a frame should be",
        }),
    }
}

/// Decodes all rows of such a frame, into rows taken from `spare` as long as there are any.
pub fn decode_rows(
    plan: &Plan,
    stage: usize,
    value: &[u8],
    spare: &mut Vec<Row>,
    rows: &mut VecDeque<Sequenced>,
) -> Result<(), FrameError> {
    let width = plan.slots.len();
    let mut next = || {
        let mut row = spare.pop().unwrap_or_default();
        row.clear();
        row.resize(width, Value::Null);
        row
    };
    let mut reader = frame_reader(plan, stage, value)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut record = Vec::new();
        begin_frame(7, &mut record);
        record.extend_from_slice(b"rows");
        let content = Content::Frame(b"rows");
        assert_eq!(parse(&record), Ok(RepartitionRecord { layout: 7, content }));

        record.clear();
        let idle_notice = IdleNotice { source: 3, heard: -1 };
        write_idle(u32::MAX, idle_notice, &mut record);
        let content = Content::Idle(idle_notice);
        let layout = u32::MAX;
        assert_eq!(parse(&record), Ok(RepartitionRecord { layout, content }));
        for cut in 0..record.len() {
            assert!(parse(&record[..cut]).is_err(), "{cut} bytes");
        }

        record.clear();
        let notice = RolloutNotice {
            revision: 7,
            document: "{}",
        };
        write_rollout(5, notice, &mut record);
        let content = Content::Rollout(notice);
        assert_eq!(parse(&record), Ok(RepartitionRecord { layout: 5, content }));
        assert!(parse(&record[..12]).is_err(), "the revision is cut off");
        *record.last_mut().unwrap() = 0xff;
        assert!(parse(&record).is_err(), "no UTF-8");
    }

    #[test]
    fn another_kind_is_an_error() {
        assert!(parse(b"\0\0\0\0\x03").is_err());
    }
}
