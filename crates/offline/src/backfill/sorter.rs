//! An external merge sort of events: into runs of limited size, each sorted in memory and then written to a temporary file,
//! which are merged as they are read. Events that fit into memory never touch the disk.

use super::file_source::Sourced;
use riskstream_engine::Event;
use riskstream_engine::plan::{Plan, TRANSACTIONS};
use riskstream_events::{Flags, FrameError, FrameHeader, FrameReader, FrameWriter, Row, RowHeader, Slot, ValueType};
use riskstream_pipeline::sources::SourceId;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Why events cannot be sorted.
#[derive(Debug, thiserror::Error)]
pub enum SortError {
    /// The temporary file.
    #[error("a temporary file for sorting in {}: {error}", directory.display())]
    Io {
        /// The directory that it is in.
        directory: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// What was read back is not what was written.
    #[error("a temporary file for sorting was damaged: {0}")]
    Damaged(#[from] FrameError),
}

/// Where and how events are sorted.
#[derive(Clone, Debug)]
pub(super) struct SortOptions {
    /// Bytes of events that are kept in memory.
    pub(super) memory: usize,
    /// The directory of temporary files.
    pub(super) directory: PathBuf,
    /// The slots of a row that are kept: all of them.
    layout: Arc<[(Slot, ValueType)]>,
}

impl SortOptions {
    pub(super) fn new(plan: &Plan, memory: usize, directory: PathBuf) -> SortOptions {
        let slots = plan.slots.iter().enumerate();
        SortOptions {
            memory,
            directory,
            layout: slots.map(|(slot, info)| (slot, info.value_type)).collect(),
        }
    }

    fn io(&self) -> impl FnOnce(io::Error) -> SortError + '_ {
        |error| SortError::Io {
            directory: self.directory.clone(),
            error,
        }
    }
}

/// The place of an event among those of several sources, as the service's merge gives it: it takes the first event of the
/// source with the smallest watermark, of equal watermarks that of a source whose first event is a label, then that of the
/// first source. So of one watermark, the labels come first that no transaction of their source precedes; all else comes
/// source by source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    watermark: i64,
    /// Whether it is a transaction, or behind one of its source.
    follows_transaction: bool,
    source: SourceId,
}

/// Takes events in any order.
pub(super) struct Sorter {
    options: SortOptions,
    frame: FrameWriter,
    /// The events since the last run was written: a frame each.
    bytes: Vec<u8>,
    /// The place of each, and where its frame lies.
    events: Vec<(Place, Range<usize>)>,
    written: Option<WrittenRuns>,
    /// The sources that have had a transaction.
    with_transactions: BTreeSet<SourceId>,
}

/// The runs in the temporary file, in the order in which their events came.
struct WrittenRuns {
    file: File,
    end: u64,
    runs: Vec<Range<u64>>,
}

impl Sorter {
    pub(super) fn new(options: &SortOptions) -> Sorter {
        Sorter {
            frame: FrameWriter::new(Arc::clone(&options.layout)),
            options: options.clone(),
            bytes: Vec::new(),
            events: Vec::new(),
            written: None,
            with_transactions: BTreeSet::new(),
        }
    }

    /// Adds an event. If a source has both labels and transactions, all events have to be of one watermark.
    ///
    /// # Errors
    /// A run cannot be written.
    pub(super) fn push(&mut self, Sourced { source, number, event }: &Sourced) -> Result<(), SortError> {
        let header = RowHeader {
            input: event.input,
            source_offset: *number as i64,
            watermark: event.watermark,
            flags: event.flags.0,
        };
        let start = self.bytes.len();
        self.frame.push(header, &event.row);
        if event.input == TRANSACTIONS {
            self.with_transactions.insert(*source);
        }
        let place = Place {
            watermark: event.watermark,
            follows_transaction: self.with_transactions.contains(source),
            source: *source,
        };
        let header = FrameHeader {
            source: source.number(),
            live: place.follows_transaction,
            watermark: event.watermark,
        };
        self.frame.finish(header, &mut self.bytes);
        self.events.push((place, start..self.bytes.len()));
        if self.bytes.len() + size_of_val(self.events.as_slice()) >= self.options.memory {
            self.write_run()?;
        }
        Ok(())
    }

