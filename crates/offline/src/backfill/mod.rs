//! A pipeline over files: the same steps as the service takes, without a log in between. What it computes for training
//! equals what the service computes, to the last bit.

mod chain;
mod file_source;

pub use file_source::InputFile;

use crate::read::ReadError;
use crate::write::WriteError;
use chain::Chain;
use file_source::FileSource;
use riskstream_engine::plan::TRANSACTIONS;
use riskstream_engine::{Engine, Event, StageError};
use riskstream_events::{Rejection, Row};
use riskstream_features::state::StateError;
use riskstream_pipeline::Stores;
use riskstream_pipeline::merge::MergeOrder;
use riskstream_scoring::{Decider, Decision, Lineup, ModelsInForce};
use std::sync::Arc;

/// Why a backfill ended early.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// A file.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// Whoever takes the results.
    #[error(transparent)]
    Sink(#[from] WriteError),
}

/// Takes decided transactions, in order, and what could not be used.
pub trait Sink {
    /// Transactions with all features, and their decisions.
    ///
    /// # Errors
    /// They cannot be written.
    fn decided(&mut self, events: &[Event], decisions: &[Decision]) -> Result<(), BackfillError>;

    /// A record that cannot be used: the input, its number in the file (0 if a later step refused it), why.
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
}

/// Rows scored together, and events after which entities that do not fit the cache leave memory.
const BATCH: usize = 1024;

/// A run of a pipeline over files.
pub struct Backfill<'a> {
    engine: &'a mut Engine,
    chain: Chain,
    sources: Vec<FileSource>,
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
        sink: &'a mut dyn Sink,
    ) -> Result<Backfill<'a>, BackfillError> {
        Ok(Backfill {
            chain: Chain::open(engine.plan(), stores)?,
            engine,
            sources: files.into_iter().map(FileSource::new).collect(),
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

    /// Runs to the end of all files. They are merged as the service merges topics: by the watermark of each (the largest
    /// event time so far), labels first, so a file's own order is its order of arrival. `go_on` is asked about every
    /// thousand records and may end the run by answering false.
    ///
    /// # Errors
    /// See [`BackfillError`]. Some results may have reached the sink.
    pub fn run(mut self, go_on: &mut dyn FnMut(&Summary) -> bool) -> Result<Summary, BackfillError> {
        for source in 0..self.sources.len() {
            self.advance(source)?;
        }
        while let Some(source) = self.earliest() {
            if let Some(event) = self.sources[source].take() {
                self.apply(event)?;
            }
            self.advance(source)?;
            if self.applied.is_multiple_of(BATCH as u64) {
                self.chain.spill()?;
                if !go_on(&self.summary) {
                    return Ok(self.summary);
                }
            }
        }
        self.decide()?;
        go_on(&self.summary);
        Ok(self.summary)
    }

    /// The source whose next event comes first.
    fn earliest(&self) -> Option<usize> {
        let order = |(number, source): (usize, &FileSource)| Some(MergeOrder::of(source.next()?, number));
        let first = self.sources.iter().enumerate().filter_map(order).min();
        first.map(|order| order.source())
    }

    /// Reads a source on to its next usable record.
    fn advance(&mut self, source: usize) -> Result<(), BackfillError> {
        let row = self.spare.pop().unwrap_or_default();
        let source = &mut self.sources[source];
        let left = source.advance(self.engine, row, |input, number, rejection| {
            self.summary.rejected += 1;
            self.sink.rejected(input, number, rejection);
        })?;
        self.spare.extend(left);
        self.summary.records = self.sources.iter().map(FileSource::records).sum();
        Ok(())
    }

    fn apply(&mut self, mut event: Event) -> Result<(), BackfillError> {
        self.applied += 1;
        match self.chain.apply(self.engine, &mut event) {
            Ok(()) if event.input == TRANSACTIONS => self.batch.events.push(event),
            Ok(()) => self.spare.push(event.row),
            Err(StageError::Rejected(rejection)) => {
                self.sink.rejected(event.input, 0, &rejection);
                self.summary.rejected += 1;
                self.spare.push(event.row);
            }
            Err(StageError::State(error)) => return Err(error.into()),
        }
        if self.batch.events.len() == BATCH {
            self.decide()?;
        }
        Ok(())
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
}
