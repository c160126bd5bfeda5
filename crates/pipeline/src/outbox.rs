//! What a task writes to the next stage: one growing frame for each partition of the hop topic.

use crate::hop;
use crate::log::Outputs;
use crate::partitioner;
use riskstream_engine::Event;
use riskstream_engine::plan::Plan;
use riskstream_events::{FrameHeader, FrameWriter, RowHeader, Slot, ValueType};
use std::sync::Arc;

/// A frame is closed beyond this size, so that one message never nears Kafka's limit of 1 MB.
const FRAME_BYTES: usize = 256 * 1024;

/// Microseconds after which the readers of a live source are told again how far it is.
const TELL_EVERY: i64 = 1_000_000;

/// How far a source is, as its readers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frontier {
    /// No later row will have a smaller clock.
    pub clock: i64,
    /// Whether the source reads at the end of its log: rows of other such sources need not wait for it.
    pub live: bool,
}

struct Lane {
    frame: FrameWriter,
    /// What this partition's reader was last told; nothing yet after a start.
    told: Option<Frontier>,
    /// When, by the wall clock.
    told_at: i64,
}

/// The frames of one source.
pub struct Outbox {
    topic: usize,
    source: u32,
    layout_id: u32,
    lanes: Vec<Lane>,
    sequence: i64,
}

impl Outbox {
    /// An outbox of `source` towards the topic at index `topic`, in front of `stage`.
    pub fn new(topic: usize, partitions: i32, source: u32, plan: &Plan, stage: usize) -> Outbox {
        let layout: Arc<[(Slot, ValueType)]> = plan.stages[stage].carries.as_slice().into();
        let lane = |_| Lane {
            frame: FrameWriter::new(Arc::clone(&layout)),
            told: None,
            told_at: 0,
        };
        let lanes = (0..partitions).map(lane).collect();
        Outbox {
            topic,
            source,
            layout_id: hop::layout_id(plan, stage),
            lanes,
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
        for lane in &mut self.lanes {
            lane.frame.clear();
            lane.told = None;
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
        let partition = partitioner::partition(key.unwrap_or(event.id()).as_bytes(), self.lanes.len() as i32);
        let lane = &mut self.lanes[partition as usize];
        let header = RowHeader {
            input: event.input,
            source_offset: sequence,
            clock: event.clock,
            flags: event.flags.0,
        };
        lane.frame.push(header, &event.row);
        if lane.frame.size() > FRAME_BYTES {
            // Rows of the same clock may follow in the next frame: this is as much as is known here.
            let frontier = Frontier {
                clock: event.clock,
                live: false,
            };
            flush(
                lane,
                self.topic,
                partition,
                (self.source, self.layout_id),
                frontier,
                outputs,
            );
        }
    }

    /// Closes the frames of a batch at `now` (wall clock, microseconds). Readers are told of the source's progress even
    /// if there is no row for them: at once while it is catching up, as they wait for it; once a second when live.
    pub fn flush(&mut self, frontier: Frontier, now: i64, outputs: &mut Outputs) {
        for (partition, lane) in self.lanes.iter_mut().enumerate() {
            let is_due = !frontier.live || now - lane.told_at >= TELL_EVERY;
            let news = match lane.told {
                None => true,
                Some(told) => told.live != frontier.live || (told != frontier && is_due),
            };
            if news || lane.frame.rows() > 0 {
                let from = (self.source, self.layout_id);
                flush(lane, self.topic, partition as i32, from, frontier, outputs);
                lane.told_at = now;
            }
        }
    }
}

fn flush(
    lane: &mut Lane,
    topic: usize,
    partition: i32,
    (source, layout_id): (u32, u32),
    frontier: Frontier,
    outputs: &mut Outputs,
) {
    outputs.push(topic, Some(partition), None, None, |bytes| {
        hop::begin_frame(layout_id, bytes);
        lane.frame.finish(
            FrameHeader {
                source,
                live: frontier.live,
                clock: frontier.clock,
            },
            bytes,
        );
    });
    lane.told = Some(frontier);
}