    fn write_run(&mut self) -> Result<(), SortError> {
        let sorted = std::mem::take(&mut self.events);
        let sorted = SortedFrames::new(sorted, std::mem::take(&mut self.bytes));
        let runs = match &mut self.written {
            Some(runs) => runs,
            None => self.written.insert(WrittenRuns {
                file: tempfile::tempfile_in(&self.options.directory).map_err(self.options.io())?,
                end: 0,
                runs: Vec::new(),
            }),
        };
        let start = runs.end;
        runs.end += runs.append(&sorted).map_err(self.options.io())?;
        runs.runs.push(start..runs.end);
        (self.events, self.bytes) = sorted.into_buffers();
        Ok(())
    }

    /// The events by their [`Place`], those of the same place as they came.
    ///
    /// # Errors
    /// A run cannot be read.
    pub(super) fn sort(self) -> Result<Sorted, SortError> {
        let in_memory = SortedFrames::new(self.events, self.bytes);
        let (file, ranges) = match self.written {
            Some(WrittenRuns { file, runs, .. }) => (Some(file), runs),
            None => (None, Vec::new()),
        };
        let buffer = (self.options.memory / (ranges.len() + 1)).clamp(SMALLEST_BUFFER, LARGEST_BUFFER);
        let written = ranges.into_iter().map(|range| Run::File(RunReader::new(range, buffer)));
        let mut sorted = Sorted {
            runs: written.chain([Run::Memory(in_memory)]).collect(),
            options: self.options,
            file,
            heads: BinaryHeap::new(),
            events: Vec::new(),
        };
        sorted.events.resize_with(sorted.runs.len(), || None);
        for run in 0..sorted.runs.len() {
            sorted.advance(run, Row::new())?;
        }
        Ok(sorted)
    }
}

const SMALLEST_BUFFER: usize = 16 << 10;
const LARGEST_BUFFER: usize = 1 << 20;

impl WrittenRuns {
    /// Appends frames, each after its length; how many bytes.
    fn append(&mut self, frames: &SortedFrames) -> io::Result<u64> {
        let mut file = BufWriter::with_capacity(LARGEST_BUFFER, &self.file);
        let mut written = 0;
        for (_, range) in &frames.events {
            let frame = &frames.bytes[range.clone()];
            file.write_all(&(frame.len() as u32).to_le_bytes())?;
            file.write_all(frame)?;
            written += LENGTH + frame.len() as u64;
        }
        file.flush()?;
        Ok(written)
    }
}

/// Bytes of a frame's length.
const LENGTH: u64 = 4;

/// Frames in memory, in order.
struct SortedFrames {
    events: Vec<(Place, Range<usize>)>,
    bytes: Vec<u8>,
    next: usize,
}

impl SortedFrames {
    fn new(mut events: Vec<(Place, Range<usize>)>, bytes: Vec<u8>) -> SortedFrames {
        // Frames lie in the order in which they came.
        events.sort_unstable_by_key(|(place, range)| (*place, range.start));
        SortedFrames { events, bytes, next: 0 }
    }

    /// The buffers, empty, to be used again.
    fn into_buffers(mut self) -> (Vec<(Place, Range<usize>)>, Vec<u8>) {
        self.events.clear();
        self.bytes.clear();
        (self.events, self.bytes)
    }

    fn next(&mut self) -> Option<&[u8]> {
        let (_, range) = self.events.get(self.next)?;
        self.next += 1;
        Some(&self.bytes[range.clone()])
    }
}

