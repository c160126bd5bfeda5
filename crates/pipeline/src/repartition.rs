//! The records of a repartition topic: the number of the layout of its rows, then frames of rows, or a notice of the
//! reader to itself: that other models or other versions of lists decide from here on, or that it waits no longer for idle
//! sources.
//!
//! ```text
//! record      = layout:u32 kind:u8 ...                         numbers of fixed width are little endian
//! frames      = see frame_set.rs                               kind 0
//! rollout     = revision:u64 document:utf8                     kind 2
//! idle_timeout = catch_up_from:i64                             kind 3
//! lists       = utf8, see riskstream_lists::Offsets           kind 4
//! ```
//!
//! Another version of the pipeline file may carry other values. The layout's number tells its rows apart. Records of earlier
//! versions of this program have other layout numbers, too: they stop at ours, and we read theirs. The last version did not
//! name the sources (see frame_set.rs). Before it, kind 0 was one frame (see riskstream_events::frame) and kind 1 an idle
//! notice:
//!
//! ```text
//! idle        = source:u32 last_frame:i64                      kind 1
//! ```

use crate::frame_set::FrameSet;
use crate::partitioner::murmur2;
use crate::record_result::Sequenced;
use crate::rollout::RolloutNotice;
use crate::sources::SourceId;
use riskstream_engine::Event;
use riskstream_engine::plan::Plan;
use riskstream_events::{Flags, FrameError, FrameHeader, FrameReader, FrameWriter, Row, Slot, Value, ValueType};
use riskstream_lists::Offsets;
use std::collections::VecDeque;
use std::sync::Arc;

const FRAMES: u8 = 0;
const IDLE: u8 = 1;
const ROLLOUT: u8 = 2;
const IDLE_TIMEOUT: u8 = 3;
const LISTS: u8 = 4;

/// The content of a record after the number of the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// Rows of sources, and how far sources are.
    Frames(FrameSet<'a>),
    /// A source is idle. Only earlier versions write it.
    Idle(IdleNotice),
    /// Other models decide on what follows.
    Rollout(RolloutNotice<'a>),
    /// Other versions of lists decide on what follows.
    Lists(Offsets),
    /// Idle sources that were not announced since the catch-up began are not waited for any longer.
    IdleTimeout {
        /// The offset of the record with which the catch-up began.
        catch_up_from: i64,
    },
}

/// A source is idle as of its last record. Void if it has sent another one since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleNotice {
    /// The source.
    pub source: SourceId,
    /// The offset of its last record when it was found idle; -1 if it had not sent any.
    pub last_record: i64,
}

