//! What the tasks of a worker share while they process a batch.

use crate::dead_letters::DeadLetters;
use crate::log::Outputs;
use crate::observer::Observer;
use crate::prepared::Prepared;
use crate::repartition_writer::RepartitionWriters;
use crate::tally::Tally;
use crate::topology::DecisionFormat;
use riskstream_engine::Engine;
use riskstream_events::{Row, Value};
use riskstream_scoring::Decider;

/// See the module.
pub struct TaskContext<'a> {
    /// The step.
    pub engine: &'a mut Engine,
    /// Runs the models.
    pub decider: &'a mut Decider,
    /// Where rows for later stages are collected.
    pub writers: &'a mut RepartitionWriters,
    /// Records of repartition topics. They are appended before the batch is committed.
    pub appended: &'a mut Outputs,
    /// What the batch writes with its commit: decisions and dead letters.
    pub outputs: &'a mut Outputs,
    /// Where dead letters go.
    pub dead_letters: &'a DeadLetters,
    /// Where decisions go: index of the topic.
    pub decisions: usize,
    /// Where decisions go as well if a condition of the plan's outputs holds: index of the first topic.
    pub further_outputs: usize,
    /// How decisions are written.
    pub decision_format: DecisionFormat,
    /// The wall clock at the beginning of the batch, in microseconds.
    pub now: i64,
    /// Rows to use again.
    pub rows: &'a mut Vec<Row>,
    /// What may come into force.
    pub prepared: &'a Prepared,
    /// What was done, for the metrics.
    pub tally: &'a mut Tally,
    /// Who is shown events and decisions, if anybody is.
    pub observer: &'a mut Option<Box<dyn Observer>>,
}

/// Rows kept for later use: about as many as the decoded frames hold at one time.
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
