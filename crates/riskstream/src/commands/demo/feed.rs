//! The demo's records: from the simulator or from the user's files. They are written to the in-memory log by a thread
//! of its own.

use super::results::GroundTruth;
use crate::clock::SystemClock;
use crate::commands::error::CommandError;
use crate::commands::input_file::InputFileArgument;
use crate::shutdown::Shutdown;
use crate::simulated::{SimulationArgs, to_json};
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_events::ValueType;
use riskstream_offline::read::json_objects;
use riskstream_pipeline::Clock;
use riskstream_pipeline::memory::Broker;
use riskstream_simulator::{SimulatedEvent, Simulator};
use serde_json::{Map, Value};
use std::cmp::Reverse;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Limit of records in the log that the worker has not read yet.
const MAX_AHEAD: usize = 1_000;
/// Simulated events between two checks of this limit.
const CHECK_INTERVAL: usize = 256;

/// The records to write.
pub(super) struct Feed {
    source: FeedSource,
    topics: Vec<Arc<str>>,
}

enum FeedSource {
    Simulation {
        simulator: Box<Simulator>,
        /// The index of the input `labels`, if the pipeline has one.
        labels: Option<usize>,
    },
    Files {
        files: Vec<InputFileArgument>,
        /// For each input the field that the records' Kafka key holds.
        keys: Vec<Option<String>>,
        label_fields: Option<LabelFields>,
    },
}

/// The fields of a label that give the ground truth.
struct LabelFields {
    /// The field with the transaction's id.
    id: String,
    /// The field with the label: whether it was fraud.
    fraud: String,
}

impl Feed {
    /// Simulated events.
    ///
    /// # Errors
    /// The simulator refuses the arguments, or the pipeline has an input that it does not simulate.
    pub(super) fn simulated(simulation: &SimulationArgs, compiled: &Compiled) -> Result<Feed, CommandError> {
        let labels = compiled.inputs.iter().position(|input| input.name == "labels");
        if compiled.inputs.len() > 1 && labels.is_none() {
            let names: Vec<&str> = compiled.inputs.iter().map(|input| input.name.as_str()).collect();
            return Err(CommandError::configuration(anyhow!(
                "the simulator makes transactions and labels, the pipeline wants {}",
                names.join(", ")
            )));
        }
        let simulator = simulation.simulator().map_err(CommandError::configuration)?;
        let simulator = Box::new(simulator);
        Ok(Feed::new(compiled, FeedSource::Simulation { simulator, labels }))
    }

    /// The user's files, given as `[NAME=]FILE`.
    ///
    /// # Errors
    /// A file does not exist, or the pipeline has no such input.
    pub(super) fn files(inputs: &[String], compiled: &Compiled) -> Result<Feed, CommandError> {
        let file = |argument: &String| {
            let file = InputFileArgument::parse(argument, compiled)?;
            if !file.path.is_file() {
                let path = file.path.display();
                return Err(CommandError::configuration(anyhow!("{path}: no such file")));
            }
            Ok(file)
        };
        let mut files = inputs.iter().map(file).collect::<Result<Vec<_>, CommandError>>()?;
        // Labels first: the worker merges inputs by event time, so they wait for the transactions.
        files.sort_by_key(|file| Reverse(file.input));
        let source = FeedSource::Files {
            files,
            keys: compiled.inputs.iter().map(|input| input.key.clone()).collect(),
            label_fields: LabelFields::of(compiled),
        };
        Ok(Feed::new(compiled, source))
    }

    fn new(compiled: &Compiled, source: FeedSource) -> Feed {
        let topics = compiled.inputs.iter().map(|input| Arc::clone(&input.topic)).collect();
        Feed { source, topics }
    }

    /// Starts the thread. It ends after the last record or upon shutdown, and returns the ground truth if there is one.
    pub(super) fn start(self, broker: Broker, shutdown: Shutdown) -> JoinHandle<anyhow::Result<Option<GroundTruth>>> {
        let writer = Writer {
            topics: self.topics,
            broker,
            shutdown,
        };
        std::thread::spawn(move || match self.source {
            FeedSource::Simulation { simulator, labels } => writer.simulate(*simulator, labels).map(Some),
            FeedSource::Files {
                files,
                keys,
                label_fields,
            } => {
                let truth = writer.read_files(&files, &keys, label_fields.as_ref())?;
                Ok((!truth.is_empty()).then_some(truth))
            }
        })
    }
}

impl LabelFields {
    /// The id and the first boolean field of the second input.
    fn of(compiled: &Compiled) -> Option<LabelFields> {
        let labels = compiled.inputs.get(1)?;
        let mut fields = labels.fields.iter();
        let id = fields.clone().find(|field| field.slot == compiled.plan.inputs[1].id)?;
        let fraud = fields.find(|field| field.value_type == ValueType::Bool)?;
        Some(LabelFields {
            id: id.path.join("."),
            fraud: fraud.path.join("."),
        })
    }

    /// The transaction's id and whether it was fraud.
    fn read(&self, label: &Map<String, Value>) -> Option<(String, bool)> {
        let fraud = label.get(&self.fraud).is_some_and(|value| {
            matches!(value, Value::Bool(true))
                || value.as_f64() == Some(1.0)
                || value.as_str() == Some("1")
                || value.as_str() == Some("true")
        });
        Some((text(label, &self.id)?, fraud))
    }
}

fn text(object: &Map<String, Value>, field: &str) -> Option<String> {
    object.get(field).map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

/// Writes records to the in-memory log.
struct Writer {
    topics: Vec<Arc<str>>,
    broker: Broker,
    shutdown: Shutdown,
}

impl Writer {
    fn simulate(&self, simulator: Simulator, labels: Option<usize>) -> anyhow::Result<GroundTruth> {
        let mut truth = GroundTruth::new();
        let mut json = Vec::new();
        for (number, event) in simulator.enumerate() {
            if number % CHECK_INTERVAL == 0 && !self.wait_for_room() {
                break;
            }
            let input = match &event {
                SimulatedEvent::Transaction(transaction) => {
                    truth.insert(transaction.transaction_id.clone(), transaction.fraud.is_some());
                    Some(0)
                }
                SimulatedEvent::Label(_) => labels,
            };
            let Some(input) = input else { continue };
            to_json(&event, &mut json)?;
            self.write(input, event.customer_id(), &json);
        }
        Ok(truth)
    }

    fn read_files(
        &self,
        files: &[InputFileArgument],
        keys: &[Option<String>],
        label_fields: Option<&LabelFields>,
    ) -> anyhow::Result<GroundTruth> {
        let mut truth = GroundTruth::new();
        for InputFileArgument { input, path } in files {
            json_objects(path, &mut |object| {
                if let Some(fields) = label_fields.filter(|_| *input > 0) {
                    truth.extend(fields.read(object));
                }
                let key = keys[*input].as_deref().and_then(|field| text(object, field));
                let json = serde_json::to_vec(object).unwrap_or_default();
                self.write(*input, &key.unwrap_or_default(), &json);
                !self.shutdown.requested()
            })?;
        }
        Ok(truth)
    }

    fn write(&self, input: usize, key: &str, json: &[u8]) {
        let milliseconds = SystemClock.now() / 1000;
        self.broker.produce(
            &self.topics[input],
            Some(key.as_bytes()),
            Some(json),
            Some(milliseconds),
        );
    }

    /// Waits until the worker has read most of what was written. Returns false upon shutdown.
    fn wait_for_room(&self) -> bool {
        while self.broker.forget_consumed(&self.topics) > MAX_AHEAD {
            if self.shutdown.requested() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        !self.shutdown.requested()
    }
}
