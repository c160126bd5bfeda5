//! A pipeline over files: the same steps as the service takes, without a log in between.
//!
//! 1. The records of all files are read and sorted as the service merges the partitions of topics: by the watermark of the
//!    partition that each would be on, labels first ([`Order`], [`Partitions`]).
//! 2. Each event goes through the stages. A stage merges the partitions of the one before it in the same way. So events of
//!    one watermark may come to it in another order than to the stage before, and are sorted again; all others keep theirs.

mod chain;
mod file_source;
mod order;
mod sorter;

pub use file_source::{InputFile, RecordKey};
pub use order::{Order, Partitions};
pub use sorter::SortError;

use crate::read::ReadError;
use chain::Chain;
use file_source::{FileSource, ReadResult, Sourced};
use riskstream_engine::plan::TRANSACTIONS;
use riskstream_engine::{Engine, Event, StageError};
use riskstream_events::{Flags, Rejection, Row};
use riskstream_features::state::StateError;
use riskstream_pipeline::sources::SourceId;
use riskstream_pipeline::stop_reason::StopReason;
use riskstream_pipeline::{EventTally, Stores};
use riskstream_scoring::{Decider, Decision, DecisionSet, InForce};
use sorter::{SortOptions, Sorted, Sorter};
use std::collections::{BTreeMap, HashMap};
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
    /// Transactions decided.
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
pub struct Backfill<'a> {
    engine: &'a mut Engine,
    chain: Chain,
    sources: Vec<FileSource>,
    sorting: SortOptions,
    batch: Batch,
    sink: &'a mut dyn Sink,
    spare: Vec<Row>,
    /// The numbers of the records of labels that wait for their transactions, by input and id.
    waiting: HashMap<(u8, String), u64>,
    applied: u64,
    summary: Summary,
}

/// Labels whose numbers are kept while they wait: a limit of memory.
const NUMBERS_KEPT: usize = 100_000;

