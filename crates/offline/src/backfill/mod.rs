//! A pipeline over files: the same steps as the service takes, without a log in between.
//!
//! 1. The records of all files are read and sorted as the service merges the partitions of topics: by the watermark of the
//!    partition that each would be on, labels first ([`Order`], [`Partitions`]).
//! 2. Each event goes through the stages. A stage merges the partitions of the one before it in the same way. So events of
//!    one watermark may come to it in another order than to the stage before, and are sorted again; all others keep theirs.

mod build;
mod chain;
mod file_source;
mod order;
mod passage;
mod sorter;

pub use build::{Build, StateBuild};
pub use file_source::{InputFile, RecordKey};
pub use order::{Order, Partitions};
pub use sorter::SortError;

use crate::read::ReadError;
use chain::Chain;
use passage::{Passage, Results};
use riskstream_engine::plan::Plan;
use riskstream_engine::{Engine, Event};
use riskstream_events::{Rejection, Row};
use riskstream_features::state::StateError;
use riskstream_pipeline::log::TopicIdentity;
use riskstream_pipeline::stop_reason::StopReason;
use riskstream_pipeline::{EventTally, Stores, TaskError};
use riskstream_scoring::{Decider, Decision, DecisionSet, InForce};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a backfill ended early.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// A file.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Sorting.
    #[error(transparent)]
    Sort(#[from] SortError),
    /// A state cannot be opened.
    #[error(transparent)]
    Open(#[from] StopReason),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// A state that was built cannot be written.
    #[error(transparent)]
    Write(#[from] TaskError),
    /// The receiver of the results.
    #[error(transparent)]
    Sink(Box<dyn std::error::Error + Send + Sync>),
}

/// Takes decided transactions, in order, and what could not be used.
pub trait Sink {
    /// Transactions with all features, and their decisions.
    ///
    /// # Errors
    /// They cannot be written.
    fn decided(&mut self, events: &[Event], decisions: &[Decision]) -> Result<(), BackfillError>;

    /// A record that cannot be used: the input, its number in the file (0 if it is not known: a label
    /// whose transaction did not come, beyond the labels whose numbers are kept), why.
    fn rejected(&mut self, input: u8, number: u64, rejection: &Rejection);
}

/// What a backfill did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records read from all files.
    pub records: u64,
    /// Transactions decided; where states are built, those that are in them.
    pub decided: u64,
    /// Records that could not be used.
    pub rejected: u64,
    /// Records that a filter of their input left out.
    pub filtered: u64,
    /// Events whose time is doubtful, see [`InputPlan::is_implausible`](riskstream_engine::plan::InputPlan::is_implausible).
    pub doubtful_times: u64,
    /// The input and the number in the file of the first of them.
    pub first_doubtful: Option<(u8, u64)>,
    /// Transactions that came after a later one of their partition, or of one of their entities.
    pub late: u64,
    /// Of these, those that were older than an entity's state keeps: none of its features counts them.
    pub too_late: u64,
    /// Labels that were older than an entity's state keeps, by the entity's stage: none of its features counts them.
    pub too_late_labels: BTreeMap<usize, u64>,
    /// What became of other events at the entities that use them.
    pub other_events: EventTally,
    /// The smallest and the largest event time of each input, in microseconds.
    pub times: BTreeMap<u8, (i64, i64)>,
    /// Events of each input that are not earlier than the cut-over for which states are built.
    pub after_cut_over: BTreeMap<u8, u64>,
}

/// How a backfill orders records.
#[derive(Clone, Debug)]
pub struct Options {
    /// The order of the records of an input.
    pub order: Order,
    /// The topics that the records would be on. Without them each file counts as one partition.
    pub partitions: Option<Partitions>,
    /// Bytes of records that are kept in memory while they are sorted, see [`SORT_MEMORY`].
    pub sort_memory: usize,
    /// The directory for what does not fit.
    pub directory: PathBuf,
}

/// Bytes of records that are kept in memory while they are sorted, unless there is a reason for another number.
pub const SORT_MEMORY: usize = 64 << 20;

/// Rows scored together, and events after which entities that do not fit the cache leave memory.
const BATCH: usize = 1024;

/// Asked about every thousand records; ends the run by answering false.
pub type GoOn<'g> = &'g mut dyn FnMut(&Summary) -> bool;

/// A run of a pipeline over files.
pub struct Backfill<'a>(Passage<'a, Deciding<'a>>);

impl<'a> Backfill<'a> {
    /// The pipeline of `engine` over files. Entities that do not fit the cache are kept in new, empty `stores`.
    ///
    /// # Errors
    /// A store cannot be opened.
    pub fn new(
        engine: &'a mut Engine,
        set: Arc<DecisionSet>,
        stores: &mut dyn Stores,
        files: Vec<InputFile>,
        options: Options,
        sink: &'a mut dyn Sink,
    ) -> Result<Backfill<'a>, BackfillError> {
        let topics = vec![TopicIdentity::default(); engine.plan().stages.len()];
        let chain = Chain::open(engine.plan(), options.partitions.as_ref(), stores, &topics)?;
        Ok(Backfill(Passage::new(
            engine,
            chain,
            files,
            options,
            Deciding::new(set, sink),
        )))
    }

    /// Runs to the end of all files.
    ///
    /// # Errors
    /// See [`BackfillError`]. Some results may have reached the sink.
    pub fn run(self, go_on: GoOn<'_>) -> Result<Summary, BackfillError> {
        let Backfill(mut passage) = self;
        if !passage.run(go_on)? {
            return Ok(passage.summary);
        }
        passage.give_up_labels()?;
        passage.summary.decided += passage.results.decide(passage.engine.plan(), &mut Vec::new())?;
        let summary = passage.summarize();
        go_on(&summary);
        Ok(summary)
    }
}

/// The transactions that wait to be decided, and who decides.
struct Deciding<'a> {
    in_force: InForce,
    decider: Decider,
    events: Vec<Event>,
    decisions: Vec<Decision>,
    sink: &'a mut dyn Sink,
}

impl<'a> Deciding<'a> {
    fn new(set: Arc<DecisionSet>, sink: &'a mut dyn Sink) -> Deciding<'a> {
        Deciding {
            in_force: InForce::new(set),
            decider: Decider::default(),
            events: Vec::with_capacity(BATCH),
            decisions: Vec::new(),
            sink,
        }
    }

    /// Decides the transactions that wait; how many.
    fn decide(&mut self, plan: &Plan, spare: &mut Vec<Row>) -> Result<u64, BackfillError> {
        self.decider
            .decide(plan, &mut self.in_force, &mut self.events, &mut self.decisions);
        self.sink.decided(&self.events, &self.decisions)?;
        let decided = self.events.len() as u64;
        spare.extend(self.events.drain(..).map(|event| event.row));
        Ok(decided)
    }
}

impl Results for Deciding<'_> {
    /// A transaction is decided with the others of its batch.
    fn passed(&mut self, plan: &Plan, transaction: Event, spare: &mut Vec<Row>) -> Result<u64, BackfillError> {
        self.events.push(transaction);
        match self.events.len() {
            BATCH => self.decide(plan, spare),
            _ => Ok(0),
        }
    }

    fn rejected(&mut self, input: u8, number: u64, rejection: &Rejection) {
        self.sink.rejected(input, number, rejection);
    }
}
