//! The input side of a task: an input or a repartition partition.

use crate::context::TaskContext;
use crate::error::TaskError;
use crate::input_source::InputSource;
use crate::log::RecordRef;
use crate::progress::{Phase, SourceProgress, Watermark};
use crate::record_result::{RecordResult, Sequenced};
use crate::repartition_source::RepartitionSource;
use crate::stage_state::StageState;
use riskstream_features::state::StateWrites;

/// The partition that a task reads: records go in, events come out in the order in which they are applied.
pub enum Source {
    /// Of an input topic.
    Input(InputSource),
    /// Of a repartition topic.
    Repartition(RepartitionSource),
}

impl Source {
    /// Takes in the next record.
    ///
    /// # Errors
    /// The task cannot go on.
    pub fn take<'r>(
        &mut self,
        record: RecordRef<'r>,
        context: &mut TaskContext<'_>,
    ) -> Result<RecordResult<'r>, TaskError> {
        match self {
            Source::Input(input) => Ok(input.take(record, context)),
            Source::Repartition(repartition) => repartition.take(record, context),
        }
    }

    /// The next event that may be applied after the records taken in so far. `state` has what waits beyond its batch.
    ///
    /// # Errors
    /// The task cannot go on.
    pub fn next_event(
        &mut self,
        state: Option<&StageState>,
        context: &mut TaskContext<'_>,
    ) -> Result<Option<Sequenced>, TaskError> {
        match self {
            Source::Input(input) => Ok(input.next_event()),
            Source::Repartition(repartition) => repartition.next_event(state, context.rows),
        }
    }

    /// Rows that were dropped because they were read before, since this was asked last.
    pub fn take_repeated(&mut self) -> u64 {
        match self {
            Source::Input(_) => 0,
            Source::Repartition(repartition) => repartition.take_repeated(),
        }
    }

    /// The number of an event that follows the one handed out last: a label that waited.
    pub fn number(&mut self) -> i64 {
        match self {
            // A stage that reads an input topic has no labels.
            Source::Input(input) => input.progress().sequence,
            Source::Repartition(repartition) => repartition.number(),
        }
    }

    /// How far the source is, for the readers of what the task writes. `partition` is how the partition is read.
    pub fn watermark(&self, partition: Phase) -> Watermark {
        match self {
            Source::Input(input) => Watermark {
                time: input.read_until(),
                phase: partition,
            },
            Source::Repartition(repartition) => repartition.watermark(partition),
        }
    }

    /// What is to be kept with the position.
    pub fn progress(&self) -> SourceProgress {
        match self {
            Source::Input(input) => input.progress(),
            Source::Repartition(repartition) => repartition.progress(),
        }
    }

    /// Adds to a batch of writes what waits beyond it.
    pub fn collect(&mut self, writes: &mut StateWrites) {
        match self {
            Source::Input(_) => {}
            Source::Repartition(repartition) => repartition.collect(writes),
        }
    }

    /// What was added to a batch of writes is written.
    pub fn written(&mut self) {
        match self {
            Source::Input(_) => {}
            Source::Repartition(repartition) => repartition.written(),
        }
    }

    /// Goes back to where the source was, with the frames that waited there, which `state` has.
    ///
    /// # Errors
    /// They belong to other topics or another layout, or a frame is damaged.
    pub fn resume(&mut self, progress: &SourceProgress, state: Option<&StageState>) -> Result<(), TaskError> {
        match self {
            Source::Input(input) => {
                input.resume(progress);
                Ok(())
            }
            Source::Repartition(repartition) => repartition.resume(progress, state),
        }
    }

    /// The partition of an input topic, if it is one.
    pub fn input(&self) -> Option<&InputSource> {
        match self {
            Source::Input(input) => Some(input),
            Source::Repartition(_) => None,
        }
    }

    /// The same, to be changed.
    pub fn input_mut(&mut self) -> Option<&mut InputSource> {
        match self {
            Source::Input(input) => Some(input),
            Source::Repartition(_) => None,
        }
    }

    /// The partition of a repartition topic, if it is one.
    pub fn repartition(&self) -> Option<&RepartitionSource> {
        match self {
            Source::Input(_) => None,
            Source::Repartition(repartition) => Some(repartition),
        }
    }

    /// The same, to be changed.
    pub fn repartition_mut(&mut self) -> Option<&mut RepartitionSource> {
        match self {
            Source::Input(_) => None,
            Source::Repartition(repartition) => Some(repartition),
        }
    }
}