/// Reads the frames of a run.
struct RunReader {
    /// What is still in the file.
    rest: Range<u64>,
    buffer: Vec<u8>,
    /// The first byte of the buffer that was not handed out.
    start: usize,
    capacity: usize,
}

impl RunReader {
    fn new(rest: Range<u64>, capacity: usize) -> RunReader {
        RunReader {
            rest,
            buffer: Vec::new(),
            start: 0,
            capacity,
        }
    }

    fn next(&mut self, file: &File) -> io::Result<Option<&[u8]>> {
        if self.start == self.buffer.len() && self.rest.is_empty() {
            return Ok(None);
        }
        let length = self.take(4, file)?;
        let length = u32::from_le_bytes(self.buffer[length].try_into().expect("four bytes were taken"));
        let frame = self.take(length as usize, file)?;
        Ok(Some(&self.buffer[frame]))
    }

    /// The place of the next `count` bytes in the buffer.
    fn take(&mut self, count: usize, file: &File) -> io::Result<Range<usize>> {
        if self.buffer.len() - self.start < count {
            self.buffer.drain(..self.start);
            self.start = 0;
            let left = self.rest.end - self.rest.start;
            let wanted = self.capacity.max(count) - self.buffer.len();
            let read = usize::try_from(left).map_or(wanted, |left| wanted.min(left));
            let filled = self.buffer.len();
            self.buffer.resize(filled + read, 0);
            let mut file = file;
            file.seek(SeekFrom::Start(self.rest.start))?;
            file.read_exact(&mut self.buffer[filled..])?;
            self.rest.start += read as u64;
        }
        if self.buffer.len() - self.start < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.start += count;
        Ok(self.start - count..self.start)
    }
}

enum Run {
    File(RunReader),
    Memory(SortedFrames),
}

/// Gives events in order.
pub(super) struct Sorted {
    options: SortOptions,
    file: Option<File>,
    runs: Vec<Run>,
    /// The next event of each run.
    events: Vec<Option<Sourced>>,
    /// The runs that have one. Of equal events that of the earlier run came first.
    heads: BinaryHeap<Reverse<(Place, usize)>>,
}

impl Sorted {
    /// The watermark of the next event.
    pub(super) fn watermark(&self) -> Option<i64> {
        let Reverse((place, _)) = self.heads.peek()?;
        Some(place.watermark)
    }

