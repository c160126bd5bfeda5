//! The part of a task's state besides entities: stream time, the progress of the task and its sources, and the frames that
//! wait; of a deciding task also the roll-out and the versions of lists in force. Written in one batch with the entities and
//! the position.

use crate::frame_set::FrameSet;
use crate::log::TopicIdentity;
use crate::merge::Merge;
use crate::progress::{Phase, SourceMark, SourceProgress};
use crate::repartition::RepartitionFormat;
use crate::sources::{SourceId, Sources};
use riskstream_engine::StreamTime;
use riskstream_events::varint::{read_signed, read_unsigned, write_signed, write_unsigned};
use riskstream_features::state::{StateError, StateStore, StateWrites};
use riskstream_lists::Offsets;
use std::ops::ControlFlow;

const MARKS: &[u8] = b"m";
const FRAMES: &[u8] = b"p";
const ROLLOUT: &[u8] = b"r";
const LISTS: &[u8] = b"t";
const VERSION: u8 = 6;

/// The version before, which wrote each number of a mark in 8 bytes.
const WITHOUT_DIFFERENCES: u8 = 5;

/// A version before, which did not keep since when sources catch up.
const WITHOUT_CATCH_UP: u8 = 4;

/// A version before, which kept no generation of sources. Like the one after it, it counted the sources over the partitions of
/// all inputs, and did not know its topic.
const WITHOUT_GENERATIONS: u8 = 2;

/// How far a task is, as of a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskProgress {
    /// Event times seen.
    pub stream_time: StreamTime,
    /// How far the task has read.
    pub progress: SourceProgress,
    /// The topic that it has read.
    pub topic: TopicIdentity,
}

impl TaskProgress {
    /// Reads the progress of a store; the default one if there is none.
    pub fn read(store: &dyn StateStore) -> Result<TaskProgress, StateError> {
        match store.get(MARKS)? {
            None => Ok(TaskProgress::default()),
            Some(bytes) => decode(&bytes).ok_or_else(|| StateError::Corrupt {
                what: "the task's progress".into(),
                why: format!(
                    "{} bytes, format {:?}, expected format {VERSION}",
                    bytes.len(),
                    bytes.first()
                ),
            }),
        }
    }

    /// Adds the progress to a batch of writes.
    pub fn write(&self, writes: &mut StateWrites) {
        writes.put(MARKS, |bytes| {
            bytes.push(VERSION);
            for number in [
                self.stream_time.latest,
                self.stream_time.earliest,
                self.progress.watermark,
                self.progress.sequence,
            ] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            write_topic(&self.topic, bytes);
            write_number(self.progress.catch_up_from.unwrap_or(-1), bytes);
            let counts = self.progress.sources.counts();
            write_number(counts.len() as i64, bytes);
            counts.for_each(|count| write_number(i64::from(count), bytes));
            write_marks(self.progress.sources.iter().map(|(_, mark)| mark), bytes);
        });
    }
}

/// Set in a mark's first byte if the mark differs from the one before only in its phase and number. A worker announces its
/// sources together, so this holds for most of them; and every batch of a task writes the marks of all sources.
const IS_ANNOUNCED_WITH_THE_ONE_BEFORE: u8 = 1 << 2;

/// Writes marks as differences from the one before.
fn write_marks<'m>(marks: impl Iterator<Item = &'m SourceMark>, bytes: &mut Vec<u8>) {
    let mut before = SourceMark::NEW;
    for mark in marks {
        let announced = |mark: &SourceMark| (mark.watermark, mark.last_record, mark.generation);
        let phase = match mark.phase {
            Phase::CatchingUp => 0,
            Phase::Live => 1,
            Phase::Idle => 2,
        };
        if announced(mark) == announced(&before) {
            bytes.push(phase | IS_ANNOUNCED_WITH_THE_ONE_BEFORE);
        } else {
            bytes.push(phase);
            write_signed(mark.watermark.wrapping_sub(before.watermark), bytes);
            write_signed(mark.last_record.wrapping_sub(before.last_record), bytes);
            write_unsigned(mark.generation.wrapping_sub(before.generation), bytes);
        }
        write_signed(mark.sequence.wrapping_sub(before.sequence), bytes);
        before = *mark;
    }
}

