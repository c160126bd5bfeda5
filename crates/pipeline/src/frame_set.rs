//! What a worker writes to one partition of a repartition topic in a round: the frames of its sources that have rows for it,
//! and how far the others are.
//!
//! ```text
//! frames = generation:varint marks:varint mark* (length:varint frame)*
//! mark   = source:varint phase:u8 (0 catching up | 1 live | 2 idle) watermark:zigzag
//! ```

use crate::progress::{Phase, Watermark};
use riskstream_events::FrameError;
use riskstream_events::varint::{read_signed, read_unsigned, write_signed, write_unsigned};

/// See the module. A source is announced by its frame's header or by a mark, not by both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameSet<'a> {
    /// The generation of the owner that wrote it.
    pub generation: u64,
    /// How far sources are that have no frame here.
    pub marks: Vec<(u32, Watermark)>,
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
        let generation = reader.unsigned()?;
        let marks = reader.unsigned()?;
        let mut set = FrameSet {
            generation,
            ..FrameSet::default()
        };
        for _ in 0..marks {
            set.marks.push(reader.mark()?);
        }
        while reader.at < bytes.len() {
            set.frames.push(reader.frame()?);
        }
        Ok(set)
    }

    /// Appends it to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_head(self.generation, &self.marks, out);
        for frame in &self.frames {
            write_unsigned(frame.len() as u64, out);
            out.extend_from_slice(frame);
        }
    }
}

/// Appends what stands before the frames.
pub fn write_head(generation: u64, marks: &[(u32, Watermark)], out: &mut Vec<u8>) {
    write_unsigned(generation, out);
    write_unsigned(marks.len() as u64, out);
    for (source, watermark) in marks {
        write_unsigned(u64::from(*source), out);
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

    fn mark(&mut self) -> Result<(u32, Watermark), FrameError> {
        let source = self.unsigned()?;
        let source = u32::try_from(source).map_err(|_| self.damaged("the number of a source"))?;
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
            marks: vec![
                (0, mark(i64::MIN, Phase::CatchingUp)),
                (70_000, mark(5, Phase::Live)),
                (2, mark(-9, Phase::Idle)),
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
    fn more_marks_than_bytes_are_an_error() {
        let mut bytes = Vec::new();
        write_unsigned(0, &mut bytes);
        write_unsigned(u64::MAX, &mut bytes);
        assert!(FrameSet::parse(&bytes).is_err());
    }
}
