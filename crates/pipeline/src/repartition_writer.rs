//! Writes what the tasks of a worker send to the next stage: one record for each partition of the repartition topic and
//! round, however many tasks the worker has.

use crate::frame_set;
use crate::log::Outputs;
use crate::partitioner;
use crate::progress::{Phase, Watermark};
use crate::repartition::RepartitionFormat;
use crate::taken::Sequenced;
use riskstream_engine::Engine;
use riskstream_events::varint::write_unsigned;
use riskstream_events::{FrameHeader, FrameWriter, RowHeader};
use std::collections::BTreeMap;

/// A record is written beyond this size, so that it never nears Kafka's limit of 1 MB.
const RECORD_BYTES: usize = 256 * 1024;

/// Microseconds after which the watermarks of live sources are announced again.
const ANNOUNCE_EVERY: i64 = 1_000_000;

/// How far a source is, and what the readers were told last.
#[derive(Default)]
struct SourceState {
    watermark: Option<Watermark>,
    /// What all partitions were told.
    announced: Option<Watermark>,
    /// Whether a partition was told something else since: the header of a frame.
    has_written: bool,
}

impl SourceState {
    fn has_news(&self) -> bool {
        self.watermark.is_some() && (self.watermark != self.announced || self.has_written)
    }

    /// Whether readers may wait for the news: from or to a source that is catching up, or the first ones after a start.
    fn is_awaited(&self) -> bool {
        let holds_rows = |watermark: Option<Watermark>| watermark.is_none_or(|at| at.phase == Phase::CatchingUp);
        self.has_news() && (holds_rows(self.watermark) || holds_rows(self.announced))
    }
}

/// The frames that grow for one partition.
#[derive(Default)]
struct PartitionBuffer {
    frames: BTreeMap<u32, FrameWriter>,
    size: usize,
}

/// The rows of a worker's sources on their way to one stage.
pub struct RepartitionWriter {
    topic: usize,
    format: RepartitionFormat,
    sources: BTreeMap<u32, SourceState>,
    buffers: Vec<PartitionBuffer>,
    announced_at: i64,
    /// Of the owner of the sources.
    generation: u64,
    key: String,
    /// Frames to use again, and the bytes of the one that is being written.
    spare: Vec<FrameWriter>,
    frame: Vec<u8>,
}

impl RepartitionWriter {
    /// A writer to the topic at index `topic`, which has `partitions` partitions.
    pub fn new(topic: usize, partitions: i32, format: RepartitionFormat) -> RepartitionWriter {
        RepartitionWriter {
            topic,
            format,
            sources: BTreeMap::new(),
            buffers: (0..partitions).map(|_| PartitionBuffer::default()).collect(),
            announced_at: 0,
            generation: 0,
            key: String::new(),
            spare: Vec::new(),
            frame: Vec::new(),
        }
    }

    /// Drops rows that were not written yet. The watermarks will be announced to all partitions again.
    pub fn restart(&mut self) {
        for buffer in &mut self.buffers {
            buffer.frames.clear();
            buffer.size = 0;
        }
        self.sources
            .values_mut()
            .for_each(|source| *source = SourceState::default());
    }

    /// Writes as an owner of this generation from now on.
    pub fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Forgets a source, which another worker owns from now on.
    pub fn remove(&mut self, source: u32) {
        self.sources.remove(&source);
    }

    /// Adds an event of a source with its number if it goes on to the stage that reads the topic. The stage's key decides
    /// on the partition, or the event's id if it has none.
    pub fn push(&mut self, source: u32, row: &Sequenced, engine: &Engine, outputs: &mut Outputs) {
        let event = &row.event;
        if !engine.travels(self.format.stage(), event) {
            return;
        }
        let key = engine.key(self.format.stage(), event, &mut self.key);
        let key = key.unwrap_or(event.id()).as_bytes();
        let partition = partitioner::partition(key, self.buffers.len() as i32) as usize;
        let header = RowHeader {
            input: event.input,
            source_offset: row.sequence,
            watermark: event.watermark,
            flags: event.flags.0,
        };
        let buffer = &mut self.buffers[partition];
        let spare = || self.spare.pop().unwrap_or_else(|| self.format.frame_writer());
        let frame = buffer.frames.entry(source).or_insert_with(spare);
        let before = frame.size();
        frame.push(header, &event.row);
        buffer.size += frame.size() - before;
        if buffer.size > RECORD_BYTES {
            self.write_early(partition, outputs);
        }
    }

