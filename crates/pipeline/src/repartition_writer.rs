//! Writes a task's events to the next stage: one growing frame for each partition of the repartition topic.

use crate::log::Outputs;
use crate::partitioner;
use crate::progress::Watermark;
use crate::repartition::RepartitionFormat;
use riskstream_engine::{Engine, Event};
use riskstream_events::{FrameHeader, FrameWriter, RowHeader};

/// A frame is closed beyond this size, so that one message never nears Kafka's limit of 1 MB.
const FRAME_BYTES: usize = 256 * 1024;

/// Microseconds after which the watermark of a live source is announced again.
const ANNOUNCE_EVERY: i64 = 1_000_000;

/// The frame that grows for one partition.
struct PartitionBuffer {
    frame: FrameWriter,
    /// The watermark in the last frame written to this partition; none yet after a start.
    announced: Option<Watermark>,
    /// When it was written, by the wall clock in microseconds.
    announced_at: i64,
}

/// The frames of one source.
pub struct RepartitionWriter {
    topic: usize,
    source: u32,
    format: RepartitionFormat,
    buffers: Vec<PartitionBuffer>,
    key: String,
}

impl RepartitionWriter {
    /// A writer of the source with number `source` to the topic at index `topic`, which has `partitions` partitions.
    pub fn new(topic: usize, partitions: i32, source: u32, format: RepartitionFormat) -> RepartitionWriter {
        let frame = format.frame_writer();
        let buffer = |_| PartitionBuffer {
            frame: frame.clone(),
            announced: None,
            announced_at: 0,
        };
        RepartitionWriter {
            topic,
            source,
            format,
            buffers: (0..partitions).map(buffer).collect(),
            key: String::new(),
        }
    }

    /// Drops frames that were not written yet. The watermark will be announced to all partitions again.
    pub fn restart(&mut self) {
        for buffer in &mut self.buffers {
            buffer.frame.clear();
            buffer.announced = None;
        }
    }

    /// Adds an event with its number if it goes on to the stage that reads the topic. The stage's key decides on the
    /// partition, or the event's id if it has none.
    pub fn push(&mut self, event: &Event, sequence: i64, engine: &Engine, outputs: &mut Outputs) {
        if !engine.travels(self.format.stage(), event) {
            return;
        }
        let key = engine.key(self.format.stage(), event, &mut self.key);
        let key = key.unwrap_or(event.id()).as_bytes();
        let partition = partitioner::partition(key, self.buffers.len() as i32) as usize;
        let buffer = &mut self.buffers[partition];
        let header = RowHeader {
            input: event.input,
            source_offset: sequence,
            watermark: event.watermark,
            flags: event.flags.0,
        };
        buffer.frame.push(header, &event.row);
        if buffer.frame.size() > FRAME_BYTES {
            // The next frame may hold rows of the same watermark, and it is not known here whether the source is live.
            let watermark = Watermark {
                time: event.watermark,
                live: false,
            };
            self.write_frame(partition, watermark, outputs);
        }
    }

    /// Closes the frames of a batch at `now` (wall clock, microseconds). A partition without rows gets a frame that only
    /// announces the watermark: with every batch while the source is catching up, as readers wait for it; once a second
    /// if it is live.
    pub fn flush(&mut self, watermark: Watermark, now: i64, outputs: &mut Outputs) {
        for partition in 0..self.buffers.len() {
            let buffer = &mut self.buffers[partition];
            let is_due = !watermark.live || now - buffer.announced_at >= ANNOUNCE_EVERY;
            let is_news = match buffer.announced {
                None => true,
                Some(announced) => announced.live != watermark.live || (announced != watermark && is_due),
            };
            if is_news || buffer.frame.rows() > 0 {
                buffer.announced_at = now;
                self.write_frame(partition, watermark, outputs);
            }
        }
    }

    fn write_frame(&mut self, partition: usize, watermark: Watermark, outputs: &mut Outputs) {
        let buffer = &mut self.buffers[partition];
        let header = FrameHeader {
            source: self.source,
            live: watermark.live,
            watermark: watermark.time,
        };
        outputs.push(self.topic, Some(partition as i32), None, None, |bytes| {
            self.format.write_frame(header, &mut buffer.frame, bytes);
        });
        buffer.announced = Some(watermark);
    }
}
