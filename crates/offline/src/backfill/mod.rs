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
use chain::{Chain, Label};
use file_source::{FileSource, Sourced, Taken};
use riskstream_engine::plan::TRANSACTIONS;
use riskstream_engine::{Engine, Event, StageError};
use riskstream_events::{Flags, Rejection, Row};
use riskstream_features::state::StateError;
use riskstream_pipeline::{Applied, Stores};
use riskstream_scoring::{Decider, Decision, Lineup, ModelsInForce};
use sorter::{SortOptions, Sorted, Sorter};
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
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// Whoever takes the results.
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

    /// A record that cannot be used: the input, its number in the file (0 if it is a label that waited for its transaction), why.
    fn rejected(&mut self, input: u8, number: u64, rejection: &Rejection);
}

/// What a backfill did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records read from all files.
    pub records: u64,
    /// Transactions decided.
    pub decided: u64,
    /// Records that could not be used.
    pub rejected: u64,
    /// Records that a filter of their input left out.
    pub filtered: u64,
    /// Events whose time is doubtful, see [`InputPlan::doubts`](riskstream_engine::plan::InputPlan::doubts).
    pub doubtful_times: u64,
    /// The input and the number in the file of the first of them.
    pub first_doubtful: Option<(u8, u64)>,
    /// Events that came after a later one of their partition.
    pub late: u64,
    /// Of these, events that were older than some state keeps: they are not part of any feature.
    pub too_late: u64,
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
    applied: u64,
    summary: Summary,
}

/// The transactions that wait to be decided, and who decides.
struct Batch {
    models: ModelsInForce,
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
        lineup: Arc<Lineup>,
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
                models: ModelsInForce::new(lineup),
                decider: Decider::default(),
                events: Vec::with_capacity(BATCH),
                decisions: Vec::new(),
            },
            sink,
            spare: Vec::new(),
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
            let is_alone = sorted.watermark() != Some(first.event.watermark);
            let goes_on = if is_alone || self.chain.keeps_order() {
                self.apply(first, go_on)?
            } else {
                let together = self.together(first, &mut sorted)?;
                self.apply_together(together, go_on)?
            };
            if !goes_on {
                return Ok(self.summary);
            }
        }
        while self.chain.give_up_labels()? {
            let labels = self.labels()?;
            self.apply_labels(labels)?;
        }
        self.decide()?;
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
            Taken::Event(sourced) => {
                if self.engine.plan().inputs[usize::from(source.input())].doubts(sourced.event.event_time()) {
                    self.summary.doubtful_times += 1;
                    let first = (source.input(), sourced.number);
                    self.summary.first_doubtful.get_or_insert(first);
                }
                sorter.push(&sourced)?;
                self.spare.push(sourced.event.row);
            }
            Taken::Filtered(row) => {
                self.summary.filtered += 1;
                self.spare.push(row);
            }
            Taken::Rejected(row, number, rejection) => {
                self.reject(source.input(), number, &rejection);
                self.spare.push(row);
            }
        }
        Ok(true)
    }

    /// Takes an event through all stages; whether to go on.
    fn apply(&mut self, mut next: Sourced, go_on: GoOn<'_>) -> Result<bool, BackfillError> {
        match self.chain.apply_from(0, self.engine, next.source, &mut next.event) {
            Ok(Applied::Now) => self.finish(next.event)?,
            Ok(Applied::Later) => self.spare.push(next.event.row),
            Err(error) => self.refuse(next, error)?,
        }
        let labels = self.labels()?;
        self.apply_labels(labels)?;
        self.count_applied(go_on)
    }

    /// The labels that no longer wait for their transactions after what was applied last.
    fn labels(&mut self) -> Result<Vec<Label>, BackfillError> {
        let mut labels = Vec::new();
        while let Some(label) = self.chain.next_label(self.engine)? {
            labels.push(label);
        }
        Ok(labels)
    }

    /// Takes labels that waited through the stages after the first.
    fn apply_labels(&mut self, labels: Vec<Label>) -> Result<(), BackfillError> {
        for (source, mut event, applied) in labels {
            let applied = match applied {
                Ok(()) => self.chain.apply_from(1, self.engine, source, &mut event).map(|_| ()),
                Err(rejection) => Err(rejection.into()),
            };
            match applied {
                Ok(()) => self.finish(event)?,
                Err(error) => {
                    let number = 0;
                    self.refuse(Sourced { source, number, event }, error)?;
                }
            }
        }
        Ok(())
    }

    /// The events of the watermark of `first`.
    fn together(&mut self, first: Sourced, sorted: &mut Sorted) -> Result<Sorter, BackfillError> {
        let watermark = first.event.watermark;
        let mut together = Sorter::new(&self.sorting);
        let mut next = Some(first);
        while let Some(sourced) = next {
            together.push(&sourced)?;
            self.spare.push(sourced.event.row);
            next = match sorted.watermark() == Some(watermark) {
                true => sorted.next(self.row())?,
                false => None,
            };
        }
        Ok(together)
    }

    /// Applies events of one watermark at one stage after the other, at each in the order of its sources; whether to go on.
    fn apply_together(&mut self, mut events: Sorter, go_on: GoOn<'_>) -> Result<bool, BackfillError> {
        let mut labels = Vec::new();
        for stage in 0..self.chain.stages() {
            let mut sorted = events.sort()?;
            events = Sorter::new(&self.sorting);
            while let Some(mut next) = sorted.next(self.row())? {
                if !self.engine.travels(stage, &next.event) {
                    self.finish(next.event)?;
                    continue;
                }
                match self.chain.apply_at(stage, self.engine, next.source, &mut next.event) {
                    Ok(Some(partition)) => {
                        next.source = partition;
                        events.push(&next)?;
                        self.spare.push(next.event.row);
                    }
                    Ok(None) => self.spare.push(next.event.row),
                    Err(error) => self.refuse(next, error)?,
                }
                if stage == 0 {
                    labels.extend(self.labels()?);
                    if !self.count_applied(go_on)? {
                        return Ok(false);
                    }
                }
            }
        }
        let mut sorted = events.sort()?;
        while let Some(next) = sorted.next(self.row())? {
            self.finish(next.event)?;
        }
        self.apply_labels(labels)?;
        Ok(true)
    }

    /// Makes room now and then; whether to go on.
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
        self.summary.late += u64::from(event.flags.contains(Flags::LATE));
        self.summary.too_late += u64::from(event.flags.contains(Flags::TOO_LATE));
        if event.input != TRANSACTIONS {
            self.spare.push(event.row);
            return Ok(());
        }
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
        batch
            .decider
            .decide(self.engine, &mut batch.models, &mut batch.events, &mut batch.decisions);
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
