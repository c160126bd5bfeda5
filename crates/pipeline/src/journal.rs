//! What a task keeps in its state besides entities: stream time, how far it and its sources are, and the frames that wait
//! for their turn; a deciding task also keeps which line-up is in force. Written in one batch with the entities and the
//! position.

use crate::frame_set::FrameSet;
use crate::merge::Merge;
use crate::progress::{Phase, SourceMark, SourceProgress};
use crate::repartition::RepartitionFormat;
use riskstream_engine::StreamTime;
use riskstream_features::state::{StateError, StateStore, StateWrites};

const MARKS: &[u8] = b"m";
const FRAMES: &[u8] = b"p";
const LINEUP: &[u8] = b"r";
const VERSION: u8 = 3;

/// The version before, which kept no generation of sources.
const WITHOUT_GENERATIONS: u8 = 2;

/// How far a task is, as of a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// Event times seen.
    pub stream_time: StreamTime,
    /// How far the task has read.
    pub progress: SourceProgress,
}

impl Journal {
    /// Reads the journal of a store; the default one if there is none.
    pub fn read(store: &dyn StateStore) -> Result<Journal, StateError> {
        match store.get(MARKS)? {
            None => Ok(Journal::default()),
            Some(bytes) => decode(&bytes).ok_or_else(|| StateError::Corrupt {
                what: "the task's journal".into(),
                why: format!(
                    "{} bytes, format {:?}, expected format {VERSION}",
                    bytes.len(),
                    bytes.first()
                ),
            }),
        }
    }

    /// Adds the journal to a batch of writes.
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
            for source in &self.progress.sources {
                bytes.extend_from_slice(&source.watermark.to_le_bytes());
                bytes.extend_from_slice(&source.sequence.to_le_bytes());
                bytes.extend_from_slice(&source.last_record.to_le_bytes());
                bytes.extend_from_slice(&source.generation.to_le_bytes());
                bytes.push(match source.phase {
                    Phase::CatchingUp => 0,
                    Phase::Live => 1,
                    Phase::Idle => 2,
                });
            }
        });
    }
}

fn decode(bytes: &[u8]) -> Option<Journal> {
    let (version, mut rest) = bytes.split_first()?;
    if !matches!(*version, VERSION | WITHOUT_GENERATIONS) {
        return None;
    }
    let stream_time = StreamTime {
        latest: number(&mut rest)?,
        earliest: number(&mut rest)?,
    };
    let (watermark, sequence) = (number(&mut rest)?, number(&mut rest)?);
    let mut sources = Vec::new();
    while !rest.is_empty() {
        let (watermark, sequence) = (number(&mut rest)?, number(&mut rest)?);
        let last_record = number(&mut rest)?;
        let generation = match *version {
            VERSION => u64::from_le_bytes(number(&mut rest)?.to_le_bytes()),
            _ => 0,
        };
        let (phase, tail) = rest.split_first()?;
        rest = tail;
        let phase = match phase {
            0 => Phase::CatchingUp,
            1 => Phase::Live,
            // 3: an earlier version kept of an idle source whether it was live before.
            2 | 3 => Phase::Idle,
            _ => return None,
        };
        sources.push(SourceMark {
            watermark,
            phase,
            sequence,
            last_record,
            generation,
        });
    }
    let progress = SourceProgress {
        watermark,
        sequence,
        sources,
    };
    Some(Journal { stream_time, progress })
}

fn number(bytes: &mut &[u8]) -> Option<i64> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(i64::from_le_bytes(*number))
}

/// Adds to a batch of writes which line-up of models is in force.
pub fn write_lineup(revision: u64, document: &str, writes: &mut StateWrites) {
    writes.put(LINEUP, |bytes| {
        bytes.extend_from_slice(&revision.to_le_bytes());
        bytes.extend_from_slice(document.as_bytes());
    });
}

/// The revision and the document of the line-up in force; none if it is the pipeline file's own.
pub fn read_lineup(store: &dyn StateStore) -> Result<Option<(u64, String)>, StateError> {
    let Some(bytes) = store.get(LINEUP)? else {
        return Ok(None);
    };
    let read = |bytes: &[u8]| {
        let (revision, document) = bytes.split_first_chunk()?;
        let document = std::str::from_utf8(document).ok()?;
        Some((u64::from_le_bytes(*revision), document.to_owned()))
    };
    read(&bytes).map(Some).ok_or_else(|| StateError::Corrupt {
        what: "the line-up of models".into(),
        why: "it is cut off or not in UTF-8".into(),
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

/// A frame that waits for its turn beyond its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFrame {
    /// The source that wrote it.
    pub source: u32,
    /// The offset of its record.
    pub offset: i64,
    /// A record's value that holds this frame only.
    pub bytes: Vec<u8>,
}

/// The frames that waited when the state was written, in order of their sources and offsets.
pub fn read_frames(store: &dyn StateStore) -> Result<Vec<StoredFrame>, StateError> {
    let corrupt = || StateError::Corrupt {
        what: "a waiting frame".into(),
        why: "its key has another form".into(),
    };
    store
        .scan(FRAMES)?
        .into_iter()
        .map(|(key, bytes)| {
            let key = key.strip_prefix(FRAMES).ok_or_else(corrupt)?;
            let (source, offset) = key.split_first_chunk::<4>().ok_or_else(corrupt)?;
            let offset = offset.try_into().map_err(|_| corrupt())?;
            Ok(StoredFrame {
                source: u32::from_be_bytes(*source),
                offset: i64::from_be_bytes(offset),
                bytes,
            })
        })
        .collect()
}

fn frame_key(source: u32, offset: i64) -> Vec<u8> {
    [FRAMES, &source.to_be_bytes(), &offset.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use riskstream_features::state::MemoryState;

    #[test]
    fn a_journal_is_read_as_it_was_written() {
        let journal = Journal {
            stream_time: StreamTime {
                latest: 7,
                earliest: -3,
            },
            progress: SourceProgress {
                watermark: 6,
                sequence: 99,
                sources: vec![
                    SourceMark {
                        watermark: 5,
                        phase: Phase::Live,
                        sequence: 12,
                        last_record: 44,
                        generation: 7,
                    },
                    SourceMark {
                        phase: Phase::Idle,
                        ..SourceMark::NEW
                    },
                ],
            },
        };
        let mut writes = StateWrites::default();
        journal.write(&mut writes);
        let mut store = MemoryState::default();
        store.write(&writes, 1).unwrap();
        assert_eq!(Journal::read(&store).unwrap(), journal);
    }

    #[test]
    fn a_damaged_journal_is_an_error() {
        for bytes in [&b""[..], b"\x01", b"\x02abc"] {
            let mut writes = StateWrites::default();
            writes.put(MARKS, |value| value.extend_from_slice(bytes));
            let mut store = MemoryState::default();
            store.write(&writes, 1).unwrap();
            assert!(Journal::read(&store).is_err(), "{bytes:?}");
        }
    }
}
