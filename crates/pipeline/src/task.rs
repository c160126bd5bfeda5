//! A task: what is done with one partition of one topic. Stateless (ingest) or a stage.

use crate::dead_letters::DeadLetters;
use crate::log::{Committed, Outputs, RecordRef, TopicPartition};
use crate::model_tally::ModelTally;
use crate::reader::{InputReader, Read};
use crate::repartition_writer::{RepartitionWriter, Watermark};
use crate::rollout::Rollouts;
use crate::stage::StageTask;
use crate::topology::DecisionFormat;
use riskstream_engine::Engine;
use riskstream_events::{FrameError, Row, Value};
use riskstream_features::state::StateError;
use riskstream_scoring::Decider;

/// What tasks of a worker share while they process a batch.
pub struct TaskContext<'a> {
    /// The step.
    pub engine: &'a mut Engine,
    /// Runs the models.
    pub decider: &'a mut Decider,
    /// What the batch writes.
    pub outputs: &'a mut Outputs,
    /// Where dead letters go.
    pub dead_letters: &'a DeadLetters,
    /// Where decisions go: index of the topic.
    pub decisions: usize,
    /// How decisions are written.
    pub decision_format: DecisionFormat,
    /// The wall clock at the beginning of the batch, microseconds; for latency stamps only.
    pub now: i64,
    /// Rows to use again.
    pub rows: &'a mut Vec<Row>,
    /// Where line-ups of models come from.
    pub rollouts: &'a dyn Rollouts,
    /// What was done, for the metrics.
    pub tally: &'a mut Tally,
}

/// Rows kept for later use: as many as the frames hold that are decoded at one time, about.
const SPARE_ROWS: usize = 8192;

impl TaskContext<'_> {
    /// A row of nulls as wide as the plan.
    pub fn row(&mut self) -> Row {
        let width = self.engine.plan().slots.len();
        let mut row = self.rows.pop().unwrap_or_default();
        row.clear();
        row.resize(width, Value::Null);
        row
    }

    /// Gives a row back for later use.
    pub fn recycle(&mut self, row: Row) {
        if self.rows.len() < SPARE_ROWS {
            self.rows.push(row);
        }
    }
}

/// Counts of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Decisions by outcome: approve, review, decline.
    pub decisions: [u64; 3],
    /// Decisions made without the score of the model that was to decide.
    pub degraded: u64,
    /// What each model did.
    pub models: ModelTally,
    /// Decisions flagged as duplicates.
    pub duplicates: u64,
    /// Decisions flagged as late.
    pub late: u64,
    /// Microseconds from the input record's log timestamp to the decision, one for each decision.
    pub latencies: Vec<i64>,
}

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Processed {
    /// It is done; so many events were applied (a repartition record holds many rows, or releases none yet).
    Events(usize),
    /// It has to be read again later, for this reason.
    Retry(String),
}

/// Why a task cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Its state failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// A frame that was once accepted cannot be decoded.
    #[error("{partition}: a waiting frame cannot be decoded: {error}")]
    Frame {
        /// Where.
        partition: TopicPartition,
        /// Why.
        error: FrameError,
    },
    /// Rows in the repartition topic, or waiting in the state, carry other values than this pipeline's.
    #[error(
        "{partition}: rows on their way here were written by another version of the pipeline file, which carries other values; let that version finish them, or give the changed pipeline another name"
    )]
    Layout {
        /// Where.
        partition: TopicPartition,
    },
    /// The state knows of more sources than there are partitions before this stage.
    #[error(
        "{partition}: the state was written with {before} source partitions, now there are {now}: topics cannot lose partitions, and their number cannot change under a pipeline with state"
    )]
    SourcesChanged {
        /// Where.
        partition: TopicPartition,
        /// Sources in the state.
        before: usize,
        /// Sources now.
        now: usize,
    },
}