fn read_marks(bytes: &[u8]) -> Option<Vec<SourceMark>> {
    let (mut marks, mut mark) = (Vec::new(), SourceMark::NEW);
    let mut at = 0;
    while let Some(first) = bytes.get(at) {
        at += 1;
        if first & IS_ANNOUNCED_WITH_THE_ONE_BEFORE == 0 {
            mark.watermark = mark.watermark.wrapping_add(read_signed(bytes, &mut at).ok()?);
            mark.last_record = mark.last_record.wrapping_add(read_signed(bytes, &mut at).ok()?);
            mark.generation = mark.generation.wrapping_add(read_unsigned(bytes, &mut at).ok()?);
        }
        mark.sequence = mark.sequence.wrapping_add(read_signed(bytes, &mut at).ok()?);
        mark.phase = phase(first & !IS_ANNOUNCED_WITH_THE_ONE_BEFORE)?;
        marks.push(mark);
    }
    Some(marks)
}

fn phase(number: u8) -> Option<Phase> {
    match number {
        0 => Some(Phase::CatchingUp),
        1 => Some(Phase::Live),
        // 3: an earlier version kept of an idle source whether it was live before.
        2 | 3 => Some(Phase::Idle),
        _ => None,
    }
}

fn write_number(number: i64, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&number.to_le_bytes());
}

/// An unknown id is written as one without bytes.
fn write_topic(topic: &TopicIdentity, bytes: &mut Vec<u8>) {
    let id = topic.id.as_deref().unwrap_or_default();
    write_number(i64::from(topic.partitions), bytes);
    write_number(i64::from(topic.epoch), bytes);
    write_number(id.len() as i64, bytes);
    bytes.extend_from_slice(id.as_bytes());
}

fn read_topic(rest: &mut &[u8]) -> Option<TopicIdentity> {
    let partitions = i32::try_from(number(rest)?).ok()?;
    let epoch = u32::try_from(number(rest)?).ok()?;
    let length = usize::try_from(number(rest)?).ok()?;
    let (id, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    let id = std::str::from_utf8(id).ok().filter(|id| !id.is_empty());
    Some(TopicIdentity {
        id: id.map(Into::into),
        partitions,
        epoch,
        ..TopicIdentity::default()
    })
}

fn decode(bytes: &[u8]) -> Option<TaskProgress> {
    let (version, mut rest) = bytes.split_first()?;
    if !(WITHOUT_GENERATIONS..=VERSION).contains(version) {
        return None;
    }
    let stream_time = StreamTime {
        latest: number(&mut rest)?,
        earliest: number(&mut rest)?,
    };
    let mut progress = SourceProgress {
        watermark: number(&mut rest)?,
        sequence: number(&mut rest)?,
        ..SourceProgress::default()
    };
    let mut topic = TopicIdentity::default();
    if *version < WITHOUT_CATCH_UP {
        progress.earlier_sources = read_earlier_marks(*version, rest)?;
    } else {
        topic = read_topic(&mut rest)?;
        if *version > WITHOUT_CATCH_UP {
            progress.catch_up_from = Some(number(&mut rest)?).filter(|from| *from >= 0);
        }
        let inputs = number(&mut rest)?;
        let count = |rest: &mut &[u8]| u32::try_from(number(rest)?).ok();
        let counts: Vec<u32> = (0..inputs).map(|_| count(&mut rest)).collect::<Option<_>>()?;
        let marks = match *version {
            ..=WITHOUT_DIFFERENCES => read_earlier_marks(*version, rest)?,
            _ => read_marks(rest)?,
        };
        progress.sources = Sources::from_values(&counts, marks)?;
    }
    Some(TaskProgress {
        stream_time,
        progress,
        topic,
    })
}

fn read_earlier_marks(version: u8, mut rest: &[u8]) -> Option<Vec<SourceMark>> {
    let mut sources = Vec::new();
    while !rest.is_empty() {
        let (watermark, sequence) = (number(&mut rest)?, number(&mut rest)?);
        let last_record = number(&mut rest)?;
        let generation = match version {
            WITHOUT_GENERATIONS => 0,
            _ => u64::from_le_bytes(number(&mut rest)?.to_le_bytes()),
        };
        let (number, tail) = rest.split_first()?;
        rest = tail;
        sources.push(SourceMark {
            watermark,
            phase: phase(*number)?,
            sequence,
            last_record,
            generation,
        });
    }
    Some(sources)
}

fn number(bytes: &mut &[u8]) -> Option<i64> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(i64::from_le_bytes(*number))
}

