//! What a task writes to the next stage: one growing frame for each partition of the hop topic.

use crate::layout;
use crate::log::Outputs;
use crate::partitioner;
use riskstream_engine::Event;
use riskstream_engine::plan::Plan;
use riskstream_events::{FrameHeader, FrameWriter, RowHeader, Slot, ValueType};
use std::sync::Arc;

/// A frame is closed beyond this size, so that one message never nears Kafka's limit of 1 MB.
const FRAME_BYTES: usize = 256 * 1024;

/// How far a source is, as its readers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frontier {
    /// No later row will have a smaller clock.
    pub clock: i64,
    /// Whether the source reads at the end of its log and so holds nobody back.
    pub live: bool,
}

struct Lane {
    frame: FrameWriter,
    /// What this partition's reader was last told; nothing yet after a start.
    told: Option<Frontier>,
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
        };
        let lanes = (0..partitions).map(lane).collect();
        Outbox {
            topic,
            source,
            layout_id: layout::id(plan, stage),
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

    /// Tells readers which do not wait for this source that they have to from now on, unless its `clock` has come to
    /// `since`: nobody will read it until it has a new owner.
    pub fn take_leave(&mut self, clock: i64, since: i64, outputs: &mut Outputs) {
        let told_live = |lane: &Lane| lane.told.is_some_and(|told| told.live);
        // Rows that were not written belong to a batch that failed.
        let between_batches = self.lanes.iter().all(|lane| lane.frame.rows() == 0);
        if between_batches && clock < since && self.lanes.iter().any(told_live) {
            self.flush(Frontier { clock, live: false }, outputs);
        }
    }

    /// Closes the frames of a batch. A reader that waits for this source is told of its progress even if
    /// there is no row for it; one that need not wait is told nothing twice.
    pub fn flush(&mut self, frontier: Frontier, outputs: &mut Outputs) {
        for (partition, lane) in self.lanes.iter_mut().enumerate() {
            let news = if frontier.live {
                lane.told.is_none_or(|told| !told.live)
            } else {
                lane.told != Some(frontier)
            };
            if news || lane.frame.rows() > 0 {
                flush(
                    lane,
                    self.topic,
                    partition as i32,
                    (self.source, self.layout_id),
                    frontier,
                    outputs,
                );
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
        bytes.extend_from_slice(&layout_id.to_le_bytes());
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
