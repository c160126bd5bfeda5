//! Labels from the topic that a pipeline reads them from.

use crate::commands::decision_topic::{WAIT, milliseconds_ago, progress_bar};
use crate::commands::error::CommandError;
use crate::connections::{registry, schema_sources};
use crate::secret::secret;
use crate::shutdown::Shutdown;
use anyhow::Context;
use indicatif::{HumanCount, ProgressBar};
use riskstream_backtest::{AsOf, LabelSlots, Labels};
use riskstream_definition::Compiled;
use riskstream_engine::Engine;
use riskstream_engine::plan::InputKind;
use riskstream_events::{DecodeError, InputDecoder, Row, Slot, ValueType};
use riskstream_kafka::{KafkaOptions, Scanned, TopicScan};
use riskstream_offline::read::{Next, ReadError, Rows};
use riskstream_pipeline::DecisionFormat;
use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The topic of a pipeline's labels.
pub(super) struct LabelTopic<'a> {
    compiled: &'a Compiled,
    input: usize,
    slots: LabelSlots,
}

impl<'a> LabelTopic<'a> {
    /// The topic of the first input of labels that has the field `fraud`; none if no feature uses labels: such inputs are not read.
    ///
    /// # Errors
    /// No input of labels has this field as a bool.
    pub(super) fn find(compiled: &'a Compiled, fraud: &str) -> anyhow::Result<Option<LabelTopic<'a>>> {
        let slot = |input: usize| {
            let fields = compiled.inputs[input].fields.iter();
            let mut fields = fields.filter(|field| field.value_type == ValueType::Bool);
            fields.find(|field| field.name == fraud).map(|field| field.slot)
        };
        let is_labels = |input: &usize| compiled.plan.inputs[*input].kind == InputKind::Labels;
        let mut inputs = (0..compiled.inputs.len()).filter(is_labels).peekable();
        if inputs.peek().is_none() {
            return Ok(None);
        }
        let found = inputs.find_map(|input| Some((input, slot(input)?)));
        let (input, fraud) = found.with_context(|| {
            format!("--label-fraud {fraud}: no input of labels has a field of this name whose type is `bool`")
        })?;
        let plan = &compiled.plan.inputs[input];
        let slots = LabelSlots {
            id: plan.id,
            fraud,
            known_at: Some(plan.event_time),
        };
        Ok(Some(LabelTopic { compiled, input, slots }))
    }

    /// Reads the topic. `since`: only records that were written within so many microseconds.
    ///
    /// # Errors
    /// The topic or the registry cannot be reached, or the run was interrupted.
    pub(super) fn read(
        &self,
        kafka: &KafkaOptions,
        since: Option<i64>,
        as_of: AsOf,
        shutdown: &Shutdown,
    ) -> Result<Labels, CommandError> {
        let compiled = self.compiled;
        let topic = &compiled.inputs[self.input].topic;
        let schemas = compiled
            .settings
            .registry
            .as_ref()
            .map(|settings| schema_sources(&registry(settings)));
        let topology = compiled.topology(
            secret(&compiled.settings)?.as_deref(),
            schemas.as_ref(),
            DecisionFormat::Json,
        );
        let topology = topology.map_err(CommandError::configuration)?;
        let scan = TopicScan::begin(kafka, topic, since.map(milliseconds_ago)).map_err(CommandError::failed)?;
        let mut rows = TopicRows {
            bar: progress_bar(scan.total()),
            scan,
            decoder: (topology.inputs[self.input].decoder)(),
            engine: Engine::new(Arc::clone(&compiled.plan)),
            input: self.input as u8,
            id: self.slots.id,
            topic,
            number: 0,
            shutdown,
        };
        let (mut labels, mut unusable) = (Labels::default(), 0);
        let read = labels.read(topic, &mut rows, self.slots, as_of, &mut |_, _| unusable += 1);
        rows.bar.finish_and_clear();
        read.map_err(CommandError::failed)?;
        if unusable > 0 {
            eprintln!("{} records of {topic} are no labels", HumanCount(unusable));
        }
        Ok(labels)
    }
}

/// The records of a topic, up to its end.
struct TopicRows<'a> {
    scan: TopicScan,
    bar: ProgressBar,
    decoder: InputDecoder,
    engine: Engine,
    input: u8,
    id: Slot,
    topic: &'a str,
    number: u64,
    shutdown: &'a Shutdown,
}

impl TopicRows<'_> {
    fn failed(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ReadError {
        ReadError::Io {
            path: PathBuf::from(self.topic),
            error: io::Error::other(error),
        }
    }
}

impl Rows for TopicRows<'_> {
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError> {
        loop {
            if self.shutdown.requested() {
                return Err(self.failed("interrupted"));
            }
            self.bar.set_position(self.scan.total() - self.scan.remaining());
            let value = match self.scan.next(WAIT).map_err(|error| self.failed(error))? {
                Scanned::Record(record) => record.value,
                Scanned::Nothing => continue,
                Scanned::End => return Ok(Next::End),
            };
            // A tombstone is no label.
            let Some(value) = value else { continue };
            self.number += 1;
            match self.decoder.decode(&value, row) {
                Ok(()) if self.engine.takes(self.input, row) => {
                    // Decisions carry it so.
                    if let Cow::Owned(published) = self.engine.plan().published_value(self.id, &row[self.id]) {
                        row[self.id] = published;
                    }
                    return Ok(Next::Row);
                }
                Ok(()) => {}
                Err(DecodeError::Rejected(rejection)) => return Ok(Next::Rejected(self.number, rejection)),
                Err(error) => return Err(self.failed(error)),
            }
        }
    }
}
