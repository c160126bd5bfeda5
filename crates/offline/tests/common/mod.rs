//! Records in memory in place of files, and the same records through the service.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use riskstream_definition::Compiled;
use riskstream_engine::{Engine, Event};
use riskstream_events::{DecodeError, InputFields, JsonDecoder, OwnedDecisionRecord, Rejection, Row};
use riskstream_lists::ListSet;
use riskstream_offline::backfill::{
    Backfill, BackfillError, InputFile, Options, Order, Partitions, RecordKey, SORT_MEMORY, Sink, Summary,
};
use riskstream_offline::read::{Next, ReadError, Rows};
use riskstream_pipeline::liveness::LivenessOptions;
use riskstream_pipeline::{Stores, TestDriver, WorkerOptions};
use riskstream_scoring::{Decision, with_decision_record};
use std::sync::Arc;
use std::time::Duration;

pub const SECRET: &[u8] = b"a secret for simulated people only";

/// Records in memory in place of a file.
pub struct Lines {
    lines: Box<dyn Iterator<Item = Vec<u8>>>,
    decoder: JsonDecoder,
    number: u64,
}

impl Rows for Lines {
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError> {
        let Some(line) = self.lines.next() else {
            return Ok(Next::End);
        };
        self.number += 1;
        match self.decoder.decode(&line, row) {
            Ok(()) => Ok(Next::Row),
            Err(DecodeError::Rejected(rejection)) => Ok(Next::Rejected(self.number, rejection)),
            Err(DecodeError::Unavailable(why)) => panic!("{why}"),
        }
    }
}

pub fn input(compiled: &Compiled, input: usize, lines: impl IntoIterator<Item = Vec<u8>> + 'static) -> InputFile {
    let fields = compiled.input_fields(input, Some(SECRET)).unwrap();
    keyed_input(input, &fields, lines, None)
}

fn keyed_input(
    input: usize,
    fields: &InputFields,
    lines: impl IntoIterator<Item = Vec<u8>> + 'static,
    key: Option<RecordKey>,
) -> InputFile {
    let rows = Lines {
        lines: Box::new(lines.into_iter()),
        decoder: JsonDecoder::new(fields),
        number: 0,
    };
    InputFile {
        input: input as u8,
        rows: Box::new(rows),
        key,
    }
}

/// The file with its key, as `riskstream backfill --partitions` opens it.
pub fn keyed(compiled: &Compiled, index: usize, lines: &[KeyedLine]) -> InputFile {
    let fields = compiled.input_fields(index, Some(SECRET)).unwrap();
    let key = compiled.inputs[index].key.as_deref().unwrap();
    let place = fields.fields.iter().position(|field| field.name == key).unwrap();
    let in_clear = fields.in_clear(place);
    let key = RecordKey {
        slot: fields.fields[place].slot,
        personal: fields.is_personal(place).then_some(fields),
        required: compiled.repartition_topics[0].is_none(),
    };
    let lines: Vec<Vec<u8>> = lines.iter().map(|(_, line)| line.clone()).collect();
    keyed_input(index, &in_clear, lines, Some(key))
}

/// Records as they are in the file, on one partition of each topic; what is sorted stays in memory.
pub fn options(order: Order) -> Options {
    Options {
        order,
        partitions: None,
        sort_memory: SORT_MEMORY,
        directory: std::env::temp_dir(),
    }
}

/// Decisions as they would be on the topic, and the input and number of what was rejected.
pub struct Collected<'c> {
    pub compiled: &'c Compiled,
    pub decisions: Vec<OwnedDecisionRecord>,
    pub rejected: Vec<(u8, u64)>,
}

impl Sink for Collected<'_> {
    fn decided(&mut self, events: &[Event], decisions: &[Decision]) -> Result<(), BackfillError> {
        for (event, decision) in events.iter().zip(decisions) {
            let (plan, set) = (&self.compiled.plan, &self.compiled.decision);
            let mut json = Vec::new();
            with_decision_record(plan, set, &ListSet::default(), event, decision, None, |decision| {
                riskstream_events::encode_json(decision, &mut json);
            });
            self.decisions.push(OwnedDecisionRecord::from_json(&json).unwrap());
        }
        Ok(())
    }

    fn rejected(&mut self, input: u8, number: u64, _: &Rejection) {
        self.rejected.push((input, number));
    }
}