impl<'a> Content<'a> {
    /// Reads what follows the number of the layout.
    ///
    /// # Errors
    /// It is cut off, or of a kind that this binary does not know.
    pub fn parse(bytes: &'a [u8]) -> Result<Content<'a>, FrameError> {
        match split_kind(bytes)? {
            (FRAMES, rest) => Ok(Content::Frames(FrameSet::parse(rest)?)),
            (ROLLOUT, rest) => parse_rollout(rest).map(Content::Rollout),
            (IDLE_TIMEOUT, rest) => match rest.try_into() {
                Ok(offset) => Ok(Content::IdleTimeout {
                    catch_up_from: i64::from_le_bytes(offset),
                }),
                Err(_) => Err(damaged("an idle timeout of another length")),
            },
            (LISTS, rest) => parse_lists(rest).map(Content::Lists),
            _ => Err(damaged("a kind of record that this binary does not know")),
        }
    }

    /// Reads what follows the number of the layout in a record of the version that did not name sources.
    ///
    /// # Errors
    /// It is cut off, or of a kind that this binary does not know.
    pub fn parse_without_counts(bytes: &'a [u8]) -> Result<Content<'a>, FrameError> {
        match split_kind(bytes)? {
            (FRAMES, rest) => Ok(Content::Frames(FrameSet::parse_without_counts(rest)?)),
            (ROLLOUT, rest) => parse_rollout(rest).map(Content::Rollout),
            _ => Err(damaged("a kind of record that this binary does not know")),
        }
    }

    /// Reads what follows the number of the layout in a record of the earliest version.
    ///
    /// # Errors
    /// It is cut off, or of a kind that this binary does not know.
    pub fn parse_earliest(bytes: &'a [u8]) -> Result<Content<'a>, FrameError> {
        match split_kind(bytes)? {
            (FRAMES, frame) => Ok(Content::Frames(FrameSet::of(frame))),
            (IDLE, rest) => parse_idle(rest).map(Content::Idle),
            (ROLLOUT, rest) => parse_rollout(rest).map(Content::Rollout),
            _ => Err(damaged("a kind of record that this binary does not know")),
        }
    }
}

fn split_kind(bytes: &[u8]) -> Result<(u8, &[u8]), FrameError> {
    let (kind, rest) = bytes.split_first().ok_or(damaged("end of the record's kind"))?;
    Ok((*kind, rest))
}

fn parse_idle(bytes: &[u8]) -> Result<IdleNotice, FrameError> {
    let error = damaged("an idle notice of another length");
    let Some((source, last_record)) = bytes.split_first_chunk() else {
        return Err(error);
    };
    Ok(IdleNotice {
        source: SourceId::from_number(u32::from_le_bytes(*source)),
        last_record: i64::from_le_bytes(last_record.try_into().map_err(|_| error)?),
    })
}

fn parse_rollout(bytes: &[u8]) -> Result<RolloutNotice<'_>, FrameError> {
    let error = damaged("a roll-out notice cut off or not in UTF-8");
    let Some((revision, document)) = bytes.split_first_chunk() else {
        return Err(error);
    };
    Ok(RolloutNotice {
        revision: u64::from_le_bytes(*revision),
        document: std::str::from_utf8(document).map_err(|_| error)?,
    })
}

fn parse_lists(bytes: &[u8]) -> Result<Offsets, FrameError> {
    let text = std::str::from_utf8(bytes).ok();
    let offsets = text.and_then(|text| text.parse().ok());
    offsets.ok_or(damaged("offsets of lists in another form"))
}

fn damaged(what: &'static str) -> FrameError {
    FrameError::Damaged { offset: 0, what }
}

/// Why a record cannot be read.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// It is damaged, or a later version has written it.
    #[error(
        "it cannot be read: {0}. If a later version of riskstream has written it, run that version; if another program writes to this topic, end it and give the pipeline another name"
    )]
    Damaged(#[from] FrameError),
    /// Its rows have another layout.
    #[error(
        "its rows were written by another version of the pipeline file, which carries other values, or by another version of riskstream; let that version finish them, or give the changed pipeline another name"
    )]
    OtherLayout,
}

/// The form of the records in the repartition topic in front of one stage.
#[derive(Clone, Debug)]
pub struct RepartitionFormat {
    plan: Arc<Plan>,
    stage: usize,
    layout: u32,
    /// The numbers that earlier versions gave to the same layout: the one that did not name sources, and the one before it.
    layout_without_counts: u32,
    earliest_layout: u32,
}

impl RepartitionFormat {
    /// The form of records on their way to `stage`.
    pub fn new(plan: &Arc<Plan>, stage: usize) -> RepartitionFormat {
        let slots = slot_list(plan, &plan.stages[stage].carries);
        RepartitionFormat {
            layout: murmur2(format!("sources:{slots}").as_bytes()),
            layout_without_counts: murmur2(format!("frames:{slots}").as_bytes()),
            earliest_layout: murmur2(slots.as_bytes()),
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

    /// Writes the part of a record of frames before the frames.
    pub fn begin_frames(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.layout.to_le_bytes());
        out.push(FRAMES);
    }

    /// Writes a record that holds these frames.
    pub fn write_frames(&self, frames: &FrameSet<'_>, out: &mut Vec<u8>) {
        self.begin_frames(out);
        frames.write(out);
    }

    /// Writes a record that holds a roll-out notice.
    pub fn write_rollout(&self, notice: RolloutNotice<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.layout.to_le_bytes());
        out.push(ROLLOUT);
        out.extend_from_slice(&notice.revision.to_le_bytes());
        out.extend_from_slice(notice.document.as_bytes());
    }

