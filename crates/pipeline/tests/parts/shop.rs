//! A pipeline of two entities without models, its events as records, and what tasks share.

use riskstream_definition::{Compiled, Style, compile};
use riskstream_engine::plan::Plan;
use riskstream_engine::{Engine, Event};
use riskstream_events::{InputDecoder, Row};
use riskstream_lists::Offsets;
use riskstream_pipeline::context::TaskContext;
use riskstream_pipeline::dead_letters::DeadLetters;
use riskstream_pipeline::decide::DecisionBuffer;
use riskstream_pipeline::decision_sink::DecisionSink;
use riskstream_pipeline::input_source::InputSource;
use riskstream_pipeline::log::{Outputs, RecordRef, TopicPartition};
use riskstream_pipeline::progress::{Phase, Watermark};
use riskstream_pipeline::repartition::RepartitionFormat;
use riskstream_pipeline::repartition_source::RepartitionSource;
use riskstream_pipeline::repartition_writer::{RepartitionWriter, RepartitionWriters};
use riskstream_pipeline::sink::{RepartitionSink, Sink};
use riskstream_pipeline::source::Source;
use riskstream_pipeline::sources::SourceId;
use riskstream_pipeline::{DecisionFormat, Observer, Prepared, Tally, Task};
use riskstream_scoring::{Decider, DecisionSet, Lineup};
use std::path::Path;
use std::sync::Arc;

const PIPELINE: &str = "
name: parts
inputs:
  transactions:
    topic: transactions
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, terminal: text, amount: float}
  labels:
    topic: labels
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, fraud: bool}
entities: {customer: {key: customer}, terminal: {key: terminal}}
features:
  payments: {entity: customer, count: transactions, window: 1d}
  frauds: {entity: customer, count: labels, window: 1d, when: fraud}
  visits: {entity: terminal, count: transactions, window: 1d}
rules:
  - {name: busy, when: payments > 2, then: review, reason: R1}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

/// Indexes of topics, as the tests choose them.
pub const DECISIONS: usize = 0;
pub const DEAD_LETTERS: usize = 1;
pub const TO_CUSTOMER: usize = 2;
pub const TO_TERMINAL: usize = 3;
pub const FURTHER_OUTPUTS: usize = 4;

/// Stages and inputs.
pub const CUSTOMER: usize = 0;
pub const TERMINAL: usize = 1;
pub const TRANSACTIONS: u8 = 0;
pub const LABELS: u8 = 1;

/// What the tasks of a worker share.
pub struct Shop {
    pub compiled: Compiled,
    pub engine: Engine,
    pub writers: RepartitionWriters,
    pub appended: Outputs,
    pub outputs: Outputs,
    pub tally: Tally,
    pub now: i64,
    decider: Decider,
    dead_letters: DeadLetters,
    rows: Vec<Row>,
    prepared: Prepared,
    observer: Option<Box<dyn Observer>>,
}

impl Shop {
    pub fn new() -> Shop {
        Shop::of(PIPELINE)
    }

    /// A shop whose transactions have these further keys.
    pub fn with_input_keys(keys: &str) -> Shop {
        let topic = "topic: transactions\n";
        Shop::of(&PIPELINE.replace(topic, &format!("{topic}    {keys}\n")))
    }

    /// With labels that lack the terminal, which has a feature of them. They wait for an hour.
    pub fn with_incomplete_labels() -> Shop {
        let of_terminal = "  risk: {entity: terminal, count: labels, window: 30d, when: fraud}\n  visits:";
        let source = PIPELINE.replace("  visits:", of_terminal);
        Shop::of(&source.replace("topic: labels", "topic: labels\n    arrives_within: 1h"))
    }

    fn of(source: &str) -> Shop {
        let compiled = compile("parts.yaml", source, Path::new("."), &|_| None)
            .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
        Shop {
            engine: Engine::new(Arc::clone(&compiled.plan)),
            compiled,
            writers: RepartitionWriters::default(),
            appended: Outputs::default(),
            outputs: Outputs::default(),
            tally: Tally::default(),
            now: 0,
            decider: Decider::default(),
            dead_letters: DeadLetters {
                topic: DEAD_LETTERS,
                pipeline: "parts".to_owned(),
                keep_values: true,
            },
            rows: Vec::new(),
            prepared: Prepared::nothing(),
            observer: None,
        }
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.compiled.plan
    }

