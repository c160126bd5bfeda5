//! Writes the rows of a worker's tasks for the next stage: one record for each partition of the repartition topic and round,
//! however many tasks the worker has.

use crate::frame_set;
use crate::log::Outputs;
use crate::partitioner;
use crate::progress::{Phase, Watermark};
use crate::record_result::Sequenced;
use crate::repartition::RepartitionFormat;
use crate::sources::SourceId;
use riskstream_engine::Engine;
use riskstream_events::varint::write_unsigned;
use riskstream_events::{FrameHeader, FrameWriter, RowHeader};
use std::collections::BTreeMap;

/// A record is written beyond this size, so that it never nears Kafka's limit of 1 MB.
const RECORD_BYTES: usize = 256 * 1024;

/// Microseconds in which changes of live and idle sources are written once to each partition.
const ANNOUNCE_EVERY: i64 = 1_000_000;

/// Partitions of a topic to which they are written in that time. With more partitions it takes longer: each of them hears of
/// each source, which is a square of the number of partitions.
const ANNOUNCED_TOGETHER: i64 = 64;

/// The progress of a source.
#[derive(Default)]
struct SourceState {
    watermark: Option<Watermark>,
    /// The round in which it changed last.
    changed: u64,
}

/// The frames that grow for one partition.
#[derive(Default)]
struct PartitionBuffer {
    frames: BTreeMap<SourceId, FrameWriter>,
    size: usize,
    /// The last round in which all changed sources were announced in it.
    announced: u64,
    /// The period of its last announcement. Partitions begin their periods at different times, so that a worker with many
    /// partitions does not write to all of them at once.
    period: i64,
}

/// The rows of a worker's sources on their way to one stage.
pub struct RepartitionWriter {
    topic: usize,
    format: RepartitionFormat,
    /// The number of partitions of each input: which sources the topic has.
    counts: Vec<u32>,
    sources: BTreeMap<SourceId, SourceState>,
    buffers: Vec<PartitionBuffer>,
    /// The number of the round that is being collected.
    round: u64,
    /// The round in which a source has changed last.
    changed: u64,
    /// Whether readers may wait for a change in this round: from or to a source that is catching up.
    is_awaited: bool,
    /// Of the owner of the sources.
    generation: u64,
    key: String,
    /// Frames to use again, and the bytes of the one that is being written.
    spare: Vec<FrameWriter>,
    frame: Vec<u8>,
}

impl RepartitionWriter {
    /// A writer to the topic at index `topic`, which has `partitions` partitions. `counts`: the number of partitions of each
    /// input that is written to it.
    pub fn new(topic: usize, partitions: i32, format: RepartitionFormat, counts: Vec<u32>) -> RepartitionWriter {
        RepartitionWriter {
            topic,
            format,
            counts,
            sources: BTreeMap::new(),
            buffers: (0..partitions).map(|_| PartitionBuffer::default()).collect(),
            round: 1,
            changed: 0,
            is_awaited: false,
            generation: 0,
            key: String::new(),
            spare: Vec::new(),
            frame: Vec::new(),
        }
    }