    /// The next event. `spare` is a row to use again.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub(super) fn next(&mut self, spare: Row) -> Result<Option<Sourced>, SortError> {
        let Some(Reverse((_, run))) = self.heads.pop() else {
            return Ok(None);
        };
        let next = self.events[run].take();
        self.advance(run, spare)?;
        Ok(next)
    }

    /// Decodes the next event of a run.
    fn advance(&mut self, run: usize, mut row: Row) -> Result<(), SortError> {
        let frame = match (&mut self.runs[run], &self.file) {
            (Run::Memory(frames), _) => frames.next(),
            (Run::File(reader), Some(file)) => reader.next(file).map_err(self.options.io())?,
            (Run::File(_), None) => None,
        };
        let Some(frame) = frame else { return Ok(()) };
        let mut reader = FrameReader::new(frame, &self.options.layout)?;
        let FrameHeader {
            source,
            live,
            watermark,
        } = reader.header();
        let place = Place {
            watermark,
            follows_transaction: live,
            source: SourceId::from_number(source),
        };
        let Some(header) = reader.next_row(&mut row)? else {
            return Ok(());
        };
        let event = Event {
            input: header.input,
            watermark: header.watermark,
            flags: Flags(header.flags),
            row,
        };
        self.heads.push(Reverse((place, run)));
        self.events[run] = Some(Sourced {
            source: place.source,
            number: header.source_offset as u64,
            event,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use riskstream_events::Value;
    use riskstream_pipeline::merge::MergeOrder;
    use std::collections::{BTreeMap, VecDeque};

    /// Events of three sources at few times, in a fixed disorder; each has its place in its row.
    fn events(count: usize) -> Vec<Sourced> {
        let event = |number: usize| {
            let scattered = number * 7_919 % 1_009;
            let row = vec![Value::Timestamp(0), Value::Int(number as i64), Value::Null];
            Sourced {
                source: SourceId::new((scattered % 2) as u8, (scattered % 3) as i32),
                number: number as u64,
                event: Event {
                    input: (scattered % 2) as u8,
                    watermark: (scattered / 40) as i64,
                    flags: Flags::LATE,
                    row,
                },
            }
        };
        (0..count).map(event).collect()
    }

    fn options(memory: usize) -> SortOptions {
        let types = [ValueType::Timestamp, ValueType::Int, ValueType::Text];
        SortOptions {
            memory,
            directory: std::env::temp_dir(),
            layout: types.into_iter().enumerate().collect(),
        }
    }

    #[test]
    fn events_come_in_order_and_those_of_equal_order_as_they_came() {
        let events = events(2_000);
        let mut expected: Vec<&Sourced> = events.iter().collect();
        let place = |sourced: &&Sourced| {
            let order = MergeOrder::of(&sourced.event, sourced.source.number() as usize);
            (order, sourced.number)
        };
        expected.sort_by_key(place);
        // One run in memory, a few, and one for each event.
        for memory in [usize::MAX, 40_000, 1] {
            let mut sorter = Sorter::new(&options(memory));
            events.iter().for_each(|sourced| sorter.push(sourced).unwrap());
            assert_eq!(sorter.written.is_none(), memory == usize::MAX);
            let mut sorted = sorter.sort().unwrap();
            for expected in &expected {
                assert_eq!(sorted.watermark(), Some(expected.event.watermark));
                let found = sorted.next(Row::new()).unwrap().unwrap();
                assert_eq!((found.source, found.number), (expected.source, expected.number));
                assert_eq!(
                    (found.event.input, found.event.flags),
                    (expected.event.input, Flags::LATE)
                );
                assert_eq!(found.event.row, expected.event.row);
            }
            assert!(sorted.next(Row::new()).unwrap().is_none());
        }
    }

    /// The order in which the service's merge takes the first events of sources, one after the other.
    fn merged(events: &[Sourced]) -> Vec<u64> {
        let mut queues: BTreeMap<SourceId, VecDeque<&Sourced>> = BTreeMap::new();
        for sourced in events {
            queues.entry(sourced.source).or_default().push_back(sourced);
        }
        let mut numbers = Vec::new();
        while let Some(first) = queues
            .values()
            .filter_map(|queue| queue.front())
            .min_by_key(|first| MergeOrder::of(&first.event, first.source.number() as usize))
        {
            numbers.push(first.number);
            let source = first.source;
            queues.entry(source).or_default().pop_front();
        }
        numbers
    }

    /// Behind a stage a source has labels and transactions.
    #[test]
    fn sources_of_labels_and_transactions_are_merged_as_the_service_merges_them() {
        let mut events = events(400);
        for (index, sourced) in events.iter_mut().enumerate() {
            sourced.source = SourceId::new(0, (index * 31 % 5) as i32);
            sourced.event.watermark = 7;
        }
        for memory in [usize::MAX, 1] {
            let mut sorter = Sorter::new(&options(memory));
            events.iter().for_each(|sourced| sorter.push(sourced).unwrap());
            let mut sorted = sorter.sort().unwrap();
            let mut found = Vec::new();
            while let Some(next) = sorted.next(Row::new()).unwrap() {
                found.push(next.number);
            }
            assert_eq!(found, merged(&events));
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_that_names_it() {
        let mut options = options(1);
        options.directory = "/no/such/directory".into();
        let error = Sorter::new(&options).push(&events(1)[0]).unwrap_err();
        assert!(error.to_string().contains("/no/such/directory"), "{error}");
    }
}