/// Adds to a batch of writes which roll-out is in force.
pub fn write_rollout(revision: u64, document: &str, writes: &mut StateWrites) {
    writes.put(ROLLOUT, |bytes| {
        bytes.extend_from_slice(&revision.to_le_bytes());
        bytes.extend_from_slice(document.as_bytes());
    });
}

/// The revision and the document of the roll-out in force; none if the pipeline file decides.
pub fn read_rollout(store: &dyn StateStore) -> Result<Option<(u64, String)>, StateError> {
    let Some(bytes) = store.get(ROLLOUT)? else {
        return Ok(None);
    };
    let read = |bytes: &[u8]| {
        let (revision, document) = bytes.split_first_chunk()?;
        let document = std::str::from_utf8(document).ok()?;
        Some((u64::from_le_bytes(*revision), document.to_owned()))
    };
    read(&bytes).map(Some).ok_or_else(|| StateError::Corrupt {
        what: "the roll-out in force".into(),
        why: "it is cut off or not in UTF-8".into(),
    })
}

/// Adds to a batch of writes how far the lists in force were read.
pub fn write_lists(offsets: &Offsets, writes: &mut StateWrites) {
    writes.put(LISTS, |bytes| bytes.extend_from_slice(offsets.to_string().as_bytes()));
}

/// How far the lists in force were read; nothing if none was in force yet.
pub fn read_lists(store: &dyn StateStore) -> Result<Offsets, StateError> {
    let bytes = store.get(LISTS)?.unwrap_or_default();
    let offsets = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
    offsets.ok_or_else(|| StateError::Corrupt {
        what: "the offsets of lists".into(),
        why: "they have another form".into(),
    })
}

/// Adds to a batch of writes the frames that wait beyond it, and removes those of which all rows were released.
pub fn write_frames(merge: &mut Merge, format: &RepartitionFormat, writes: &mut StateWrites) {
    for (source, offset) in merge.finished() {
        writes.delete(&frame_key(source, offset));
    }
    for (source, offset, frame) in merge.unstored() {
        writes.put(&frame_key(source, offset), |bytes| {
            format.write_frames(&FrameSet::of(frame), bytes);
        });
    }
}

/// A frame that waits beyond its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredFrame<'a> {
    /// The source that wrote it.
    pub source: SourceId,
    /// The offset of its record.
    pub offset: i64,
    /// A record's value that holds this frame only.
    pub bytes: &'a [u8],
}

