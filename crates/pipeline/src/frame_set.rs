//! The record that a worker writes to one partition of a repartition topic in a round: the frames of its sources that have
//! rows for it, and marks of the others.
//!
//! ```text
//! frames = generation:varint inputs:varint partitions:varint* marks:varint mark* (length:varint frame)*
//! mark   = source:varint phase:u8 (0 catching up | 1 live | 2 idle) watermark:zigzag
//! ```
//!
//! It also names the sources that the topic has as far as the writer knows: the number of partitions of each input. A reader
//! waits for them from there on. An earlier version did not name them and counted the sources over the partitions of all
//! inputs.

use crate::progress::{Phase, Watermark};
use crate::sources::{MAX_PARTITIONS, SourceId};
use riskstream_events::FrameError;
use riskstream_events::varint::{read_signed, read_unsigned, write_signed, write_unsigned};

/// See the module. A source that has a frame is announced by its header; by a mark as well if it is idle from then on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameSet<'a> {
    /// The generation of the owner that wrote it.
    pub generation: u64,
    /// The number of partitions of each input; empty in records of earlier versions.
    pub counts: Vec<u32>,
    /// How far sources are that have no frame here, and which of those that have one are idle after it.
    pub marks: Vec<(SourceId, Watermark)>,
    /// The frames, each of another source.
    pub frames: Vec<&'a [u8]>,
}

impl<'a> FrameSet<'a> {
    /// One frame.
    pub fn of(frame: &'a [u8]) -> FrameSet<'a> {
        FrameSet {
            frames: vec![frame],
            ..FrameSet::default()
        }
    }

    /// Reads what [`FrameSet::write`] has written.
    ///
    /// # Errors
    /// It is cut off or damaged.
    pub fn parse(bytes: &'a [u8]) -> Result<FrameSet<'a>, FrameError> {
        let mut reader = Reader { bytes, at: 0 };
        let mut set = FrameSet {
            generation: reader.unsigned()?,
            ..FrameSet::default()
        };
        for _ in 0..reader.unsigned()? {
            set.counts.push(reader.count()?);
        }
        reader.marks_and_frames(&mut set)?;
        Ok(set)
    }

    /// Reads what an earlier version has written, which does not name the sources.
    ///
    /// # Errors
    /// It is cut off or damaged.
    pub fn parse_without_counts(bytes: &'a [u8]) -> Result<FrameSet<'a>, FrameError> {
        let mut reader = Reader { bytes, at: 0 };
        let mut set = FrameSet {
            generation: reader.unsigned()?,
            ..FrameSet::default()
        };
        reader.marks_and_frames(&mut set)?;
        Ok(set)
    }

    /// Appends it to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_head(self.generation, &self.counts, &self.marks, out);
        for frame in &self.frames {
            write_unsigned(frame.len() as u64, out);
            out.extend_from_slice(frame);
        }
    }
}

/// Appends the part before the frames.
pub fn write_head(generation: u64, counts: &[u32], marks: &[(SourceId, Watermark)], out: &mut Vec<u8>) {
    write_unsigned(generation, out);
    write_unsigned(counts.len() as u64, out);
    for count in counts {
        write_unsigned(u64::from(*count), out);
    }
    write_unsigned(marks.len() as u64, out);
    for (source, watermark) in marks {
        write_unsigned(u64::from(source.number()), out);
        out.push(match watermark.phase {
            Phase::CatchingUp => 0,
            Phase::Live => 1,
            Phase::Idle => 2,
        });
        write_signed(watermark.time, out);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn unsigned(&mut self) -> Result<u64, FrameError> {
        read_unsigned(self.bytes, &mut self.at).map_err(|_| self.damaged("a number"))
    }

    fn count(&mut self) -> Result<u32, FrameError> {
        let count = u32::try_from(self.unsigned()?).ok();
        let count = count.filter(|count| *count <= MAX_PARTITIONS);
        count.ok_or_else(|| self.damaged("more partitions than a topic may have"))
    }

    fn marks_and_frames(&mut self, set: &mut FrameSet<'a>) -> Result<(), FrameError> {
        for _ in 0..self.unsigned()? {
            set.marks.push(self.mark()?);
        }
        while self.at < self.bytes.len() {
            set.frames.push(self.frame()?);
        }
        Ok(())
    }

    fn mark(&mut self) -> Result<(SourceId, Watermark), FrameError> {
        let source = u32::try_from(self.unsigned()?).map(SourceId::from_number);
        let source = source.map_err(|_| self.damaged("the number of a source"))?;
        let phase = match self.bytes.get(self.at) {
            Some(0) => Phase::CatchingUp,
            Some(1) => Phase::Live,
            Some(2) => Phase::Idle,
            _ => return Err(self.damaged("how a source is read")),
        };
        self.at += 1;
        let time = read_signed(self.bytes, &mut self.at).map_err(|_| self.damaged("a watermark"))?;
        Ok((source, Watermark { time, phase }))
    }

    fn frame(&mut self) -> Result<&'a [u8], FrameError> {
        let length = self.unsigned()?;
        let rest = &self.bytes[self.at..];
        let frame = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let frame = frame.ok_or_else(|| self.damaged("a frame that is cut off"))?;
        self.at += frame.len();
        Ok(frame)
    }

    fn damaged(&self, what: &'static str) -> FrameError {
        FrameError::Damaged { offset: self.at, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_as_it_was_written_and_no_cut_panics() {
        let mark = |time, phase| Watermark { time, phase };
        let set = FrameSet {
            generation: 300,
            counts: vec![64, 3],
            marks: vec![
                (SourceId::new(0, 0), mark(i64::MIN, Phase::CatchingUp)),
                (SourceId::new(1, 2), mark(5, Phase::Live)),
                (SourceId::new(0, 63), mark(-9, Phase::Idle)),
            ],
            frames: vec![b"rows", b"", b"others"],
        };
        let mut bytes = Vec::new();
        set.write(&mut bytes);
        assert_eq!(FrameSet::parse(&bytes), Ok(set.clone()));
        for cut in 0..bytes.len() {
            assert_ne!(FrameSet::parse(&bytes[..cut]).ok(), Some(set.clone()), "{cut} bytes");
        }
    }

    #[test]
    fn more_marks_inputs_or_partitions_than_can_be_are_an_error() {
        let max = u64::from(MAX_PARTITIONS);
        for numbers in [&[0, u64::MAX][..], &[0, 0, u64::MAX], &[0, 1, max + 1, 0]] {
            let mut bytes = Vec::new();
            numbers.iter().for_each(|number| write_unsigned(*number, &mut bytes));
            assert!(FrameSet::parse(&bytes).is_err(), "{numbers:?}");
        }
    }
}
