//! The demo's simulated records. They are written to the in-memory log by a thread of its own.

use super::results::GroundTruth;
use crate::clock::SystemClock;
use crate::commands::error::CommandError;
use crate::shutdown::Shutdown;
use crate::simulated::{SimulationArgs, to_json};
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_engine::plan::{InputKind, InputPlan};
use riskstream_pipeline::Clock;
use riskstream_pipeline::memory::Broker;
use riskstream_simulator::{SimulatedEvent, Simulator};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Limit of records in the log that the worker has not read yet.
const MAX_AHEAD: usize = 1_000;
/// Simulated events between two checks of this limit.
const CHECK_INTERVAL: usize = 256;

/// The records to write.
pub(super) struct Feed {
    simulator: Box<Simulator>,
    topics: Vec<Arc<str>>,
    /// The index of the input `labels`, if the pipeline has one.
    labels: Option<usize>,
}

impl Feed {
    /// Simulated events.
    ///
    /// # Errors
    /// The simulator refuses the arguments, or the pipeline has an input that it does not simulate.
    pub(super) fn new(simulation: &SimulationArgs, compiled: &Compiled) -> Result<Feed, CommandError> {
        let is_labels = |input: &InputPlan| input.name == "labels" && input.kind == InputKind::Labels;
        let labels = compiled.plan.inputs.iter().position(is_labels);
        let mut others = compiled.plan.inputs.iter();
        // Other events are not simulated: there are none.
        if others.any(|input| input.kind == InputKind::Labels) && labels.is_none() {
            let names: Vec<&str> = compiled.inputs.iter().map(|input| input.name.as_str()).collect();
            return Err(CommandError::configuration(anyhow!(
                "the simulator makes transactions and labels, the pipeline wants {}",
                names.join(", ")
            )));
        }
        let simulator = simulation.simulator().map_err(CommandError::configuration)?;
        Ok(Feed {
            simulator: Box::new(simulator),
            topics: compiled.inputs.iter().map(|input| Arc::clone(&input.topic)).collect(),
            labels,
        })
    }

    /// Starts the thread. It ends after the last record or upon shutdown, and returns the ground truth.
    pub(super) fn start(self, broker: Broker, shutdown: Shutdown) -> JoinHandle<anyhow::Result<GroundTruth>> {
        let writer = Writer::new(self.topics, broker, shutdown);
        std::thread::spawn(move || writer.simulate(*self.simulator, self.labels))
    }
}

/// Writes records to the in-memory log, in event-time order, and announces the event time up to which it has written: so the
/// order in which they are applied does not depend on how fast threads are.
struct Writer {
    topics: Vec<Arc<str>>,
    broker: Broker,
    shutdown: Shutdown,
}

impl Writer {
    fn new(topics: Vec<Arc<str>>, broker: Broker, shutdown: Shutdown) -> Writer {
        broker.set_written_until(&topics, i64::MIN);
        Writer {
            topics,
            broker,
            shutdown,
        }
    }

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
            self.broker.set_written_until(&self.topics, event.event_time());
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

impl Drop for Writer {
    /// Announces that no record follows, however the thread ends.
    fn drop(&mut self) {
        self.broker.set_written_until(&self.topics, i64::MAX);
    }
}