/// Visits the frames that waited when the state was written, in order of their sources and offsets.
///
/// # Errors
/// The store cannot be read; or the first error of `visit`.
pub fn visit_frames<E: From<StateError>>(
    store: &dyn StateStore,
    mut visit: impl FnMut(StoredFrame<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut visited = Ok(());
    store.visit(FRAMES, &mut |key, bytes| {
        visited = stored_frame(key, bytes).map_err(E::from).and_then(&mut visit);
        match visited {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    visited
}

fn stored_frame<'a>(key: &[u8], bytes: &'a [u8]) -> Result<StoredFrame<'a>, StateError> {
    let corrupt = || frame_error("its key has another form");
    let key = key.strip_prefix(FRAMES).ok_or_else(corrupt)?;
    let (source, offset) = key.split_first_chunk::<4>().ok_or_else(corrupt)?;
    let offset = offset.try_into().map_err(|_| corrupt())?;
    Ok(StoredFrame {
        source: SourceId::from_number(u32::from_be_bytes(*source)),
        offset: i64::from_be_bytes(offset),
        bytes,
    })
}

/// The record's value that holds a frame that waits, and no other.
///
/// # Errors
/// The store cannot be read, or does not have it.
pub fn read_frame(store: &dyn StateStore, source: SourceId, offset: i64) -> Result<Vec<u8>, StateError> {
    let bytes = store.get(&frame_key(source, offset))?;
    bytes.ok_or_else(|| frame_error("it is missing"))
}

fn frame_error(why: &str) -> StateError {
    StateError::Corrupt {
        what: "a waiting frame".into(),
        why: why.into(),
    }
}

fn frame_key(source: SourceId, offset: i64) -> Vec<u8> {
    [FRAMES, &source.number().to_be_bytes(), &offset.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use riskstream_features::state::MemoryState;

    #[test]
    fn progress_is_read_as_it_was_written() {
        let progress = TaskProgress {
            stream_time: StreamTime {
                latest: 7,
                earliest: -3,
            },
            progress: SourceProgress {
                watermark: 6,
                sequence: 99,
                sources: Sources::from_values(
                    &[3, 2],
                    [
                        SourceMark {
                            watermark: 5,
                            phase: Phase::Live,
                            sequence: 12,
                            last_record: 44,
                            generation: 7,
                        },
                        SourceMark {
                            watermark: 5,
                            phase: Phase::CatchingUp,
                            sequence: i64::MAX,
                            last_record: 44,
                            generation: 7,
                        },
                        SourceMark {
                            watermark: i64::MAX,
                            phase: Phase::Idle,
                            sequence: i64::MIN,
                            last_record: 45,
                            generation: u64::MAX,
                        },
                        SourceMark::NEW,
                        SourceMark {
                            phase: Phase::Idle,
                            ..SourceMark::NEW
                        },
                    ],
                )
                .unwrap(),
                catch_up_from: Some(41),
                earlier_sources: Vec::new(),
            },
            topic: TopicIdentity {
                id: Some("gDJkXh".into()),
                partitions: 4,
                epoch: 1,
                ..TopicIdentity::default()
            },
        };
        let mut writes = StateWrites::default();
        progress.write(&mut writes);
        let mut store = MemoryState::default();
        store.write(&writes, 1).unwrap();
        assert_eq!(TaskProgress::read(&store).unwrap(), progress);
    }

    #[test]
    fn progress_of_the_version_before_is_read() {
        let mark = SourceMark {
            watermark: 5,
            phase: Phase::Live,
            sequence: 12,
            last_record: 44,
            generation: 7,
        };
        let mut writes = StateWrites::default();
        writes.put(MARKS, |bytes| {
            bytes.push(WITHOUT_DIFFERENCES);
            // Stream time, watermark, sequence; a topic of 4 partitions without id; no catch-up; one input of one partition.
            let head = [7, -3, 6, 99, 4, 1, 0, -1, 1, 1];
            let numbers = [mark.watermark, mark.sequence, mark.last_record, mark.generation as i64];
            head.into_iter()
                .chain(numbers)
                .for_each(|number| write_number(number, bytes));
            bytes.push(1);
        });
        let mut store = MemoryState::default();
        store.write(&writes, 1).unwrap();
        let read = TaskProgress::read(&store).unwrap();
        assert_eq!((read.progress.sequence, read.topic.partitions), (99, 4));
        assert_eq!(read.progress.sources, Sources::from_values(&[1], [mark]).unwrap());
    }

    #[test]
    fn damaged_progress_is_an_error() {
        for bytes in [&b""[..], b"\x01", b"\x02abc"] {
            let mut writes = StateWrites::default();
            writes.put(MARKS, |value| value.extend_from_slice(bytes));
            let mut store = MemoryState::default();
            store.write(&writes, 1).unwrap();
            assert!(TaskProgress::read(&store).is_err(), "{bytes:?}");
        }
    }
}
