//! Where the events of a task go.

use crate::context::TaskContext;
use crate::decision_sink::DecisionSink;
use crate::progress::Watermark;
use crate::repartition_writer::RepartitionWriter;
use crate::taken::Sequenced;
use riskstream_features::state::StateWrites;

/// See the module.
pub enum Sink {
    /// To the repartition topic in front of the next stage.
    Repartition(RepartitionWriter),
    /// The task is of the last stage: its transactions are decided.
    Decisions(DecisionSink),
}

impl Sink {
    /// Takes an event that the task is done with.
    pub fn push(&mut self, Sequenced { sequence, event }: Sequenced, context: &mut TaskContext<'_>) {
        match self {
            Sink::Repartition(writer) => {
                writer.push(&event, sequence, context.engine, context.outputs);
                context.recycle(event.row);
            }
            Sink::Decisions(decisions) => decisions.push(event, context),
        }
    }

    /// Completes the outputs of a batch. `watermark` is that of the task's source.
    pub fn flush(&mut self, watermark: Watermark, context: &mut TaskContext<'_>) {
        match self {
            Sink::Repartition(writer) => writer.flush(watermark, context.now, context.outputs),
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
            Sink::Repartition(writer) => writer.restart(),
            Sink::Decisions(decisions) => decisions.restart(),
        }
    }

    /// The decisions, if the task decides.
    pub fn decisions(&self) -> Option<&DecisionSink> {
        match self {
            Sink::Repartition(_) => None,
            Sink::Decisions(decisions) => Some(decisions),
        }
    }

    /// The decisions, if the task decides.
    pub fn decisions_mut(&mut self) -> Option<&mut DecisionSink> {
        match self {
            Sink::Repartition(_) => None,
            Sink::Decisions(decisions) => Some(decisions),
        }
    }
}
