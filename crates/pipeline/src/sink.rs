//! The output side of a task: rows for the next stage, or decisions.

use crate::context::TaskContext;
use crate::decision_sink::DecisionSink;
use crate::progress::Watermark;
use crate::record_result::Sequenced;
use crate::sources::SourceId;
use riskstream_features::state::StateWrites;

/// A source of a repartition topic. What it sends is collected in the worker's writer to that topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepartitionSink {
    /// The stage that reads the topic.
    pub stage: usize,
    /// The task, as a source of the topic.
    pub source: SourceId,
}

/// See the module.
pub enum Sink {
    /// To the repartition topic in front of the next stage.
    Repartition(RepartitionSink),
    /// The task is of the last stage: its transactions are decided.
    Decisions(Box<DecisionSink>),
}

impl Sink {
    /// Takes an event that the task is done with.
    pub fn push(&mut self, row: Sequenced, context: &mut TaskContext<'_>) {
        match self {
            Sink::Repartition(RepartitionSink { stage, source }) => {
                let writer = context.writers.get(*stage);
                writer.push(*source, &row, context.engine, context.appended);
                context.recycle(row.event.row);
            }
            Sink::Decisions(decisions) => decisions.push(row.event, context),
        }
    }

    /// Completes the outputs of a batch. `watermark` is that of the task's source.
    pub fn flush(&mut self, watermark: Watermark, context: &mut TaskContext<'_>) {
        match self {
            Sink::Repartition(RepartitionSink { stage, source }) => {
                context.writers.get(*stage).announce(*source, watermark);
            }
            Sink::Decisions(decisions) => decisions.flush(context),
        }
    }

    /// Adds to a batch of writes what belongs to the same position.
    pub fn collect(&self, writes: &mut StateWrites) {
        match self {
            Sink::Repartition(_) => {}
            Sink::Decisions(decisions) => decisions.collect(writes),
        }
    }

    /// What was collected is durable.
    pub fn written(&mut self) {
        match self {
            Sink::Repartition(_) => {}
            Sink::Decisions(decisions) => decisions.written(),
        }
    }

    /// Goes back to the last write.
    pub fn restart(&mut self) {
        match self {
            Sink::Repartition(_) => {}
            Sink::Decisions(decisions) => decisions.restart(),
        }
    }

    /// The decisions, if the task decides.
    pub fn decisions(&self) -> Option<&DecisionSink> {
        match self {
            Sink::Repartition(_) => None,
            Sink::Decisions(decisions) => Some(decisions.as_ref()),
        }
    }

    /// The decisions, if the task decides.
    pub fn decisions_mut(&mut self) -> Option<&mut DecisionSink> {
        match self {
            Sink::Repartition(_) => None,
            Sink::Decisions(decisions) => Some(decisions.as_mut()),
        }
    }
}
