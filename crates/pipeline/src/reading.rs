//! A partition that a worker reads: its task, how far it is, and which one is next.

use crate::liveness::{EventTimeRate, LivenessOptions, PartitionLiveness};
use crate::log::{Log, TopicPartition};
use crate::task::{Processed, Task, TaskContext};
use crate::worker::WorkerError;

/// See the module.
pub(crate) struct Reading {
    pub(crate) partition: TopicPartition,
    pub(crate) task: Task,
    /// Later stages go first, so that what was begun is finished before more is begun.
    pub(crate) priority: usize,
    /// Where reading began.
    pub(crate) start: i64,
    pub(crate) committed: i64,
    /// Records before this were answered by an earlier run: replayed for state, not committed again.
    pub(crate) answered_until: i64,
    pub(crate) drained: bool,
    pub(crate) rate: EventTimeRate,
    pub(crate) retry_at: Option<i64>,
    /// Why the next record cannot be processed yet.
    pub(crate) waits_for: Option<String>,
    /// Nothing more to take in this batch.
    pub(crate) done: bool,
    /// Records taken in this batch.
    pub(crate) taken: u64,
}

impl Reading {
    /// The reading of `partition` from `position` on. Records before `answered_until` are replayed for state only.
    pub(crate) fn new(
        partition: TopicPartition,
        task: Task,
        priority: usize,
        position: i64,
        answered_until: i64,
    ) -> Reading {
        Reading {
            partition,
            task,
            priority,
            start: position,
            committed: answered_until,
            answered_until,
            drained: false,
            rate: EventTimeRate::default(),
            retry_at: None,
            waits_for: None,
            done: false,
            taken: 0,
        }
    }

    /// Processes the next records, a few at a time; how many events were applied.
    pub(crate) fn run<L: Log>(&mut self, log: &mut L, context: &mut TaskContext<'_>) -> Result<usize, WorkerError> {
        let mut events = 0;
        for _ in 0..RUN {
            let Some(record) = log.take(&self.partition)? else {
                self.done = true;
                self.drained = true;
                break;
            };
            self.drained = false;
            self.taken += 1;
            let offset = record.offset;
            match self.task.process(record, context)? {
                Processed::Events(applied) => {
                    events += applied.max(1);
                    if self.waits_for.take().is_some() {
                        tracing::info!(target: "riskstream::worker", partition = %self.partition, "going on");
                    }
                }
                Processed::Retry(why) => {
                    if self.waits_for.is_none() {
                        tracing::warn!(target: "riskstream::worker", partition = %self.partition, why, "waiting");
                    }
                    self.waits_for = Some(why);
                    self.done = true;
                    self.taken -= 1;
                    self.retry_at = Some(context.now + 1_000_000);
                    log.start(&[(self.partition.clone(), offset)])?;
                    break;
                }
            }
        }
        Ok(events)
    }
}

/// Records read from one partition before the next is chosen: bounds how far inputs drift apart in a batch.
const RUN: usize = 32;

/// Later stages first; of the inputs the one furthest behind in event time.
pub(crate) fn next_to_read(reading: &mut [Reading]) -> Option<&mut Reading> {
    reading
        .iter_mut()
        .filter(|reading| !reading.done)
        .min_by_key(|reading| (reading.priority, reading.task.input_watermark().unwrap_or(i64::MIN)))
}

/// How each partition is read, in their order.
pub(crate) fn liveness_of<L: Log>(
    reading: &mut [Reading],
    log: &L,
    options: &LivenessOptions,
    now: i64,
) -> Vec<PartitionLiveness> {
    let liveness = |reading: &mut Reading| {
        let newest = reading.task.input_watermark();
        reading.rate.read(newest.unwrap_or(i64::MIN), now);
        PartitionLiveness {
            newest,
            lag: log.lag(&reading.partition),
            speed: reading.rate.speed(),
            among_real_time: false,
        }
    };
    let mut liveness_of: Vec<PartitionLiveness> = reading.iter_mut().map(liveness).collect();
    let among_real_time = liveness_of.iter().any(|liveness| liveness.is_real_time(options, now));
    for liveness in &mut liveness_of {
        liveness.among_real_time = among_real_time;
    }
    liveness_of
}