    /// Writes a partition's record before the end of the round. It is not known here whether its sources are live.
    fn write_early(&mut self, partition: usize, outputs: &mut Outputs) {
        for (source, frame) in &self.buffers[partition].frames {
            self.sources.entry(*source).or_default().announced = Some(behind(frame));
        }
        self.write(partition, &[], outputs, |_, frame| behind(frame));
    }

    /// Tells how far a source is, as of the end of the round.
    pub fn announce(&mut self, source: u32, watermark: Watermark) {
        self.sources.entry(source).or_default().watermark = Some(watermark);
    }

    /// Writes the round's records at `now` (wall clock, microseconds). Watermarks are announced to all partitions: at once if
    /// readers may wait for them, otherwise once a second.
    pub fn flush(&mut self, now: i64, outputs: &mut Outputs) {
        let is_due = now - self.announced_at >= ANNOUNCE_EVERY;
        let mut marks = Vec::new();
        if is_due || self.sources.values().any(SourceState::is_awaited) {
            for (source, state) in self.sources.iter_mut().filter(|(_, state)| state.has_news()) {
                marks.extend(state.watermark.map(|watermark| (*source, watermark)));
                state.announced = state.watermark;
                state.has_written = false;
            }
        }
        if !marks.is_empty() {
            self.announced_at = now;
        }
        let mut sources = std::mem::take(&mut self.sources);
        for partition in 0..self.buffers.len() {
            self.write(partition, &marks, outputs, |source, frame| {
                let state = sources.entry(source).or_default();
                state.has_written = true;
                state.watermark.unwrap_or(behind(frame))
            });
        }
        self.sources = sources;
    }

    /// Writes the record of a partition if there is anything to say.
    fn write(
        &mut self,
        partition: usize,
        marks: &[(u32, Watermark)],
        outputs: &mut Outputs,
        mut watermark_of: impl FnMut(u32, &FrameWriter) -> Watermark,
    ) {
        let buffer = &mut self.buffers[partition];
        if buffer.frames.is_empty() && marks.is_empty() {
            return;
        }
        buffer.size = 0;
        outputs.push(self.topic, Some(partition as i32), None, None, |bytes| {
            self.format.begin_frames(bytes);
            let has_frame = |source: &u32| buffer.frames.contains_key(source);
            let marks: Vec<_> = marks.iter().filter(|(source, _)| !has_frame(source)).copied().collect();
            frame_set::write_head(self.generation, &marks, bytes);
            while let Some((source, mut frame)) = buffer.frames.pop_first() {
                let watermark = watermark_of(source, &frame);
                let header = FrameHeader {
                    source,
                    live: watermark.phase != Phase::CatchingUp,
                    watermark: watermark.time,
                };
                self.frame.clear();
                frame.finish(header, &mut self.frame);
                write_unsigned(self.frame.len() as u64, bytes);
                bytes.extend_from_slice(&self.frame);
                self.spare.push(frame);
            }
        });
    }
}

/// The watermark of a source that may have further rows of its last row's watermark.
fn behind(frame: &FrameWriter) -> Watermark {
    Watermark {
        time: frame.last_watermark(),
        phase: Phase::CatchingUp,
    }
}

/// The writers of a worker, by the stage that they write to.
#[derive(Default)]
pub struct RepartitionWriters {
    writers: BTreeMap<usize, RepartitionWriter>,
}

impl RepartitionWriters {
    /// The writer to `stage`.
    ///
    /// # Panics
    /// There is none: it is opened with the first task that writes to the stage.
    pub fn get(&mut self, stage: usize) -> &mut RepartitionWriter {
        let writer = self.writers.get_mut(&stage);
        writer.expect("the writer was opened with the task")
    }

    /// Whether there is a writer to `stage`.
    pub fn contains(&self, stage: usize) -> bool {
        self.writers.contains_key(&stage)
    }

    /// Adds the writer to `stage`.
    pub fn insert(&mut self, stage: usize, writer: RepartitionWriter) {
        self.writers.insert(stage, writer);
    }

    /// Writes as an owner of this generation from now on.
    pub fn set_generation(&mut self, generation: u64) {
        self.writers
            .values_mut()
            .for_each(|writer| writer.set_generation(generation));
    }

    /// Drops rows that were not written yet.
    pub fn restart(&mut self) {
        self.writers.values_mut().for_each(RepartitionWriter::restart);
    }

    /// Writes the round's records.
    pub fn flush(&mut self, now: i64, outputs: &mut Outputs) {
        self.writers.values_mut().for_each(|writer| writer.flush(now, outputs));
    }
}