pub fn backfill<'c>(
    compiled: &'c Compiled,
    stores: &mut dyn Stores,
    files: Vec<InputFile>,
    options: Options,
) -> (Summary, Collected<'c>) {
    let mut collected = Collected {
        compiled,
        decisions: Vec::new(),
        rejected: Vec::new(),
    };
    let mut engine = Engine::new(Arc::clone(&compiled.plan));
    let set = Arc::clone(&compiled.decision);
    let backfill = Backfill::new(&mut engine, set, stores, files, options, &mut collected).unwrap();
    let summary = backfill.run(&mut |_| true).unwrap();
    (summary, collected)
}

/// Forgets all that it is given.
struct Nothing;

impl Sink for Nothing {
    fn decided(&mut self, _: &[Event], _: &[Decision]) -> Result<(), BackfillError> {
        Ok(())
    }

    fn rejected(&mut self, _: u8, _: u64, _: &Rejection) {}
}

/// A backfill of which only the summary is kept.
pub fn summary(compiled: &Compiled, stores: &mut dyn Stores, files: Vec<InputFile>, options: Options) -> Summary {
    let mut engine = Engine::new(Arc::clone(&compiled.plan));
    let set = Arc::clone(&compiled.decision);
    let mut sink = Nothing;
    let backfill = Backfill::new(&mut engine, set, stores, files, options, &mut sink).unwrap();
    backfill.run(&mut |_| true).unwrap()
}

/// A record's key and value.
pub type KeyedLine = (String, Vec<u8>);

/// What the service decides on the same records as history, in the order of the topic, and how many records it cannot use:
/// dead letters, and labels that wait for a transaction.
pub fn served(
    compiled: &Compiled,
    inputs: &[Vec<KeyedLine>],
    partitions: &Partitions,
) -> (Vec<OwnedDecisionRecord>, usize) {
    let mut driver = service(compiled, partitions);
    driver.add_worker();
    send(&driver, inputs);
    driver.run().unwrap();
    let unusable = driver.dead_letters().len() + driver.waiting_labels() as usize;
    (decisions(&driver), unusable)
}

/// Writes records to the topics of the inputs.
pub fn send(driver: &TestDriver, inputs: &[Vec<KeyedLine>]) {
    for (input, lines) in inputs.iter().enumerate() {
        for (key, line) in lines {
            driver.send(input, key, line, None);
        }
    }
}

/// Decisions in the order of their ids; those of one id in the order in which they were made.
pub fn by_id(mut decisions: Vec<OwnedDecisionRecord>) -> Vec<OwnedDecisionRecord> {
    decisions.sort_by_key(|decision| decision.event_id.parse::<u64>().unwrap());
    decisions
}

/// The decisions so far, without the times that they took.
pub fn decisions(driver: &TestDriver) -> Vec<OwnedDecisionRecord> {
    let read = |record: riskstream_pipeline::memory::StoredRecord| {
        let mut decision = OwnedDecisionRecord::from_json(&record.value.unwrap()).unwrap();
        decision.latency = None;
        decision
    };
    driver.decisions().into_iter().map(read).collect()
}

/// The service on new topics, still without a worker.
pub fn service(compiled: &Compiled, partitions: &Partitions) -> TestDriver {
    let topology = Arc::new(compiled.json_topology(Some(SECRET)).unwrap());
    let mut driver = TestDriver::new(Arc::clone(&topology), 1);
    driver.kill_worker(0);
    for (input, count) in topology.inputs.iter().zip(&partitions.inputs) {
        driver.broker.create(&input.topic, *count);
    }
    for (topic, count) in topology.repartition_topics.iter().zip(&partitions.stages) {
        if let (Some(topic), Some(count)) = (topic, count) {
            driver.broker.create(topic, *count);
        }
    }
    // The records are history, and sources are always merged by their watermarks.
    driver.clock.advance(Duration::from_secs(100 * 365 * 86_400));
    driver.set_options(WorkerOptions {
        batch_events: 500,
        liveness: LivenessOptions {
            live_rate: 0,
            real_time: Duration::ZERO,
            ..LivenessOptions::default()
        },
        ..WorkerOptions::default()
    });
    driver
}