    /// Writes a record that says how far the lists in force were read.
    pub fn write_lists(&self, offsets: &Offsets, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.layout.to_le_bytes());
        out.push(LISTS);
        out.extend_from_slice(offsets.to_string().as_bytes());
    }

    /// Writes a record that ends the wait for idle sources.
    pub fn write_idle_timeout(&self, catch_up_from: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.layout.to_le_bytes());
        out.push(IDLE_TIMEOUT);
        out.extend_from_slice(&catch_up_from.to_le_bytes());
    }

    /// What a record's value holds.
    ///
    /// # Errors
    /// It is cut off, of a kind that this binary does not know, or its rows have another layout.
    pub fn parse<'a>(&self, value: &'a [u8]) -> Result<Content<'a>, RecordError> {
        let (layout, rest) = value.split_first_chunk().ok_or(damaged("end of the layout's number"))?;
        let layout = u32::from_le_bytes(*layout);
        if layout == self.layout {
            Ok(Content::parse(rest)?)
        } else if layout == self.layout_without_counts {
            Ok(Content::parse_without_counts(rest)?)
        } else if layout == self.earliest_layout {
            Ok(Content::parse_earliest(rest)?)
        } else {
            Err(RecordError::OtherLayout)
        }
    }

    /// The header of a frame.
    ///
    /// # Errors
    /// It is damaged.
    pub fn frame_header(&self, frame: &[u8]) -> Result<FrameHeader, FrameError> {
        Ok(self.frame_reader(frame)?.header())
    }

    /// Decodes all rows of a frame, into rows taken from `spare` as long as there are any.
    ///
    /// # Errors
    /// It is damaged.
    pub fn decode_rows(
        &self,
        frame: &[u8],
        spare: &mut Vec<Row>,
        rows: &mut VecDeque<Sequenced>,
    ) -> Result<(), FrameError> {
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

/// The names and types of a layout's slots in order.
fn slot_list(plan: &Plan, carries: &[(Slot, ValueType)]) -> String {
    let name = |&(slot, value_type): &(Slot, ValueType)| format!("{}:{};", plan.slots[slot].name, value_type.name());
    carries.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_an_earlier_version_is_read() {
        assert_eq!(
            Content::parse_earliest(b"\0rows"),
            Ok(Content::Frames(FrameSet::of(b"rows")))
        );
        let idle = b"\x01\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff";
        let notice = IdleNotice {
            source: SourceId::new(0, 3),
            last_record: -1,
        };
        assert_eq!(Content::parse_earliest(idle), Ok(Content::Idle(notice)));
        for cut in 0..idle.len() {
            assert!(Content::parse_earliest(&idle[..cut]).is_err(), "{cut} bytes");
        }
        assert!(Content::parse_earliest(b"\x03").is_err());
    }

    #[test]
    fn a_rollout_is_read_and_its_damage_is_an_error() {
        let mut rollout = b"\x02\x05\0\0\0\0\0\0\0{}".to_vec();
        let notice = RolloutNotice {
            revision: 5,
            document: "{}",
        };
        assert_eq!(Content::parse(&rollout), Ok(Content::Rollout(notice)));
        assert_eq!(Content::parse_earliest(&rollout), Ok(Content::Rollout(notice)));
        assert!(Content::parse(&rollout[..8]).is_err(), "the revision is cut off");
        *rollout.last_mut().unwrap() = 0xff;
        assert!(Content::parse(&rollout).is_err(), "no UTF-8");
    }

    #[test]
    fn another_kind_is_an_error() {
        assert!(
            Content::parse(b"\x01").is_err(),
            "an idle notice is of an earlier version"
        );
        assert!(Content::parse(b"\x05").is_err());
    }

    #[test]
    fn a_notice_of_lists_is_read_and_its_damage_is_an_error() {
        let offsets = Offsets::from_iter([("blocked", 17), ("trusted", 0)]);
        assert_eq!(Content::parse(b"\x04blocked@17 trusted@0"), Ok(Content::Lists(offsets)));
        assert!(Content::parse(b"\x04blocked@17 trusted").is_err());
        assert!(Content::parse(b"\x04\xff").is_err(), "no UTF-8");
    }

    #[test]
    fn an_idle_timeout_is_read_and_its_damage_is_an_error() {
        let timeout = b"\x03\x05\0\0\0\0\0\0\0";
        assert_eq!(Content::parse(timeout), Ok(Content::IdleTimeout { catch_up_from: 5 }));
        assert!(Content::parse(&timeout[..8]).is_err());
    }
}
