//! The engine over files: the same steps as the service takes, without a log in between. What it computes for
//! training equals what serving computes, to the last bit.

use crate::read::{Next, ReadError, Rows};
use riskstream_engine::plan::TRANSACTIONS;
use riskstream_engine::{Engine, Event, StageError, StreamTime};
use riskstream_events::{Flags, Rejection, Row, Value};
use riskstream_features::EntityStates;
use riskstream_features::state::{MemoryState, StateError};
use riskstream_scoring::{Decider, Decision, Lineup, ModelsInForce};
use std::sync::Arc;

/// A file as an input of the pipeline.
pub struct InputFile {
    /// Index of the input in the plan.
    pub input: u8,
    /// Its records.
    pub rows: Box<dyn Rows>,
}

/// Why a backfill ended early.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// A file.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The state, which is in memory.
    #[error(transparent)]
    State(#[from] StateError),
    /// Whoever takes the results.
    #[error(transparent)]
    Sink(#[from] crate::write::WriteError),
}

/// Takes decided transactions, in order, and what could not be used.
pub trait Sink {
    /// Transactions with all features, and their decisions.
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

struct Stage {
    states: EntityStates,
    store: MemoryState,
    stream_time: StreamTime,
}

/// A source with its next event at hand.
struct Head {
    source: InputFile,
    watermark: i64,
    next: Option<Event>,
}

/// Who decides, and the transactions that wait for it.
struct Batch {
    models: ModelsInForce,
    decider: Decider,
    events: Vec<Event>,
    decisions: Vec<Decision>,
}

/// Rows scored together.
const BATCH: usize = 1024;

/// Runs the pipeline of `engine` over `sources`. Several files are merged as the service merges topics: by the
/// watermark of each (the largest event time so far), labels first, so a file's own order is its order of arrival.
/// `progress` is called about every thousand records and may end the run by answering false.
pub fn run(
    engine: &mut Engine,
    lineup: Arc<Lineup>,
    sources: Vec<InputFile>,
    sink: &mut dyn Sink,
    progress: &mut dyn FnMut(&Summary) -> bool,
) -> Result<Summary, BackfillError> {
    let plan = Arc::clone(engine.plan());
    let stage = |features| Stage {
        states: EntityStates::new(features),
        store: MemoryState::default(),
        stream_time: StreamTime::default(),
    };
    let mut stages: Vec<Stage> = plan
        .stages
        .iter()
        .map(|plan| stage(Arc::clone(&plan.features)))
        .collect();
    let mut spare = Vec::new();
    let mut summary = Summary::default();
    let mut heads = Vec::with_capacity(sources.len());
    for source in sources {
        let mut head = Head {
            source,
            watermark: i64::MIN,
            next: None,
        };
        head.advance(engine, sink, &mut spare, &mut summary)?;
        heads.push(head);
    }
    let mut batch = Batch {
        models: ModelsInForce::new(lineup),
        decider: Decider::default(),
        events: Vec::with_capacity(BATCH),
        decisions: Vec::new(),
    };
    while let Some(head) = earliest(&mut heads) {
        let mut event = head.next.take().expect("the earliest has an event");
        match apply(engine, &mut stages, &mut event) {
            Ok(()) if event.input == TRANSACTIONS => batch.events.push(event),
            Ok(()) => spare.push(event.row),
            Err(StageError::Rejected(rejection)) => {
                sink.rejected(event.input, 0, &rejection);
                summary.rejected += 1;
                spare.push(event.row);
            }
            Err(StageError::State(error)) => return Err(error.into()),
        }
        head.advance(engine, sink, &mut spare, &mut summary)?;
        if batch.events.len() == BATCH {
            batch.decide(engine, sink, &mut spare, &mut summary)?;
        }
        if summary.records % BATCH as u64 == 0 && !progress(&summary) {
            return Ok(summary);
        }
    }
    batch.decide(engine, sink, &mut spare, &mut summary)?;
    progress(&summary);
    Ok(summary)
}

fn earliest(heads: &mut [Head]) -> Option<&mut Head> {
    heads
        .iter_mut()
        .filter(|head| head.next.is_some())
        .min_by_key(|head| (head.watermark, head.source.input == TRANSACTIONS))
}

/// Takes the event through all stages that it travels to.
fn apply(engine: &mut Engine, stages: &mut [Stage], event: &mut Event) -> Result<(), StageError> {
    for (index, stage) in stages.iter_mut().enumerate() {
        if index > 0 && !engine.travels(index, event) {
            break;
        }
        engine.apply(index, &mut stage.states, &stage.store, &mut stage.stream_time, event)?;
    }
    Ok(())
}

impl Batch {
    /// Decides all that wait.
    fn decide(
        &mut self,
        engine: &mut Engine,
        sink: &mut dyn Sink,
        spare: &mut Vec<Row>,
        summary: &mut Summary,
    ) -> Result<(), BackfillError> {
        self.decider
            .decide(engine, &mut self.models, &mut self.events, &mut self.decisions);
        sink.decided(&self.events, &self.decisions)?;
        summary.decided += self.events.len() as u64;
        spare.extend(self.events.drain(..).map(|event| event.row));
        Ok(())
    }
}

impl Head {
    /// Reads on to the next usable record.
    fn advance(
        &mut self,
        engine: &Engine,
        sink: &mut dyn Sink,
        spare: &mut Vec<Row>,
        summary: &mut Summary,
    ) -> Result<(), BackfillError> {
        let mut row = spare.pop().unwrap_or_default();
        loop {
            row.clear();
            row.resize(engine.plan().slots.len(), Value::Null);
            let input = self.source.input;
            let rejection = match self.source.rows.next(&mut row)? {
                Next::End => return Ok(()),
                Next::Rejected(number, rejection) => (number, rejection),
                Next::Row => match engine.admit(input, None, &mut row) {
                    Err(rejection) => (summary.records + 1, rejection),
                    Ok(()) => {
                        summary.records += 1;
                        let mut event = Event {
                            input,
                            watermark: 0,
                            flags: Flags::default(),
                            row,
                        };
                        self.watermark = self.watermark.max(event.event_time());
                        event.watermark = self.watermark;
                        self.next = Some(event);
                        return Ok(());
                    }
                },
            };
            summary.records += 1;
            summary.rejected += 1;
            sink.rejected(input, rejection.0, &rejection.1);
        }
    }
}
