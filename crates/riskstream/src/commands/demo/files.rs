//! The demo over the user's files: the same run as `riskstream backfill`, with decisions as JSON.

use super::progress::Progress;
use super::results::{GroundTruth, Results};
use crate::commands::error::CommandError;
use crate::commands::input_files::{FileArgs, Given, notes};
use crate::shutdown::Shutdown;
use riskstream_definition::Compiled;
use riskstream_engine::plan::Plan;
use riskstream_engine::{Engine, Event};
use riskstream_events::{Rejection, Row, Slot, Value, ValueType, encode_json, write_key};
use riskstream_lists::ListSet;
use riskstream_offline::backfill::{Backfill, BackfillError, InputFile, Options, Order, SORT_MEMORY, Sink};
use riskstream_offline::read::{Next, ReadError, Rows};
use riskstream_pipeline::driver::MemoryStores;
use riskstream_scoring::{Decision, with_decision_record};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// The files that are read, and what their labels say.
pub(super) struct Files {
    opened: Vec<InputFile>,
    order: Order,
    truth: Rc<RefCell<GroundTruth>>,
}

impl Files {
    /// Opens the files of `--input`.
    ///
    /// # Errors
    /// See [`FileArgs::open`].
    pub(super) fn open(
        args: &FileArgs,
        inputs: &[Given],
        compiled: &Compiled,
        secret: Option<&[u8]>,
    ) -> Result<Files, CommandError> {
        let reading = |input: usize| {
            let fields = compiled.input_fields(input, secret);
            Ok((fields.map_err(CommandError::configuration)?, None))
        };
        let truth = Rc::new(RefCell::new(GroundTruth::new()));
        let noting = |file: InputFile| match LabelFields::of(compiled, file.input) {
            None => file,
            Some(labels) => InputFile {
                rows: Box::new(LabelReader {
                    rows: file.rows,
                    labels,
                    plan: Arc::clone(&compiled.plan),
                    truth: Rc::clone(&truth),
                }),
                ..file
            },
        };
        let opened = args.open(compiled, inputs, reading)?;
        let opened = opened.into_iter().map(noting).collect();
        Ok(Files {
            opened,
            order: args.order().unwrap_or(Order::EventTime),
            truth,
        })
    }

    /// Runs to the end of all files, or until the user interrupts. What does not fit memory while records are sorted goes to
    /// `directory`. Gives what the labels say, if there are any.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub(super) fn run(
        self,
        compiled: &Compiled,
        directory: &Path,
        results: &mut Results,
        progress: &mut Progress,
        shutdown: &Shutdown,
    ) -> Result<Option<GroundTruth>, CommandError> {
        let options = Options {
            order: self.order,
            partitions: None,
            sort_memory: SORT_MEMORY,
            directory: directory.to_owned(),
        };
        let mut engine = Engine::new(Arc::clone(&compiled.plan));
        let decision = Arc::clone(&compiled.decision);
        let results = RefCell::new(results);
        let mut sink = DecisionSink {
            compiled,
            results: &results,
            json: Vec::new(),
        };
        let mut stores = MemoryStores::default();
        let backfill = Backfill::new(&mut engine, decision, &mut stores, self.opened, options, &mut sink);
        let summary = backfill
            .and_then(|backfill| {
                backfill.run(&mut |_| {
                    progress.update(&[], &results.borrow());
                    !shutdown.requested()
                })
            })
            .map_err(CommandError::failed)?;
        progress.finish();
        for note in notes(&summary, compiled) {
            println!("{note}");
        }
        let truth = std::mem::take(&mut *self.truth.borrow_mut());
        Ok((!truth.is_empty()).then_some(truth))
    }
}

/// Takes decisions as records of the topic.
struct DecisionSink<'a> {
    compiled: &'a Compiled,
    results: &'a RefCell<&'a mut Results>,
    json: Vec<u8>,
}

impl Sink for DecisionSink<'_> {
    fn decided(&mut self, events: &[Event], decisions: &[Decision]) -> Result<(), BackfillError> {
        let Compiled {
            plan, decision: set, ..
        } = self.compiled;
        for (event, decision) in events.iter().zip(decisions) {
            self.json.clear();
            with_decision_record(plan, set, &ListSet::default(), event, decision, None, |record| {
                encode_json(record, &mut self.json);
            });
            let taken = self.results.borrow_mut().decision(&self.json);
            taken.map_err(|error| BackfillError::Sink(error.into()))?;
        }
        Ok(())
    }

    fn rejected(&mut self, input: u8, number: u64, rejection: &Rejection) {
        let input = &self.compiled.plan.inputs[usize::from(input)].name;
        self.results.borrow_mut().rejected(input, number, rejection);
    }
}

/// The slots of a label that give the ground truth.
struct LabelFields {
    /// The id of its transaction.
    id: Slot,
    /// Whether that was fraud.
    fraud: Slot,
}

impl LabelFields {
    /// The id and the first boolean field of an input of labels.
    fn of(compiled: &Compiled, input: u8) -> Option<LabelFields> {
        let input = usize::from(input);
        let mut fields = compiled.inputs[input].fields.iter();
        let fraud = fields.find(|field| field.value_type == ValueType::Bool)?;
        (input > 0).then(|| LabelFields {
            id: compiled.plan.inputs[input].id,
            fraud: fraud.slot,
        })
    }
}

/// Labels, noted as they are read.
struct LabelReader {
    rows: Box<dyn Rows>,
    labels: LabelFields,
    plan: Arc<Plan>,
    truth: Rc<RefCell<GroundTruth>>,
}

impl Rows for LabelReader {
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError> {
        let next = self.rows.next(row)?;
        let mut id = String::new();
        if let (Next::Row, Value::Bool(fraud)) = (&next, &row[self.labels.fraud])
            && write_key(
                &self.plan.published_value(self.labels.id, &row[self.labels.id]),
                &mut id,
            )
            .is_some()
        {
            self.truth.borrow_mut().insert(id, *fraud);
        }
        Ok(next)
    }
}