/// The stateless task in front of the first repartition topic: decodes one partition of one input.
pub struct IngestTask {
    partition: TopicPartition,
    reader: InputReader,
    writer: RepartitionWriter,
    key: String,
    /// The reader's watermark as of the last commit.
    committed_watermark: i64,
}

impl IngestTask {
    /// A task for `partition`, writing to the first stage.
    /// `watermark` is the reader's watermark as it was committed with the position to begin at.
    pub fn new(
        partition: TopicPartition,
        mut reader: InputReader,
        writer: RepartitionWriter,
        watermark: Option<i64>,
    ) -> IngestTask {
        let committed_watermark = watermark.unwrap_or(i64::MIN);
        reader.set_watermark(committed_watermark);
        let key = String::new();
        IngestTask {
            partition,
            reader,
            writer,
            key,
            committed_watermark,
        }
    }

    fn process(&mut self, record: RecordRef<'_>, context: &mut TaskContext<'_>) -> Result<Processed, TaskError> {
        match self.reader.read(record, context)? {
            Read::Event(event) => {
                let key = context.engine.key(0, &event, &mut self.key);
                // The input's own offsets number the rows, so that a row written twice is recognised.
                self.writer
                    .push_numbered(&event, key, record.offset + 1, context.outputs);
                context.recycle(event.row);
            }
            Read::Rejected(rejection) => {
                context
                    .dead_letters
                    .record(&self.partition, record, &rejection, context.outputs);
            }
            Read::Unavailable(why) => return Ok(Processed::Retry(why)),
        }
        Ok(Processed::Events(1))
    }
}

/// See the module.
pub enum Task {
    /// Stateless.
    Ingest(Box<IngestTask>),
    /// With state.
    Stage(Box<StageTask>),
}

impl Task {
    /// Takes in the next record.
    pub fn process(&mut self, record: RecordRef<'_>, context: &mut TaskContext<'_>) -> Result<Processed, TaskError> {
        match self {
            Task::Ingest(task) => task.process(record, context),
            Task::Stage(task) => task.process(record, context),
        }
    }

    /// Completes the outputs of a batch. `reads_at_end`: whether an input partition is read at its end.
    pub fn finish_batch(&mut self, reads_at_end: bool, context: &mut TaskContext<'_>) {
        match self {
            Task::Ingest(task) => {
                let watermark = Watermark {
                    watermark: task.reader.watermark(),
                    live: reads_at_end,
                };
                task.writer.flush(watermark, context.now, context.outputs);
            }
            Task::Stage(task) => task.finish_batch(reads_at_end, context),
        }
    }

    /// Goes back to the last write after an abort.
    pub fn restore(&mut self, engine: &Engine) -> Result<(), TaskError> {
        match self {
            Task::Ingest(task) => {
                task.writer.restart(0);
                task.reader.set_watermark(task.committed_watermark);
                Ok(())
            }
            Task::Stage(task) => task.restore(engine.plan()),
        }
    }

    /// Makes the batch durable, after its commit.
    pub fn write(&mut self, position: i64) -> Result<(), TaskError> {
        match self {
            Task::Ingest(task) => {
                task.committed_watermark = task.reader.watermark();
                Ok(())
            }
            Task::Stage(task) => task.write(position),
        }
    }

    /// The position to commit at `offset`, with what others or a successor have to know.
    pub fn committed(&self, offset: i64) -> Committed {
        match self {
            Task::Ingest(task) => Committed {
                watermark: Some(task.reader.watermark()).filter(|watermark| *watermark != i64::MIN),
                ..offset.into()
            },
            Task::Stage(task) => Committed {
                holds_rows: task.waiting_frames() > 0,
                circuits: task.circuits(),
                ..offset.into()
            },
        }
    }

    /// The largest event time read, if this task reads an input topic.
    pub fn input_watermark(&self) -> Option<i64> {
        match self {
            Task::Ingest(task) => Some(task.reader.watermark()),
            Task::Stage(task) => task.input_watermark(),
        }
    }
}