    pub fn context(&mut self) -> TaskContext<'_> {
        TaskContext {
            engine: &mut self.engine,
            decider: &mut self.decider,
            writers: &mut self.writers,
            appended: &mut self.appended,
            outputs: &mut self.outputs,
            dead_letters: &self.dead_letters,
            decisions: DECISIONS,
            further_outputs: FURTHER_OUTPUTS,
            decision_format: DecisionFormat::Json,
            now: self.now,
            rows: &mut self.rows,
            prepared: &self.prepared,
            tally: &mut self.tally,
            observer: &mut self.observer,
        }
    }

    /// A partition of an input topic.
    pub fn input(&self, input: u8) -> Source {
        let fields = self.compiled.input_fields(usize::from(input), None).unwrap();
        Source::Input(InputSource::new(input, InputDecoder::json(&fields), 0))
    }

    /// The partition of the topic in front of `stage` that two sources write to.
    pub fn repartition(&self, stage: usize) -> Source {
        let topic = TO_CUSTOMER + stage;
        let format = RepartitionFormat::new(self.plan(), stage);
        Source::Repartition(RepartitionSource::new(partition("repartition"), topic, format, vec![2]))
    }

    /// The partition of the topic in front of the first stage that one source of payments and one of labels write to.
    pub fn repartition_with_labels(&self) -> Source {
        let format = RepartitionFormat::new(self.plan(), CUSTOMER);
        let source = RepartitionSource::new(partition("repartition"), TO_CUSTOMER, format, vec![1, 1]);
        Source::Repartition(source)
    }

    /// The sink of this source of the topic in front of `stage`, which has so many partitions.
    pub fn writer(&mut self, stage: usize, partitions: i32, source: i32) -> Sink {
        self.writer_of(stage, partitions, SourceId::new(0, source), vec![2])
    }

    /// The sink of the only partition of an input.
    pub fn writer_of_input(&mut self, input: u8) -> Sink {
        self.writer_of(CUSTOMER, 1, SourceId::new(input, 0), vec![1, 1])
    }

    fn writer_of(&mut self, stage: usize, partitions: i32, source: SourceId, counts: Vec<u32>) -> Sink {
        let format = RepartitionFormat::new(self.plan(), stage);
        let writer = RepartitionWriter::new(TO_CUSTOMER + stage, partitions, format, counts);
        self.writers.insert(stage, writer);
        Sink::Repartition(RepartitionSink { stage, source })
    }

    /// Ends a round in which the source of `sink` came as far as `watermark`.
    pub fn flush(&mut self, sink: &mut Sink, watermark: Watermark) {
        sink.flush(watermark, &mut self.context());
        self.writers.flush(self.now, &mut self.appended);
    }

    /// Ends a round in which the task's partition was read so, and collects what its commit writes.
    pub fn finish(&mut self, task: &mut Task, partition: Phase) {
        task.finish_batch(partition, &mut self.context());
        task.collect();
        self.writers.flush(self.now, &mut self.appended);
    }

    pub fn decisions(&self) -> Sink {
        let set = DecisionSet::of_pipeline(Lineup::default(), Arc::clone(&self.plan().decide));
        let buffer = DecisionBuffer::new(Arc::clone(self.plan()), Arc::new(set), None);
        Sink::Decisions(DecisionSink::new(partition("repartition"), buffer, Offsets::default()).into())
    }

    /// An admitted event, at this second.
    pub fn event(&mut self, input: u8, id: &str, second: i64) -> Event {
        let value = if input == TRANSACTIONS {
            payment(id, second)
        } else {
            label(id, second)
        };
        self.decoded(input, &value)
    }

    /// The event of a record.
    pub fn decoded(&mut self, input: u8, value: &[u8]) -> Event {
        let mut source = self.input(input);
        source.take(record(0, value), &mut self.context()).unwrap();
        source.next_event(None, &mut self.context()).unwrap().unwrap().event
    }

    /// The values that were written to a topic since the last call for any topic.
    pub fn written(&mut self, topic: usize) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        for outputs in [&mut self.appended, &mut self.outputs] {
            let of_topic = outputs.records().iter().filter(|record| record.topic == topic);
            values.extend(of_topic.map(|record| outputs.value(record).unwrap().to_vec()));
            outputs.clear();
        }
        values
    }
}

pub fn partition(topic: &str) -> TopicPartition {
    TopicPartition {
        topic: topic.into(),
        partition: 0,
    }
}

/// A payment of customer `c` at terminal `t`.
pub fn payment(id: &str, second: i64) -> Vec<u8> {
    let time = second * 1000;
    format!(r#"{{"id":"{id}","time":{time},"customer":"c","terminal":"t","amount":5}}"#).into_bytes()
}

/// A label of a payment of customer `c`: it was fraud.
pub fn label(id: &str, second: i64) -> Vec<u8> {
    let time = second * 1000;
    format!(r#"{{"id":"{id}","time":{time},"customer":"c","fraud":true}}"#).into_bytes()
}

/// Microseconds.
pub const SECOND: i64 = 1_000_000;

pub fn record(offset: i64, value: &[u8]) -> RecordRef<'_> {
    RecordRef {
        offset,
        timestamp: None,
        key: Some(b"c"),
        value: Some(value),
        schema_id: None,
        headers: &[],
    }
}