    /// If the topic that this source reads had fewer partitions when the writer was made: how many.
    pub fn partitions_before(&self, source: SourceId) -> Option<u32> {
        let known = self.counts.get(source.input()).copied().unwrap_or(0);
        (source.partition() >= known as usize).then_some(known)
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
    pub fn remove(&mut self, source: SourceId) {
        self.sources.remove(&source);
    }

    /// Adds an event of a source with its number if it goes on to the stage that reads the topic. The stage's key decides
    /// on the partition, or the event's id if it has none.
    pub fn push(&mut self, source: SourceId, row: &Sequenced, engine: &Engine, outputs: &mut Outputs) {
        let event = &row.event;
        if !engine.travels(self.format.stage(), event) {
            return;
        }
        let (stage, partitions) = (self.format.stage(), self.buffers.len() as i32);
        let partition = partitioner::stage_partition(engine, stage, event, partitions, &mut self.key) as usize;
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

    /// Writes a partition's record before the end of the round. It is not known here whether its sources are live, so
    /// readers wait for them until the end of the round.
    fn write_early(&mut self, partition: usize, outputs: &mut Outputs) {
        for source in self.buffers[partition].frames.keys() {
            self.sources.entry(*source).or_default().changed = self.round;
        }
        self.changed = self.round;
        self.is_awaited = true;
        self.write(partition, &[], outputs, |_, frame| behind(frame));
    }

    /// Tells how far a source is, as of the end of the round.
    pub fn announce(&mut self, source: SourceId, watermark: Watermark) {
        let state = self.sources.entry(source).or_default();
        if state.watermark == Some(watermark) {
            return;
        }
        let is_behind = |at: Watermark| at.phase == Phase::CatchingUp;
        self.is_awaited |= state.watermark.is_none_or(is_behind) || is_behind(watermark);
        self.changed = self.round;
        *state = SourceState {
            watermark: Some(watermark),
            changed: self.round,
        };
    }

    /// Tells again how far all sources are, though nothing has changed: readers wait for those that were idle.
    pub fn announce_again(&mut self) {
        self.sources.values_mut().for_each(|state| state.changed = self.round);
        self.changed = self.round;
        self.is_awaited = true;
    }

    /// Writes the round's records at `now` (wall clock, microseconds). Changes for which readers may wait are announced in all
    /// partitions at once; all others once a second in each, or less often if there are many.
    pub fn flush(&mut self, now: i64, outputs: &mut Outputs) {
        let sources = std::mem::take(&mut self.sources);
        for partition in 0..self.buffers.len() {
            let marks = self.news(partition, now, &sources);
            self.write(partition, &marks, outputs, |source, frame| {
                let state = sources.get(&source).and_then(|state| state.watermark);
                state.unwrap_or(behind(frame))
            });
        }
        self.sources = sources;
        self.is_awaited = false;
        self.round += 1;
    }

    /// What is to be announced in a partition now: the sources that have changed since its last announcement.
    fn news(
        &mut self,
        partition: usize,
        now: i64,
        sources: &BTreeMap<SourceId, SourceState>,
    ) -> Vec<(SourceId, Watermark)> {
        let partitions = self.buffers.len() as i64;
        let every = ANNOUNCE_EVERY.max(ANNOUNCE_EVERY * partitions / ANNOUNCED_TOGETHER);
        let offset = partition as i64 * every / partitions;
        let period = (now - offset).div_euclid(every);
        let buffer = &mut self.buffers[partition];
        let is_due = std::mem::replace(&mut buffer.period, period) != period;
        if !(is_due || self.is_awaited) || self.changed <= buffer.announced {
            return Vec::new();
        }
        let before = std::mem::replace(&mut buffer.announced, self.round);
        let changed = sources.iter().filter(|(_, state)| state.changed > before);
        let mark = |(source, state): (&SourceId, &SourceState)| Some((*source, state.watermark?));
        changed.filter_map(mark).collect()
    }

    /// Writes the record of a partition if there is anything to say.
    fn write(
        &mut self,
        partition: usize,
        marks: &[(SourceId, Watermark)],
        outputs: &mut Outputs,
        mut watermark_of: impl FnMut(SourceId, &FrameWriter) -> Watermark,
    ) {
        let buffer = &mut self.buffers[partition];
        if buffer.frames.is_empty() && marks.is_empty() {
            return;
        }
        buffer.size = 0;
        outputs.push(self.topic, Some(partition as i32), None, None, |bytes| {
            self.format.begin_frames(bytes);
            // The header of a frame can say that its source is live, but not that it is idle.
            let says_more = |(source, watermark): &&(SourceId, Watermark)| {
                watermark.phase == Phase::Idle || !buffer.frames.contains_key(source)
            };
            let marks: Vec<_> = marks.iter().filter(says_more).copied().collect();
            frame_set::write_head(self.generation, &self.counts, &marks, bytes);
            while let Some((source, mut frame)) = buffer.frames.pop_first() {
                let watermark = watermark_of(source, &frame);
                let header = FrameHeader {
                    source: source.number(),
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

    /// Tells again how far all sources are.
    pub fn announce_again(&mut self) {
        self.writers.values_mut().for_each(RepartitionWriter::announce_again);
    }

    /// Writes the round's records.
    pub fn flush(&mut self, now: i64, outputs: &mut Outputs) {
        self.writers.values_mut().for_each(|writer| writer.flush(now, outputs));
    }
}
