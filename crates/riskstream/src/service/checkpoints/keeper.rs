//! Writes the checkpoints of the open states, on a thread of its own. If the store fails, only checkpoints are missing.

use super::{Checkpoints, TaskId};
use crate::service::stores::OpenStates;
use crate::shutdown::Shutdown;
use crate::telemetry::{PartitionGauges, metrics};
use riskstream_checkpoints::{KnownDigests, TaskCheckpoints, WrittenCheckpoint};
use riskstream_store::CheckpointSource;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause between two looks for what is due.
const TICK: Duration = Duration::from_secs(1);
/// Longest pause before a checkpoint that failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// What is known of a state that is open.
struct OpenState {
    source: CheckpointSource,
    due: Instant,
    stored: TaskCheckpoints,
    known: KnownDigests,
    /// The state's number of writes as of the newest checkpoint.
    writes: Option<u64>,
    newest: Option<WrittenCheckpoint>,
}

/// Makes checkpoints until shutdown.
pub fn keep(checkpoints: &Arc<Checkpoints>, states: &OpenStates, shutdown: &Shutdown) {
    for result in ["written", "failed"] {
        metrics::CHECKPOINTS.counter(&[result]).increment(0);
    }
    let mut kept: BTreeMap<TaskId, OpenState> = BTreeMap::new();
    while !shutdown.wait(TICK) {
        let open = states.open();
        kept.retain(|task, state| state.source.is_open() && open.contains_key(task));
        let mut gauges = PartitionGauges::of("checkpoints");
        for (task, source) in open {
            let state = kept
                .entry(task.clone())
                .or_insert_with(|| OpenState::new(checkpoints, &task, source));
            state.set_gauges(&task, &mut gauges);
            if state.due <= Instant::now() && !shutdown.requested() {
                state.keep(checkpoints, &task);
            }
        }
        gauges.publish();
    }
}

impl OpenState {
    fn new(checkpoints: &Checkpoints, task: &TaskId, source: CheckpointSource) -> OpenState {
        OpenState {
            source,
            due: Instant::now() + first_wait(task, checkpoints.every),
            stored: checkpoints.of_task(task),
            known: KnownDigests::default(),
            writes: None,
            newest: None,
        }
    }

    /// Makes the checkpoint that is due, unless nothing has changed since the last one.
    fn keep(&mut self, checkpoints: &Checkpoints, task: &TaskId) {
        self.due = Instant::now() + checkpoints.every;
        let writes = self.source.writes();
        if writes.is_none() || writes == self.writes {
            return;
        }
        let began = Instant::now();
        match checkpoints.write(task, &self.source, &mut self.stored, &mut self.known) {
            Ok(None) => {}
            Ok(Some(written)) => {
                self.writes = writes;
                metrics::CHECKPOINTS.counter(&["written"]).increment(1);
                metrics::CHECKPOINT_UPLOADED.counter(&[]).increment(written.uploaded);
                tracing::info!(
                    target: "riskstream::checkpoints",
                    %task,
                    position = written.name.position,
                    bytes = written.bytes,
                    uploaded = written.uploaded,
                    milliseconds = began.elapsed().as_millis() as u64,
                    "checkpoint written"
                );
                self.newest = Some(written);
                self.prune(checkpoints, task);
            }
            // The partition has moved.
            Err(_) if !self.source.is_open() => {}
            Err(error) => {
                metrics::CHECKPOINTS.counter(&["failed"]).increment(1);
                let error = format!("{error:#}");
                tracing::warn!(target: "riskstream::checkpoints", %task, error, "a checkpoint failed and is tried again");
                self.due = Instant::now() + checkpoints.every.min(RETRY_AFTER);
            }
        }
    }

    fn prune(&self, checkpoints: &Checkpoints, task: &TaskId) {
        if let Err(error) = self.stored.prune(checkpoints.keep, super::clock()) {
            let error = error.to_string();
            tracing::warn!(target: "riskstream::checkpoints", %task, error, "old checkpoints are removed later");
        }
    }

    fn set_gauges(&self, task: &TaskId, gauges: &mut PartitionGauges) {
        let Some(newest) = &self.newest else { return };
        let partition = task.partition.to_string();
        let labels = [task.entity.as_str(), partition.as_str()];
        gauges.set(&metrics::CHECKPOINT_TIME, &labels, newest.name.created as f64 / 1e3);
        gauges.set(&metrics::CHECKPOINT_BYTES, &labels, newest.bytes as f64);
    }
}

/// A part of `every` that differs between tasks, so that not all are copied in the same moment.
fn first_wait(task: &TaskId, every: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    task.to_string().hash(&mut hasher);
    every.mul_f64((hasher.finish() % 1000) as f64 / 1000.0)
}