/// The transactions that wait to be decided, and who decides.
struct Batch {
    in_force: InForce,
    decider: Decider,
    events: Vec<Event>,
    decisions: Vec<Decision>,
}

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
        Ok(Backfill {
            chain: Chain::open(engine.plan(), options.partitions.as_ref(), stores)?,
            sorting: SortOptions::new(engine.plan(), options.sort_memory, options.directory),
            engine,
            sources: sources(files, options.order, options.partitions.as_ref()),
            batch: Batch {
                in_force: InForce::new(set),
                decider: Decider::default(),
                events: Vec::with_capacity(BATCH),
                decisions: Vec::new(),
            },
            sink,
            spare: Vec::new(),
            waiting: HashMap::new(),
            applied: 0,
            summary: Summary::default(),
        })
    }

    /// Runs to the end of all files.
    ///
    /// # Errors
    /// See [`BackfillError`]. Some results may have reached the sink.
    pub fn run(mut self, go_on: GoOn<'_>) -> Result<Summary, BackfillError> {
        let mut sorter = Sorter::new(&self.sorting);
        for mut source in std::mem::take(&mut self.sources) {
            while self.read(&mut source, &mut sorter)? {
                if self.summary.records.is_multiple_of(BATCH as u64) && !go_on(&self.summary) {
                    return Ok(self.summary);
                }
            }
        }
        let mut sorted = sorter.sort()?;
        while let Some(first) = sorted.next(self.row())? {
            if !self.apply(first, &mut sorted, go_on)? {
                return Ok(self.summary);
            }
        }
        while let Some(partition) = self.chain.give_up_labels()? {
            self.end_waiting(partition)?;
        }
        self.decide()?;
        self.summary.too_late_labels = self.chain.too_late_labels().clone();
        self.summary.other_events = self.chain.other_events().clone();
        go_on(&self.summary);
        Ok(self.summary)
    }

    /// Reads the next record of a source; whether there was one.
    fn read(&mut self, source: &mut FileSource, sorter: &mut Sorter) -> Result<bool, BackfillError> {
        let row = self.row();
        let Some(taken) = source.next(self.engine, row)? else {
            return Ok(false);
        };
        self.summary.records += 1;
        match taken {
            ReadResult::Event(sourced) => {
                if self.engine.plan().inputs[usize::from(source.input())].is_implausible(sourced.event.event_time()) {
                    self.summary.doubtful_times += 1;
                    let first = (source.input(), sourced.number);
                    self.summary.first_doubtful.get_or_insert(first);
                }
                sorter.push(&sourced)?;
                self.spare.push(sourced.event.row);
            }
            ReadResult::Filtered(row) => {
                self.summary.filtered += 1;
                self.spare.push(row);
            }
            ReadResult::Rejected(row, number, rejection) => {
                self.reject(source.input(), number, &rejection);
                self.spare.push(row);
            }
        }
        Ok(true)
    }

    /// Takes an event through all stages, together with those of its watermark if stages may order them differently; whether
    /// to go on.
    fn apply(&mut self, first: Sourced, sorted: &mut Sorted, go_on: GoOn<'_>) -> Result<bool, BackfillError> {
        let watermark = first.event.watermark;
        let is_in_order = self.chain.keeps_order();
        let is_alone = |sorted: &Sorted| is_in_order || sorted.watermark() != Some(watermark);
        let mut passed = self.apply_first(first)?;
        if is_alone(sorted) && (is_in_order || passed.len() <= 1) {
            for next in passed {
                self.apply_rest(next)?;
            }
            return self.count_applied(go_on);
        }
        let mut together = Sorter::new(&self.sorting);
        loop {
            for next in passed {
                together.push(&next)?;
                self.spare.push(next.event.row);
            }
            if !self.count_applied(go_on)? {
                return Ok(false);
            }
            if is_alone(sorted) {
                break;
            }
            let Some(next) = sorted.next(self.row())? else { break };
            passed = self.apply_first(next)?;
        }
        self.apply_together(together)?;
        Ok(true)
    }

    /// Applies an event at the first stage: what goes on from there. Labels that waited for it follow it.
    fn apply_first(&mut self, mut next: Sourced) -> Result<Vec<Sourced>, BackfillError> {
        let mut passed = Vec::new();
        match self.chain.apply_at(0, self.engine, next.source, &mut next.event) {
            Ok(Some(source)) => {
                passed.push(Sourced { source, ..next });
                passed.extend(self.end_waiting(source.partition())?);
            }
            Ok(None) => {
                if self.waiting.len() < NUMBERS_KEPT {
                    let label = (next.event.input, next.event.id().to_owned());
                    self.waiting.insert(label, next.number);
                }
                self.spare.push(next.event.row);
            }
            Err(error) => self.refuse(next, error)?,
        }
        Ok(passed)
    }

    /// Takes the labels that no longer wait at a partition of the first stage; those whose transaction has come go on.
    fn end_waiting(&mut self, partition: usize) -> Result<Vec<Sourced>, BackfillError> {
        let mut passed = Vec::new();
        while let Some((event, applied)) = self.chain.next_label(self.engine, partition)? {
            let number = self.waiting.remove(&(event.input, event.id().to_owned()));
            let label = Sourced {
                source: SourceId::new(0, partition as i32),
                number: number.unwrap_or(0),
                event,
            };
            match applied {
                Ok(()) => passed.push(label),
                Err(rejection) => self.refuse(label, rejection.into())?,
            }
        }
        Ok(passed)
    }

    /// Takes an event through the stages after the first one.
    fn apply_rest(&mut self, mut next: Sourced) -> Result<(), BackfillError> {
        match self.chain.apply_from(1, self.engine, next.source, &mut next.event) {
            Ok(()) => self.finish(next.event),
            Err(error) => self.refuse(next, error),
        }
    }

    /// Takes events of one watermark through the stages after the first one, at each in the order of its sources.
    fn apply_together(&mut self, mut events: Sorter) -> Result<(), BackfillError> {
        for stage in 1..self.chain.stages() {
            let mut sorted = events.sort()?;
            events = Sorter::new(&self.sorting);
            while let Some(mut next) = sorted.next(self.row())? {
                if !self.engine.travels(stage, &next.event) {
                    self.finish(next.event)?;
                    continue;
                }
                match self.chain.apply_at(stage, self.engine, next.source, &mut next.event) {
                    Ok(source) => {
                        next.source = source.unwrap_or(next.source);
                        events.push(&next)?;
                        self.spare.push(next.event.row);
                    }
                    Err(error) => self.refuse(next, error)?,
                }
            }
        }
        let mut sorted = events.sort()?;
        while let Some(next) = sorted.next(self.row())? {
            self.finish(next.event)?;
        }
        Ok(())
    }

    /// Counts an applied event. After each batch of them, moves entities that do not fit the caches to the stores; whether to
    /// go on.
    fn count_applied(&mut self, go_on: GoOn<'_>) -> Result<bool, BackfillError> {
        self.applied += 1;
        if !self.applied.is_multiple_of(BATCH as u64) {
            return Ok(true);
        }
        self.chain.spill()?;
        Ok(go_on(&self.summary))
    }

    /// An event that no stage has to apply any more: a transaction is decided with the others of its batch.
    fn finish(&mut self, event: Event) -> Result<(), BackfillError> {
        if event.input != TRANSACTIONS {
            self.spare.push(event.row);
            return Ok(());
        }
        self.summary.late += u64::from(event.flags.contains(Flags::LATE));
        self.summary.too_late += u64::from(event.flags.contains(Flags::TOO_LATE));
        self.batch.events.push(event);
        match self.batch.events.len() {
            BATCH => self.decide(),
            _ => Ok(()),
        }
    }

    /// An event that a stage could not apply.
    fn refuse(&mut self, event: Sourced, error: StageError) -> Result<(), BackfillError> {
        match error {
            StageError::Rejected(rejection) => {
                self.reject(event.event.input, event.number, &rejection);
                self.spare.push(event.event.row);
                Ok(())
            }
            StageError::State(error) => Err(error.into()),
        }
    }

    fn reject(&mut self, input: u8, number: u64, rejection: &Rejection) {
        self.summary.rejected += 1;
        self.sink.rejected(input, number, rejection);
    }

    /// Decides the transactions that wait.
    fn decide(&mut self) -> Result<(), BackfillError> {
        let batch = &mut self.batch;
        batch.decider.decide(
            self.engine.plan(),
            &mut batch.in_force,
            &mut batch.events,
            &mut batch.decisions,
        );
        self.sink.decided(&batch.events, &batch.decisions)?;
        self.summary.decided += batch.events.len() as u64;
        self.spare.extend(batch.events.drain(..).map(|event| event.row));
        Ok(())
    }

    /// A row to use again.
    fn row(&mut self) -> Row {
        self.spare.pop().unwrap_or_default()
    }
}

/// The sources of files: each file one of its own, or all files of an input distributed over its partitions.
fn sources(files: Vec<InputFile>, order: Order, partitions: Option<&Partitions>) -> Vec<FileSource> {
    let Some(partitions) = partitions else {
        let source = |(number, file): (usize, InputFile)| FileSource::new(file.input, vec![file], order, number, 1);
        return files.into_iter().enumerate().map(source).collect();
    };
    let mut by_input: BTreeMap<u8, Vec<InputFile>> = BTreeMap::new();
    for file in files {
        by_input.entry(file.input).or_default().push(file);
    }
    let source = |(input, files)| {
        let count = partitions.inputs[usize::from(input)] as usize;
        FileSource::new(input, files, order, 0, count)
    };
    by_input.into_iter().map(source).collect()
}
