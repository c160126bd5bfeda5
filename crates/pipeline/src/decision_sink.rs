//! The end of the chain: transactions are decided, by the decision set and the lists in force.

use crate::context::TaskContext;
use crate::decide::DecisionBuffer;
use crate::lists::ListsOfTask;
use crate::log::TopicPartition;
use crate::rollout::RolloutNotice;
use crate::task_progress;
use riskstream_engine::Event;
use riskstream_engine::plan::TRANSACTIONS;
use riskstream_features::state::StateWrites;
use riskstream_lists::{ListSet, Offsets};
use riskstream_scoring::DecisionSet;

/// See the module.
pub struct DecisionSink {
    partition: TopicPartition,
    buffer: DecisionBuffer,
    /// The largest revision of a decision set that was announced in the task's log. It may not have been read back yet.
    announced: u64,
    /// The lists in force; none if the plan has no lists.
    lists: Option<ListsOfTask>,
}

impl DecisionSink {
    /// Of the task that reads `partition`. `lists`: how far the lists in force were read, as its state says.
    pub fn new(partition: TopicPartition, buffer: DecisionBuffer, lists: Offsets) -> DecisionSink {
        DecisionSink {
            partition,
            announced: buffer.set().revision,
            lists: buffer.asks_lists().then(|| ListsOfTask::new(lists)),
            buffer,
        }
    }

    /// Takes an event whose features are complete. Labels end here.
    pub fn push(&mut self, event: Event, context: &mut TaskContext<'_>) {
        match event.input {
            TRANSACTIONS => self.buffer.push(event, context),
            _ => context.recycle(event.row),
        }
    }

    /// Decides the transactions that wait.
    pub fn flush(&mut self, context: &mut TaskContext<'_>) {
        self.buffer.flush(context);
    }

    /// The notice of this decision set, if it was not announced yet. It counts as announced then.
    pub fn announce<'s>(&mut self, newest: &'s DecisionSet) -> Option<RolloutNotice<'s>> {
        if newest.revision <= self.announced {
            return None;
        }
        self.announced = newest.revision;
        Some(RolloutNotice {
            revision: newest.revision,
            document: &newest.document,
        })
    }

    /// Puts the decision set of a notice in force, unless it or a later one is.
    ///
    /// # Errors
    /// Why the set is not ready.
    pub fn change_set(&mut self, notice: RolloutNotice<'_>, context: &mut TaskContext<'_>) -> Result<(), String> {
        if notice.revision <= self.revision() {
            return Ok(());
        }
        let set = context.prepared.rollouts.prepared(notice.document)?;
        let (partition, revision) = (&self.partition, notice.revision);
        tracing::info!(target: "riskstream::worker", %partition, revision, "another roll-out decides from here on");
        self.buffer.change(set, context);
        Ok(())
    }

    /// The notice of these versions of lists, if they were not announced yet. They count as announced then.
    pub fn announce_lists<'l>(&mut self, newest: &'l ListSet) -> Option<&'l Offsets> {
        self.lists.as_mut()?.announce(newest)
    }

    /// The versions of a notice decide on what follows, unless later ones do.
    pub fn change_lists(&mut self, notice: &Offsets) {
        if let Some(lists) = &mut self.lists {
            lists.take(notice);
        }
    }

    /// Puts the versions of lists in force that decide from here on. To be called before each record that is decided on.
    ///
    /// # Errors
    /// Why they are not ready.
    pub fn prepare_lists(&mut self, context: &mut TaskContext<'_>) -> Result<(), String> {
        let Some(lists) = &mut self.lists else { return Ok(()) };
        if let Some(set) = lists.changed(context.prepared.lists.as_ref())? {
            self.buffer.change_lists(set, context);
        }
        Ok(())
    }

    /// How far the lists in force were read, if the plan has lists.
    pub fn lists(&self) -> Option<&Offsets> {
        self.lists.as_ref().map(ListsOfTask::offsets)
    }

    /// The revision of the decision set in force.
    pub fn revision(&self) -> u64 {
        self.buffer.set().revision
    }

    /// The circuits of the models, to be kept beside the position; none if all are closed.
    pub fn circuits(&self) -> Option<String> {
        self.buffer.circuits()
    }

    /// Adds the decision set and the lists in force to a batch of writes, if they came into force since the last one.
    pub fn collect(&self, writes: &mut StateWrites) {
        if let Some(set) = self.buffer.change_to_write() {
            task_progress::write_rollout(set.revision, &set.document, writes);
        }
        if let Some(offsets) = self.lists.as_ref().and_then(ListsOfTask::to_write) {
            task_progress::write_lists(offsets, writes);
        }
    }

    /// What was collected is durable.
    pub fn written(&mut self) {
        self.buffer.written();
        self.lists.iter_mut().for_each(ListsOfTask::written);
    }

    /// Goes back to the last write.
    pub fn restart(&mut self) {
        self.buffer.restore();
        self.announced = self.revision();
        self.lists.iter_mut().for_each(ListsOfTask::restart);
    }
}
