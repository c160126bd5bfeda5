//! What a task writes to the next stage: one growing frame for each partition of the repartition topic.

use crate::log::Outputs;
use crate::partitioner;
use crate::repartition;
use riskstream_engine::Event;
use riskstream_engine::plan::Plan;
use riskstream_events::{FrameHeader, FrameWriter, RowHeader, Slot, ValueType};
use std::sync::Arc;

/// A frame is closed beyond this size, so that one message never nears Kafka's limit of 1 MB.
const FRAME_BYTES: usize = 256 * 1024;

/// Microseconds after which the readers of a live source are told again how far it is.
const ANNOUNCE_EVERY: i64 = 1_000_000;

/// How far a source is, as its readers are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// No later row will have a smaller watermark.
    pub watermark: i64,
    /// Whether the source reads at the end of its log: rows of other such sources need not wait for it.
    pub live: bool,
}

struct PartitionBuffer {
    frame: FrameWriter,
    /// What this partition's reader was last announced; nothing yet after a start.
    announced: Option<Watermark>,
    /// When, by the wall clock.
    announced_at: i64,
}

/// The frames of one source.
pub struct RepartitionWriter {
    topic: usize,
    source: u32,
    layout_id: u32,
    buffers: Vec<PartitionBuffer>,
    sequence: i64,
}

impl RepartitionWriter {
    /// An writer of `source` towards the topic at index `topic`, in front of `stage`.
    pub fn new(topic: usize, partitions: i32, source: u32, plan: &Plan, stage: usize) -> RepartitionWriter {
        let layout: Arc<[(Slot, ValueType)]> = plan.stages[stage].carries.as_slice().into();
        let buffer = |_| PartitionBuffer {
            frame: FrameWriter::new(Arc::clone(&layout)),
            announced: None,
            announced_at: 0,
        };
        let buffers = (0..partitions).map(buffer).collect();
        RepartitionWriter {
            topic,
            source,
            layout_id: repartition::layout_id(plan, stage),
            buffers,
            sequence: 0,
        }
    }

    /// The number of the last row written.
    pub fn sequence(&self) -> i64 {
        self.sequence
    }

    /// Goes on after row number `sequence`; frames not yet flushed are dropped, readers are told anew.
    pub fn restart(&mut self, sequence: i64) {
        self.sequence = sequence;
        for buffer in &mut self.buffers {
            buffer.frame.clear();
            buffer.announced = None;
        }
    }

    /// Takes the number for a row without writing it (it was written before).
    pub fn skip(&mut self) {
        self.sequence += 1;
    }

    /// Adds a row, numbered one higher than the last. `key` decides on the partition; without one the event's id does.
    pub fn push(&mut self, event: &Event, key: Option<&str>, outputs: &mut Outputs) {
        self.push_numbered(event, key, self.sequence + 1, outputs);
    }

    /// Adds a row with a number of the caller's, higher than all before.
    pub fn push_numbered(&mut self, event: &Event, key: Option<&str>, sequence: i64, outputs: &mut Outputs) {
        self.sequence = sequence;
        let partition = partitioner::partition(key.unwrap_or(event.id()).as_bytes(), self.buffers.len() as i32);
        let buffer = &mut self.buffers[partition as usize];
        let header = RowHeader {
            input: event.input,
            source_offset: sequence,
            watermark: event.watermark,
            flags: event.flags.0,
        };
        buffer.frame.push(header, &event.row);
        if buffer.frame.size() > FRAME_BYTES {
            // Rows of the same watermark may follow in the next frame: this is as much as is known here.
            let watermark = Watermark {
                watermark: event.watermark,
                live: false,
            };
            flush(
                buffer,
                self.topic,
                partition,
                (self.source, self.layout_id),
                watermark,
                outputs,
            );
        }
    }

    /// Closes the frames of a batch at `now` (wall clock, microseconds). Readers are told of the source's progress even
    /// if there is no row for them: at once while it is catching up, as they wait for it; once a second when live.
    pub fn flush(&mut self, watermark: Watermark, now: i64, outputs: &mut Outputs) {
        for (partition, buffer) in self.buffers.iter_mut().enumerate() {
            let is_due = !watermark.live || now - buffer.announced_at >= ANNOUNCE_EVERY;
            let news = match buffer.announced {
                None => true,
                Some(announced) => announced.live != watermark.live || (announced != watermark && is_due),
            };
            if news || buffer.frame.rows() > 0 {
                let from = (self.source, self.layout_id);
                flush(buffer, self.topic, partition as i32, from, watermark, outputs);
                buffer.announced_at = now;
            }
        }
    }
}

fn flush(
    buffer: &mut PartitionBuffer,
    topic: usize,
    partition: i32,
    (source, layout_id): (u32, u32),
    watermark: Watermark,
    outputs: &mut Outputs,
) {
    outputs.push(topic, Some(partition), None, None, |bytes| {
        repartition::begin_frame(layout_id, bytes);
        buffer.frame.finish(
            FrameHeader {
                source,
                live: watermark.live,
                watermark: watermark.watermark,
            },
            bytes,
        );
    });
    buffer.announced = Some(watermark);
}
