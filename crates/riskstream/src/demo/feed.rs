//! Where the demo's records come from: the simulator, or the user's files. On a thread of its own, at most so
//! many records ahead of the worker.

use crate::commands::CommandError;
use crate::commands::demo::Args;
use crate::interrupt::Interrupt;
use crate::simulated::{key, to_json};
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_offline::read::json_objects;
use riskstream_pipeline::memory::Broker;
use riskstream_simulator::SimulatedEvent;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Records that may wait in memory.
const AHEAD: usize = 1_000;

/// What is known afterwards: which transactions were fraud. None for files without labels.
pub type Truth = Option<HashMap<String, bool>>;

/// Begins to feed.
pub fn start(
    args: &Args,
    compiled: &Compiled,
    broker: Broker,
    interrupt: Interrupt,
) -> Result<JoinHandle<anyhow::Result<Truth>>, CommandError> {
    let topics: Vec<Arc<str>> = compiled.inputs.iter().map(|input| Arc::clone(&input.topic)).collect();
    if args.inputs.is_empty() {
        let names: Vec<&str> = compiled.inputs.iter().map(|input| input.name.as_str()).collect();
        let labels = compiled.inputs.iter().position(|input| input.name == "labels");
        if names.len() > 1 && labels.is_none() {
            return Err(CommandError::Configuration(anyhow!(
                "the simulator makes transactions and labels, the pipeline wants {}",
                names.join(", ")
            )));
        }
        let simulator = args.world.simulator()?;
        return Ok(std::thread::spawn(move || {
            simulate(simulator, &topics, labels, &broker, &interrupt)
        }));
    }
    let files = files(compiled, &args.inputs)?;
    let keys: Vec<Option<String>> = compiled.inputs.iter().map(|input| input.key.clone()).collect();
    let label_fields = label_fields(compiled);
    Ok(std::thread::spawn(move || {
        read_files(&files, &topics, &keys, label_fields, &broker, &interrupt)
    }))
}

fn simulate(
    simulator: impl Iterator<Item = SimulatedEvent>,
    topics: &[Arc<str>],
    labels: Option<usize>,
    broker: &Broker,
    interrupt: &Interrupt,
) -> anyhow::Result<Truth> {
    let mut truth = HashMap::new();
    let mut json = Vec::new();
    for (number, event) in simulator.enumerate() {
        if number % 256 == 0 && !wait_for_room(topics, broker, interrupt) {
            break;
        }
        let topic = match &event {
            SimulatedEvent::Transaction(transaction) => {
                truth.insert(transaction.transaction_id.clone(), transaction.fraud.is_some());
                Some(0)
            }
            SimulatedEvent::Label(_) => labels,
        };
        let Some(topic) = topic else { continue };
        to_json(&event, &mut json)?;
        broker.produce(&topics[topic], Some(key(&event).as_bytes()), Some(&json), Some(now()));
    }
    Ok(Some(truth))
}

fn read_files(
    files: &[(usize, PathBuf)],
    topics: &[Arc<str>],
    keys: &[Option<String>],
    label_fields: Option<(String, String)>,
    broker: &Broker,
    interrupt: &Interrupt,
) -> anyhow::Result<Truth> {
    let mut truth = HashMap::new();
    // Labels first: all of them wait for the transactions' clock, as the worker merges inputs by event time.
    let mut files: Vec<&(usize, PathBuf)> = files.iter().collect();
    files.sort_by_key(|(input, _)| std::cmp::Reverse(*input));
    for (input, path) in files {
        json_objects(path, &mut |object| {
            let text = |field: &str| {
                object.get(field).map(|value| match value {
                    serde_json::Value::String(text) => text.clone(),
                    other => other.to_string(),
                })
            };
            if let (true, Some((id, fraud))) = (*input > 0, &label_fields) {
                let is_fraud = object.get(fraud).is_some_and(|value| {
                    matches!(value, serde_json::Value::Bool(true))
                        || value.as_f64() == Some(1.0)
                        || value.as_str() == Some("1")
                        || value.as_str() == Some("true")
                });
                truth.extend(text(id).map(|id| (id, is_fraud)));
            }
            let key = keys[*input].as_deref().and_then(&text).unwrap_or_default();
            let json = serde_json::to_vec(object).unwrap_or_default();
            broker.produce(&topics[*input], Some(key.as_bytes()), Some(&json), Some(now()));
            !interrupt.requested()
        })?;
    }
    Ok((!truth.is_empty()).then_some(truth))
}

/// Waits until the worker has caught up enough; false if the user wants to end.
fn wait_for_room(topics: &[Arc<str>], broker: &Broker, interrupt: &Interrupt) -> bool {
    while broker.forget_consumed(topics) > AHEAD {
        if interrupt.requested() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    !interrupt.requested()
}

fn files(compiled: &Compiled, inputs: &[String]) -> Result<Vec<(usize, PathBuf)>, CommandError> {
    let file = |input: &String| {
        let (name, path) = input
            .split_once('=')
            .unwrap_or((compiled.inputs[0].name.as_str(), input));
        let index = compiled.inputs.iter().position(|input| input.name == name);
        let index = index.ok_or_else(|| {
            let names: Vec<&str> = compiled.inputs.iter().map(|input| input.name.as_str()).collect();
            CommandError::Configuration(anyhow!(
                "the pipeline uses no input `{name}`; it has {}",
                names.join(", ")
            ))
        })?;
        if !Path::new(path).is_file() {
            return Err(CommandError::Configuration(anyhow!("{path}: no such file")));
        }
        Ok((index, PathBuf::from(path)))
    };
    inputs.iter().map(file).collect()
}

/// The names of a label's transaction id and of its boolean verdict, if there is exactly one such field.
fn label_fields(compiled: &Compiled) -> Option<(String, String)> {
    let labels = compiled.inputs.get(1)?;
    let id = labels
        .fields
        .iter()
        .find(|field| field.slot == compiled.plan.inputs[1].id)?;
    let fraud = labels
        .fields
        .iter()
        .find(|field| field.value_type == riskstream_events::ValueType::Bool)?;
    Some((id.path.join("."), fraud.path.join(".")))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
